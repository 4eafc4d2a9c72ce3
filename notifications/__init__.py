"""Floor 4: who is told, and how."""
