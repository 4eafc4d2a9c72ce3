"""Tables for a shell: drawn on a terminal, tab-separated lines for a pipe."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def print_table(out: Any, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write the rows to a command's `stdout`."""
    if out.isatty():
        table = Table(*headers, box=None, header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*row)
        Console(file=out, markup=False).print(table)
        return
    for row in (headers, *rows):
        out.write("\t".join(row))
