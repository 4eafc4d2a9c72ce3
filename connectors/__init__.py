"""Floor 1: how to reach another system."""
