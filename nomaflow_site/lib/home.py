"""The folder of embedded data, and the keys kept in it."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

FOLDER_MODE = 0o700
KEY_MODE = 0o600


def prepare_home(path: Path) -> Path:
    """Create the folder (mode 700 when new) and return it absolute; ImproperlyConfigured when it can't be written."""
    path = path.expanduser().absolute()
    try:
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"NOMAFLOW_HOME is {path}, which can't be made ({error.strerror}). "
            "Set NOMAFLOW_HOME to a folder that this user can write to."
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ImproperlyConfigured(
            f"NOMAFLOW_HOME is {path}, which this user can't write to. "
            "Set NOMAFLOW_HOME to a folder that this user can write to."
        )
    return path


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The text in `path`, made by `make` on first use and kept with mode 600. Two processes starting at once agree."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.touch(mode=KEY_MODE)
        draft.write_text(make() + "\n")
        try:
            # link() fails when the name exists already: the first process wins and everybody reads the same key.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_text().strip()


def fresh_secret_key() -> str:
    """A Django secret key: 64 random bytes, URL-safe."""
    return secrets.token_urlsafe(64)


def fresh_field_key() -> str:
    """A key for the encrypted fields: 32 random bytes in Fernet's own encoding."""
    return Fernet.generate_key().decode()
