"""Floor 0: tools with no opinion about jobs or runs."""
