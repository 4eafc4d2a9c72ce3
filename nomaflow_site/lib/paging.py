"""Paging for the API: a cursor over the rows' own order, so that page 2,000 costs what page 1 does."""

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):  # type: ignore[misc]
    """`?cursor=...&page_size=N` (at most 500), newest first."""

    ordering = "-pk"
    page_size_query_param = "page_size"
    max_page_size = 500

    def decode_cursor(self, request: Any) -> Any:
        """The cursor; NotFound for one with a NUL in it, which PostgreSQL refuses."""
        cursor = super().decode_cursor(request)
        if cursor is not None and "\0" in (cursor.position or ""):
            raise NotFound(self.invalid_cursor_message)
        return cursor

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> Any:
        """One page; NotFound for a cursor that wasn't made here."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, OverflowError) as error:
            # The position goes into the query as it came: "abc" for a number is refused only there.
            raise NotFound(self.invalid_cursor_message) from error


class ByPrimaryKey(NewestFirst):
    """The same, in the order of the primary key: names from A to Z."""

    ordering = "pk"
