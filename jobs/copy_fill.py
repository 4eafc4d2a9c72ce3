"""Rows on their way from the source into a table: by which route, how they're changed, and what is told of them."""

import time
from collections.abc import Sequence
from contextlib import closing, suppress

from connectors.definition import ConnectorError
from connectors.kinds.sql import BadRow, Column, Move, Refused, Route
from jobs.context import Context
from jobs.copy_columns import Columns
from jobs.copy_routes import Facts, ways
from jobs.copy_rows import Change, both, change_rows, pace_of, refused
from jobs.copy_source import Source
from jobs.copy_target import Target


class Filling:
    """The rows of one copy; `done` counts those that have arrived."""

    def __init__(
        self, ctx: Context, source: Source, target: Target, columns: Columns, batch_size: int, apart: bool
    ) -> None:
        self.ctx, self.source, self.target, self.columns, self.batch_size = ctx, source, target, columns, batch_size
        # Rows are read by the source's own session alone.
        self.apart = apart
        # What the source's database makes of its columns by the step's rules, where it knows them all.
        self.ruled = columns.ruled(source)
        self.fresh = False
        self.done = 0
        self.began = time.perf_counter()
        self.total = source.total()
        self._route = ""

    def fill(self, into: str, columns: Sequence[Column], fresh: bool) -> None:
        """Bring the rows that the source shows into the table `into`, which has these columns, by the fastest way that is exact.

        `fresh` says that the table was made for it in the open transaction, so that nobody else can see it.
        """
        self.fresh, before = fresh, self.done
        fits = self._fits(columns)
        for way in ways(self._facts(columns, fits)):
            if way.route != self._route:
                self.ctx.log.info("rows go by the route %r: %s", way.route, way.words)
                self._route = way.route
            try:
                if way.route == "rows":
                    self._by_rows(into, columns, self._changes(fits))
                else:
                    self._by_route(self.target.dialect.routes[way.route], into, columns)
                return
            except Refused as error:
                self.ctx.log.warning("the route %r can't be taken, the next one is tried: %s", way.route, error)
                self.done = before
                if self.apart:
                    # A statement that broke off has broken the transaction.
                    self.source.session.rollback()
                    self.source.session.begin_snapshot()
            except ConnectorError:
                if self.ruled:
                    self._name_misfit(columns, self._changes(fits), before)
                raise

    def _facts(self, columns: Sequence[Column], fits: Sequence[Change | None]) -> Facts:
        source, target = self.source.dialect, self.target.dialect
        pairs = list(zip(self.ruled[0] if self.ruled else self.columns.wanted, columns, strict=True))
        return Facts(
            source=source.name,
            target=target.name,
            identical=source is target and all(wanted.type == column.type for wanted, column in pairs),
            coerced=any(self.columns.coercions) and self.ruled is None,
            adapted=any(fits),
            same_server=not (self.fresh and target.freezes) and self._same_server(),
            carried=frozenset(
                name
                for name, route in target.routes.items()
                if all(route.carries(*pair) for pair in pairs)
                and not (self.apart and route.reads_itself)
                and not (route.whole and (self.ruled or self.source.whole_table is None))
            ),
        )

    def _same_server(self) -> bool:
        """Whether the target's session may read the source's rows itself, seeing what the source's would and no more."""
        reading, writing = self.source.session, self.target.session
        if reading.dialect is not writing.dialect or reading.settings.get("read_only"):
            return False
        named = self.source.whole_table is not None
        return writing.call(lambda: writing.dialect.shares(reading.raw, writing.raw, named))

    def _by_rows(self, into: str, columns: Sequence[Column], changes: Sequence[Change | None]) -> None:
        """Read every row, change it as its column asks, and load it."""
        names = [column.name for column in columns]
        with closing(self.source.batches(self.columns.read, self.batch_size)) as batches:
            for batch in batches:
                rows = change_rows(batch, changes, columns, self.done)
                try:
                    self.target.session.load(into, names, rows, self.fresh)
                except BadRow as error:
                    raise refused(error, self.done, batch, columns) from error
                self._arrived(len(rows))

    def _name_misfit(self, columns: Sequence[Column], changes: Sequence[Change | None], before: int) -> None:
        """StepFailed for the first row that a rule can't be applied to; a server only says that there is one."""
        self.ctx.log.info("the rows are read again, to find the one that was refused")
        with suppress(ConnectorError), closing(self.source.batches(self.columns.read, self.batch_size)) as batches:
            for batch in batches:
                change_rows(batch, changes, columns, before)
                before += len(batch)

    def _fits(self, columns: Sequence[Column]) -> list[Change | None]:
        adapter = self.target.dialect.adapter
        self._mention_zones(columns)
        return [adapter(wanted, column) for wanted, column in zip(self.columns.wanted, columns, strict=True)]

    def _changes(self, fits: Sequence[Change | None]) -> list[Change | None]:
        coercions = self.columns.coercions
        return [both(coercion.apply if coercion else None, fit) for coercion, fit in zip(coercions, fits, strict=True)]

    def _mention_zones(self, columns: Sequence[Column]) -> None:
        moved = [
            c.name
            for w, c in zip(self.columns.wanted, columns, strict=True)
            if (w.kind, c.kind) == ("instant", "datetime")
        ]
        if moved:
            self.ctx.log.warning("written as UTC, the target keeps no time zone: %s", ", ".join(moved))

    def _by_route(self, route: Route, into: str, columns: Sequence[Column]) -> None:
        """Have the databases move the rows between them."""
        pending = 0

        def arrived(rows: int) -> None:
            nonlocal pending
            pending += rows
            if pending >= self.batch_size:
                self._arrived(pending)
                pending = 0

        source = self.source
        move = Move(
            source.session,
            self.target.session,
            source.shaped(self.ruled[1]) if self.ruled else source.select,
            None if self.ruled else source.whole_table,
            self.ruled[0] if self.ruled else self.columns.read,
            columns,
            into,
            self.fresh,
            self.batch_size,
            arrived,
        )
        try:
            route.move(move)
        except BadRow as error:
            raise refused(error, 0, [], columns) from error
        if pending:
            self._arrived(pending)

    def _arrived(self, rows: int) -> None:
        self.done += rows
        of = "" if self.total is None else f" of {self.total:,}"
        self.ctx.progress(self.done, self.total, said=True)
        pace = pace_of(self.done, self.total, time.perf_counter() - self.began)
        self.ctx.log.info("copied %s%s rows%s", f"{self.done:,}", of, pace)
