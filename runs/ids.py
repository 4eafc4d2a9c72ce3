"""Short public identifiers of runs."""

import secrets

# Lower case without vowels and look-alikes: easy to read over the phone, and never a word.
ALPHABET = "23456789bcdfghjkmnpqrstvwxz"
LENGTH = 8


def new_run_id() -> str:
    """`run_` and eight random characters (2.8e11 of them); the database's unique constraint makes sure of the rest."""
    return "run_" + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
