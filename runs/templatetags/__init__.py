"""Template tags of the operator pages."""
