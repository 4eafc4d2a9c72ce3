"""One copy from beginning to end, inside the connections that the step has opened."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from connectors.kinds.sql import BadRow, Column, Move, Refused, Route, Staging
from jobs.coercion import Rules, coerce
from jobs.context import Context
from jobs.copy_routes import Facts, ways
from jobs.copy_rows import Change, both, change_rows, pace_of, refused
from jobs.copy_source import Source
from jobs.copy_target import Target
from jobs.steptype import StepFailed

# Fewer rows lost than this are everyday, whatever share of a small table they are.
WORTH_A_WARNING = 10


class Copy:
    """One copy: which columns, through which changes, by which way into the target."""

    def __init__(self, ctx: Context, config: dict[str, Any], source: Source, target: Target) -> None:
        self.ctx, self.config, self.source, self.target = ctx, config, source, target
        self.mode: str = config["mode"]
        self.batch_size: int = config["batch_size"] or 10_000
        self.done = 0
        self.began = time.perf_counter()
        self.columns: list[Column] = []
        self.wanted: list[Column] = []
        self.coercions: list[Change | None] = []
        self._choose()
        self.total = source.total()

    # --- columns ----------------------------------------------------------------------------------------------------

    def _choose(self) -> None:
        """Fill `columns` (as read), `wanted` (as the target is to have them) and `coercions`."""
        asked = self.config["columns"]
        names = list(asked) if asked else [column.name for column in self.source.columns]
        rules = self._rules()
        generated = {column.name.casefold() for column in self.target.known if column.generated}
        for name in names:
            column = self.source.column(name)
            wanted, change = coerce(column, rules) if rules else (column, None)
            if isinstance(asked, dict):
                wanted = replace(wanted, name=asked[name])
            if not asked and wanted.name.casefold() in generated:
                self.ctx.log.info("column %s is left out: the target computes it", wanted.name)
                continue
            self.columns.append(column)
            self.wanted.append(wanted)
            self.coercions.append(change)
        self._refuse_doubles()

    def _refuse_doubles(self) -> None:
        names = [column.name for column in self.wanted]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise StepFailed(
                f"Two columns would both be named {', '.join(map(repr, twice))}; rename one with `columns`."
            )

    def _rules(self) -> Rules | None:
        if self.config["type_coercion"] != "jde":
            return None

        def known(names: Sequence[str]) -> list[str]:
            return [self.source.column(name).name.lower() for name in names]

        decimals = self.config["decimals"] or {}
        return Rules(
            truncate=self.config["decimal_mode"] == "truncate",
            decimals=dict(zip(known(list(decimals)), decimals.values(), strict=True)),
            julian_dates=frozenset(known(self.config["julian_dates"])),
            strip_both=frozenset(known(self.config["strip_both_columns"])),
        )

    def _new_key(self) -> list[str]:
        """The primary key of a table that is to be made: the key asked for, or the source's."""
        by_source = {c.name: w.name for c, w in zip(self.columns, self.wanted, strict=True)}
        if self.config["key_columns"]:
            return self.target.key(self.config["key_columns"], self.wanted)
        if self.source.name is None:
            return []
        name, session = self.source.name, self.source.session
        keys = session.call(lambda: session.dialect.primary_key(session.raw, name))
        return [by_source[key] for key in keys] if set(keys) <= set(by_source) else []

    # --- the way ----------------------------------------------------------------------------------------------------

    def perform(self) -> int:
        """Copy everything and commit; the number of rows in the target. Whatever was begun is undone on the way out."""
        return self._in_one_go() if self.target.dialect.loads_directly else self._gathered_first()

    def _in_one_go(self) -> int:
        """One transaction from the first row to the last."""
        target, session = self.target, self.target.session
        key = [] if target.exists else self._new_key()
        try:
            # Where making a table ends a transaction, it's made before one begins.
            if not target.dialect.transactional_ddl:
                target.create_missing(self.wanted, key)
            session.begin()
            target.lock()
            target.create_missing(self.wanted, key)
            columns = target.matching(self.wanted)
            if self.mode == "append" or (self.mode == "overwrite" and (target.created or target.is_empty())):
                self._fill(target.quoted, columns)
            else:
                staging = self._staging(columns)
                stash = staging.create()
                self._fill(stash, columns)
                self._publish(staging, stash)
            return self._finish(columns)
        except Exception:
            session.rollback()
            if session.raw is not None:
                target.drop_created()
            raise

    def _gathered_first(self) -> int:
        """Rows wait in a temporary table until the source is read to its end; only then is the target locked."""
        target, session = self.target, self.target.session
        key = [] if target.exists else self._new_key()
        columns, stash = self._gather(key)
        session.begin()
        target.lock()
        target.create_missing(self.wanted, key)
        self._publish(self._staging(target.matching(columns)), stash)
        return self._finish(columns)

    def _gather(self, key: Sequence[str]) -> tuple[list[Column], str]:
        target = self.target
        if target.exists:
            columns = target.matching(self.wanted)
            stash = self._staging(columns).create()
        else:
            stash = target.create_stash(self.wanted, key)
            columns = target.matching(self.wanted)
        self._fill(stash, columns)
        return columns, stash

    def _staging(self, columns: Sequence[Column]) -> Staging:
        keys = self.target.key(self.config["key_columns"], columns) if self.mode == "upsert" else []
        return Staging(self.target.session, self.target.name, [column.name for column in columns], keys)

    def _publish(self, staging: Staging, stash: str) -> None:
        self._check_arrived(stash)
        self._guard_shrink()
        self.ctx.log.info("publishing %s rows into %s", f"{self.done:,}", self.target.name)
        self.target.publish(self.mode, staging, stash)
        staging.drop(stash)

    def _check_arrived(self, stash: str) -> None:
        """Every row that was read stands in the staging table; a server may take fewer and say nothing."""
        arrived = int(self.target.session.scalar(f"SELECT count(*) FROM {stash}"))
        if arrived != self.done:
            raise StepFailed(f"{self.done:,} rows were read and {arrived:,} arrived; nothing was published.")

    def _guard_shrink(self) -> None:
        """StepFailed when the source has lost suspiciously much; a warning for what comes near it."""
        limit = self.config["shrink_guard_percent"]
        if limit is None or self.mode != "overwrite":
            return
        before = self.target.rows()
        lost = before - self.done
        percent = 100 * lost / before if before else 0
        words = f"{self.target.name} has {before:,} rows and the source {self.done:,}, {percent:.1f} % fewer"
        if percent > limit:
            raise StepFailed(
                f"{words}; at most {limit:g} % may go at once (shrink_guard_percent), so nothing was changed. "
                "If this is right, raise the limit for one run."
            )
        if lost >= WORTH_A_WARNING and percent > limit / 2:
            self.ctx.guard_warning(f"{words}; above {limit:g} % the copy would have refused")

    def _finish(self, columns: Sequence[Column]) -> int:
        session, names = self.target.session, [column.name for column in columns]
        session.call(lambda: session.dialect.after_load(session.raw, self.target.name, names))
        rows = self.target.rows()
        if self.mode == "overwrite" and rows != self.done:
            raise StepFailed(
                f"{self.target.name} should have {self.done:,} rows now and has {rows:,}, so nothing was changed. Look "
                "for a trigger or rule that drops or adds rows."
            )
        session.commit()
        return rows

    # --- the rows ---------------------------------------------------------------------------------------------------

    def _fill(self, into: str, columns: Sequence[Column]) -> None:
        """Bring every row of the source into a table, by the fastest way that keeps every value."""
        changes = self._changes(columns)
        for way in ways(self._facts(columns, changes)):
            self.ctx.log.info("rows go by the route %r: %s", way.route, way.words)
            try:
                if way.route == "rows":
                    self._by_rows(into, columns, changes)
                else:
                    self._by_route(self.target.dialect.routes[way.route], into, columns)
                return
            except Refused as error:
                self.ctx.log.warning("the route %r can't be taken, the next one is tried: %s", way.route, error)
                self.done = 0

    def _facts(self, columns: Sequence[Column], changes: Sequence[Change | None]) -> Facts:
        source, target = self.source.dialect, self.target.dialect
        pairs = list(zip(self.wanted, columns, strict=True))
        return Facts(
            source=source.name,
            target=target.name,
            identical=source is target and all(wanted.type == column.type for wanted, column in pairs),
            coerced=any(self.coercions),
            adapted=any(changes),
            same_server=self._same_server(),
            carried=frozenset(
                name for name, route in target.routes.items() if all(route.carries(*pair) for pair in pairs)
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
        with closing(self.source.batches(self.columns, self.batch_size)) as batches:
            for batch in batches:
                rows = change_rows(batch, changes, columns, self.done)
                try:
                    self.target.session.load(into, names, rows)
                except BadRow as error:
                    raise refused(error, self.done, batch, columns) from error
                self._arrived(len(rows))

    def _changes(self, columns: Sequence[Column]) -> list[Change | None]:
        adapter = self.target.dialect.adapter
        fits = [adapter(wanted, column) for wanted, column in zip(self.wanted, columns, strict=True)]
        self._mention_zones(columns)
        return [both(coercion, fit) for coercion, fit in zip(self.coercions, fits, strict=True)]

    def _mention_zones(self, columns: Sequence[Column]) -> None:
        moved = [
            c.name for w, c in zip(self.wanted, columns, strict=True) if (w.kind, c.kind) == ("instant", "datetime")
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
            source.select,
            source.whole_table,
            self.columns,
            columns,
            into,
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
        pace = pace_of(self.done, self.total, time.perf_counter() - self.began)
        self.ctx.log.info("copied %s%s rows%s", f"{self.done:,}", of, pace)
