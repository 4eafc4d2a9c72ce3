"""`manage.py createtoken USER`: a token for the API."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from knox.models import get_token_model

FLAG = "--create-superuser"


class Command(BaseCommand):
    """Prints the token alone, so that `TOKEN=$(manage.py createtoken alice)` works. Only its hash is kept."""

    help = "Make an API token for a user and print it. It can't be shown again: only its hash is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        """USER and the flag."""
        parser.add_argument("user", metavar="USER", help="the account that the token acts for")
        parser.add_argument(FLAG, action="store_true", help="make the account first, a superuser, when there is none")

    def handle(self, *args: Any, user: str, create_superuser: bool, **options: Any) -> None:
        """Make the token. Exits 1 for an unknown or inactive user."""
        account = self._account(user, create_superuser)
        if not account.is_active:
            raise CommandError(f"The user {user!r} is not active; a token of theirs would be refused.")
        _, token = get_token_model().objects.create(user=account)
        self.stdout.write(token)

    def _account(self, name: str, create: bool) -> Any:
        users = get_user_model()._default_manager
        account = users.filter(**{get_user_model().USERNAME_FIELD: name}).first()
        if account is None and not create:
            raise CommandError(f"There is no user {name!r}. Add {FLAG} to make one who may do everything.")
        # Without a usable password: the token is the only way in until somebody sets one.
        return account or users.create_superuser(name, password=None)  # type: ignore[attr-defined]
