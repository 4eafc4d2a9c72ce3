"""Where everything of a week's picture stands: a column a day, time down the side. Pure: what is shown in, geometry out.

A block is as high as its run is long, at least high enough for a name. Blocks that would cover each other stand in lanes; where
there are too many, the rest is folded into one. Frequent schedules are narrow bands at the left of their day.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from django.utils.safestring import mark_safe

from runs.week import DAY, Day

AXIS, HEAD, COLUMN, HOUR = 44, 44, 138, 26
HEIGHT = 24 * HOUR
WIDTH, FOOT, LABELS = AXIS + 7 * COLUMN, HEAD + HEIGHT + 1, AXIS - 6
LOWEST, THINNEST = 14, 2.5
LANES, BANDS = 3, 4
BAND = 6
LETTER = 5.6
NAMED = 8
Piece = tuple["Item", float, float]


class Item(Protocol):
    """What runs from one moment to another. `kind`: its classes; `band`: the frequent schedule that it belongs to, '' for none."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def link(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def band(self) -> str: ...


@dataclass(frozen=True)
class Block:
    """One mark. `bar` is the true height of what stands in a higher block; `label` is what there is room for."""

    x: float
    y: float
    width: float
    height: float
    bar: float
    kind: str
    title: str
    link: str
    label: str = ""

    # As SVG has them, each in one text: a page has a thousand of them.

    @property
    def body(self) -> str:
        """The attributes of the whole block."""
        return mark_safe(f'x="{self.x:.1f}" y="{self.y:.1f}" width="{self.width:.1f}" height="{self.height:.1f}"')

    @property
    def solid(self) -> str:
        """Those of its bar."""
        return mark_safe(f'x="{self.x:.1f}" y="{self.y:.1f}" width="3" height="{self.bar:.1f}"')

    @property
    def at(self) -> str:
        """Where the label stands."""
        return mark_safe(f'x="{self.x + (6 if self.bar else 3):.1f}" y="{self.y + 10.5:.1f}"')


@dataclass(frozen=True)
class Hour:
    """A line across all days."""

    y: int
    label: str
    strong: bool

    @property
    def text_y(self) -> int:
        """The label's base line."""
        return self.y + 4


HOURS = [Hour(HEAD + n * HOUR, f"{n:02}:00" if n % 2 == 0 else "", n % 6 == 0) for n in range(25)]


@dataclass(frozen=True)
class Column:
    """A day: where it stands, what of it has passed, the hour that is missing or comes twice, and its marks."""

    day: Day
    x: float
    past: float
    now: float | None
    changed: tuple[float, float] | None
    blocks: list[Block] = field(default_factory=list)

    @property
    def middle(self) -> float:
        """Where its heading stands."""
        return self.x + COLUMN / 2


def columns(days: Sequence[Day], items: Iterable[Item], now: float) -> list[Column]:
    """The week's columns with everything that falls on them. What goes on past midnight goes on in the next one."""
    drawn = [_column(number, day, now) for number, day in enumerate(days)]
    banded: list[list[Piece]] = [[] for _ in days]
    single: list[list[Piece]] = [[] for _ in days]
    starts = [day.start for day in days]
    for item in items:
        start, end = item.start, item.end
        pieces = banded if item.band else single
        number = max(bisect_right(starts, start) - 1, 0)
        while number < len(days) and (days[number].start < end or days[number].start <= start):
            if span := days[number].span(start, end):
                pieces[number].append((item, _y(span[0]), _y(span[1])))
            number += 1
    for column, bands, blocks in zip(drawn, banded, single, strict=True):
        left = column.x + 3
        column.blocks.extend(_bands(bands, left))
        room = min(len({item.band for item, *_ in bands}), BANDS) * (BAND + 1)
        blocks.sort(key=lambda piece: (piece[1], -piece[2]))
        column.blocks.extend(_blocks(blocks, left + room, column.x + COLUMN - 3))
    return drawn


def _column(number: int, day: Day, now: float) -> Column:
    line = _y(day.reading(now)) if day.start <= now < day.end else None
    past = HEIGHT if now >= day.end else line - HEAD if line is not None else 0
    changed = day.changed and (_y(day.changed[0]), _y(day.changed[1]) - _y(day.changed[0]))
    return Column(day, AXIS + number * COLUMN, past, line, changed)


def _y(reading: float) -> float:
    return HEAD + min(max(reading / DAY, 0), 1) * HEIGHT


# Blocks


def _blocks(pieces: Sequence[Piece], left: float, right: float) -> Iterator[Block]:
    for group in _groups(pieces):
        lanes, rest = _lanes(group)
        count = len(lanes) + bool(rest)
        width = (right - left) / count
        for number, lane in enumerate(lanes):
            for item, top, bottom in lane:
                yield _block(item, top, bottom, left + number * width, width)
        for fold in _folds(rest):
            yield _fold(fold, left + len(lanes) * width, width)


def _groups(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Pieces, from the top, that reach into each other."""
    group: list[Piece] = []
    reach = 0.0
    for piece in pieces:
        if group and piece[1] >= reach:
            yield group
            group = []
        group.append(piece)
        reach = max(reach, _foot(piece)) if len(group) > 1 else _foot(piece)
    if group:
        yield group


def _lanes(
    group: Sequence[Piece],
) -> tuple[list[list[Piece]], list[Piece]]:
    """The group in as few lanes as it takes, and what finds no place; then one lane is left free for that."""
    for most in (LANES, LANES - 1):
        lanes: list[list[Piece]] = []
        rest = []
        for piece in group:
            free = next((lane for lane in lanes if _foot(lane[-1]) <= piece[1]), None)
            if free is not None:
                free.append(piece)
            elif len(lanes) < most:
                lanes.append([piece])
            else:
                rest.append(piece)
        if not rest:
            break
    return lanes, rest


def _foot(piece: Piece) -> float:
    """Where the piece ends in the picture."""
    return max(piece[2], piece[1] + LOWEST)


def _folds(rest: Sequence[Piece]) -> Iterator[list[Piece]]:
    fold: list[Piece] = []
    for piece in rest:
        if fold and piece[1] >= fold[0][1] + LOWEST:
            yield fold
            fold = []
        fold.append(piece)
    if fold:
        yield fold


def _block(item: Item, top: float, bottom: float, x: float, width: float) -> Block:
    bar = max(bottom - top, THINNEST)
    # What begins right before midnight must not stand out of its day.
    height = max(bar, LOWEST)
    top = min(top, HEAD + HEIGHT - height)
    return Block(x, top, width - 1.5, height, bar, item.kind, item.title, item.link, fitting(item.name, width - 9))


def _fold(fold: Sequence[Piece], x: float, width: float) -> Block:
    names = [item.name for item, *_ in fold]
    title = f"{len(names)} more: {_some(names)}"
    top = min(fold[0][1], HEAD + HEIGHT - LOWEST)
    clash = " clash" if any("clash" in item.kind.split() for item, *_ in fold) else ""
    return Block(x, top, width - 1.5, LOWEST, 0, f"fold{clash}", title, "", f"+{len(names):,}")


def fitting(name: str, room: float) -> str:
    """As much of the name as there is room for; nothing where that says little."""
    letters = int(room / LETTER)
    if len(name) <= letters:
        return name
    return f"{name[: letters - 1]}…" if letters >= 4 else ""


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


# Bands


def _bands(pieces: Sequence[Piece], left: float) -> Iterator[Block]:
    """One narrow track for each frequent schedule, in order of their names; the last one stands for the rest."""
    names = sorted({item.band for item, *_ in pieces})
    own = names if len(names) <= BANDS else names[: BANDS - 1]
    tracks = {name: left + number * (BAND + 1) for number, name in enumerate(own)}
    rest = [piece for piece in pieces if piece[0].band not in tracks]
    for item, top, bottom in pieces:
        if item.band in tracks:
            yield _band(item, top, bottom, tracks[item.band])
    if rest:
        folded = sorted({item.band for item, *_ in rest})
        title = f"{len(folded)} more frequent schedules: {_some(folded)}"
        top, bottom = min(piece[1] for piece in rest), max(piece[2] for piece in rest)
        yield Block(left + (BANDS - 1) * (BAND + 1), top, BAND, bottom - top, bottom - top, "band fold", title, "")


def _band(item: Item, top: float, bottom: float, x: float) -> Block:
    height = max(bottom - top, THINNEST)
    return Block(x, min(top, HEAD + HEIGHT - height), BAND, height, height, f"band {item.kind}", item.title, item.link)
