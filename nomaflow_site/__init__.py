"""Settings and wiring: names the apps by dotted path, holds no rule."""
