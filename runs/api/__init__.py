"""The REST API: translates requests into the verbs of this app and back."""
