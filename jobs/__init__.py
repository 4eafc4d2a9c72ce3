"""Floor 2: what should happen."""
