"""Floor 3: what happened and what happens now."""
