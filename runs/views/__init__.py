"""Pages for people, and the stream behind the live log."""
