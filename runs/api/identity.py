"""Who calls the API: the owner of a token, or a signed-in browser. Never one in place of the other."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed


class HeaderToken(TokenAuthentication):  # type: ignore[misc]
    """`Authorization: Token <key>`.

    A request that brings an Authorization header is judged by it alone: one that doesn't hold is refused, even when a
    session cookie came along.
    """

    def authenticate(self, request: Any) -> Any:
        """(user, token), None without the header; AuthenticationFailed for any header that isn't a good token."""
        if not request.META.get("HTTP_AUTHORIZATION"):
            return None
        try:
            found = super().authenticate(request)
        except UnicodeDecodeError as error:
            raise AuthenticationFailed("Invalid token.") from error
        if found is None:
            raise AuthenticationFailed("Expected the header `Authorization: Token <key>`.")
        return found


class HeaderTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[misc, no-untyped-call]
    """How the OpenAPI schema describes the token."""

    target_class = "runs.api.identity.HeaderToken"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """An API key in the Authorization header."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token <key>`, made by `manage.py createtoken USER`",
        }


IDENTITIES = [HeaderToken, SessionAuthentication]
