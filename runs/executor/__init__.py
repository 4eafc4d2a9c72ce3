"""Running one step in a process of its own: the fork server, the child, and the side that watches."""
