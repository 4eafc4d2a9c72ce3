"""Pages about alerts, and what people do there."""
