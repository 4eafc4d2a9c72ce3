"""How the rows of a copy come before the readers of the target. Decided before any of them is read.

| way      | what happens |
|----------|--------------|
| straight | one transaction from the first row to the last, into the table itself |
| swap     | a table like the target is loaded beside it and takes its place |
| made     | a new table is loaded under another name and renamed when it's complete |
| parts    | straight, but the transaction ends after every some thousand rows; what is there is not read again by the next run |
| gathered | rows wait in a temporary table; a few statements in one transaction bring them into the target |
"""

from collections.abc import Sequence
from typing import NamedTuple


class Facts(NamedTuple):
    """What the choice depends on."""

    mode: str
    exists: bool
    empty: bool
    # A load may go straight into the target: it keeps nobody else out of the whole database.
    loads_directly: bool
    # A CREATE TABLE is undone by a rollback.
    transactional_ddl: bool
    # New columns are added to a target that is there: to keep its readers out isn't begun before all rows have been read.
    widens: bool
    # The rows are looked at before they're among those of the target.
    verifies: bool
    # Rows are added in parts that stay, whatever becomes of the others.
    resumes: bool
    # Why no other table may take the target's place; None where the database has no way to do so.
    obstacles: Sequence[str] | None


class Way(NamedTuple):
    """How, and in words why."""

    name: str
    words: str


def way_of(facts: Facts) -> Way:
    """The first line that holds."""
    if facts.resumes:
        return Way("parts", "each part is committed, the next run goes on after the last one")
    free = facts.obstacles is not None and not facts.obstacles
    if facts.mode == "upsert" and facts.exists:
        return Way("gathered", "rows are compared with those that are there")
    if not facts.exists:
        beside = free and not (facts.transactional_ddl and facts.loads_directly)
        return Way("made" if beside else "straight" if facts.loads_directly else "gathered", "the table is new")
    if facts.mode == "append" and not facts.loads_directly and not (facts.empty and free):
        return Way("gathered", "the database isn't locked before all rows have been read")
    if facts.widens and facts.mode == "append" and facts.loads_directly:
        return Way("gathered", "rows and columns are added")
    if facts.verifies and facts.mode == "append" and not facts.empty:
        return Way("gathered", "the checksum is of the rows that are added")
    if facts.loads_directly and not facts.widens and (facts.mode == "append" or facts.empty):
        return Way("straight", "the table is empty" if facts.empty else "rows are added")
    if facts.obstacles is None:
        return Way("gathered", "this database can't put one table in the place of another")
    if facts.obstacles:
        return Way("gathered", f"the table stays in its place: {'; '.join(facts.obstacles)}")
    return Way("swap", "the loaded table takes the place of the old one")
