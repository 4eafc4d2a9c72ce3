"""One copy from beginning to end, inside the connections that the step has opened."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.kinds.sql import Column, Refused, Staging
from jobs.context import Context
from jobs.copy_columns import choose
from jobs.copy_fill import Filling
from jobs.copy_previous import Previous
from jobs.copy_publish import Facts, Way, way_of
from jobs.copy_resume import Resume
from jobs.copy_source import Source
from jobs.copy_target import Target
from jobs.copy_verify import Verifying
from jobs.steptype import StepFailed

# Fewer rows lost than this are everyday, whatever share of a small table they are.
WORTH_A_WARNING = 10


class Copy:
    """One copy: which columns, through which changes, by which way into the target."""

    def __init__(self, ctx: Context, config: dict[str, Any], source: Source, target: Target) -> None:
        self.ctx, self.config, self.source, self.target = ctx, config, source, target
        self.mode: str = config["mode"]
        self.columns = choose(source, target, config, ctx.log)
        self.verifying = Verifying(source, target.session, ctx.log) if config["verify"] == "checksum" else None
        if self.verifying:
            self.verifying.begin()
        self.filling = Filling(ctx, source, target, self.columns, config["batch_size"] or 10_000, bool(self.verifying))
        self.previous = Previous(target, config["keep_previous"], datetime.now(UTC))
        self.key = [] if target.exists else self.columns.new_key(source, target, config["key_columns"])

    @property
    def done(self) -> int:
        """How many rows were read and have arrived."""
        return self.filling.done

    @property
    def _replaces(self) -> bool:
        """Whether rows that are there now go."""
        return self.mode == "overwrite" and self.target.exists and not self.target.created

    def perform(self) -> int:
        """Copy everything and commit; the number of rows in the target. Whatever was begun is undone on the way out."""
        target = self.target
        facts = Facts(
            self.mode,
            target.exists,
            target.exists and target.is_empty(),
            target.dialect.loads_directly,
            target.dialect.transactional_ddl,
            bool(self.columns.added),
            self.verifying is not None,
            bool(self.config["resume_by"]),
            self._obstacles(),
        )
        way = self._only_way() or way_of(facts)
        self.ctx.log.info("the way into %s: %s, %s", target.name, way.name, way.words)
        perform = {
            "straight": self._straight,
            "swap": self._swapped,
            "made": self._made,
            "gathered": self._gathered,
            "parts": self._in_parts,
        }
        try:
            return perform[way.name]()
        except Exception:
            target.session.rollback()
            if target.session.raw is not None:
                self.previous.forget()
                target.narrow()
            raise
        except BaseException:
            target.narrow_elsewhere()
            raise

    def _only_way(self) -> Way | None:
        """Into a file, which is written as a whole."""
        target = self.target
        if target.swap is None or not target.swap.only:
            return None
        if self.mode != "overwrite":
            raise StepFailed(f'{target.name} is a file, which is written as a whole; choose mode = "overwrite".')
        return Way("swap" if target.exists else "made", "the file is written beside its place")

    def _obstacles(self) -> list[str] | None:
        """Why no other table may take the target's place; None where that can't be done at all."""
        target, swap = self.target, self.target.swap
        if swap is None:
            return None
        if swap.in_batches and target.shares_database(self.source):
            return ["the source is read from the same database, which can't be written to meanwhile"]
        return swap.obstacles()

    # --- the ways ---------------------------------------------------------------------------------------------------

    def _straight(self) -> int:
        """One transaction from the first row to the last."""
        target = self.target
        try:
            # Where making a table ends a transaction, it's made before one begins.
            if not target.dialect.transactional_ddl:
                target.create_missing(self.columns.wanted, self.key)
            target.session.begin()
            target.lock()
            target.create_missing(self.columns.wanted, self.key)
            columns = target.matching(self.columns.wanted)
            fresh = target.created and target.dialect.transactional_ddl
            self.filling.fill(target.quoted, columns, fresh)
            self._verify(target.quoted, columns)
            return self._finish(columns)
        except Exception:
            target.session.rollback()
            target.drop_created()
            raise

    def _in_parts(self) -> int:
        """One transaction for each part of the rows that are missing yet."""
        target, source, filling = self.target, self.source, self.filling
        target.hold()
        target.create_missing(self.columns.wanted, self.key)
        target.widen(target.quoted, self.columns.added)
        target.keep_made()
        resume = Resume(source, target, self.columns, self.config["resume_by"])
        columns = target.matching(self.columns.wanted)
        if resume.after is not None:
            filling.total = source.total(resume.rest())
            self.ctx.log.info("going on after %s = %s", resume.read.name, resume.after)
        for window in resume.parts(filling.batch_size):
            source.window = window
            target.session.begin()
            filling.fill(target.quoted, columns, fresh=False)
            self._settle_numbers(columns)
            target.session.commit()
            source.window = ""
        return target.rows()

    def _swapped(self) -> int:
        """A table that is loaded beside the target, with all that belongs to it, and takes its place."""
        target, swap = self.target, self.target.needs_swap()
        together, swap.only_if_empty = swap.together, self.mode == "append"
        if together:
            target.session.begin()
        target.lock()
        try:
            lacking = swap.make()
            if lacking:
                self.ctx.log.info("the table stays in its place: %s", "; ".join(lacking))
                swap.clear()
                return self._gathered(locked=True)
            columns = self._widened(swap.stash)
            self._load_beside(columns, together)
            self._guard_shrink()
            try:
                swap.finish()
                self._tell_publishing()
                swap.publish(self.previous.name)
                self.previous.kept = self.previous.name is not None
            except Refused as error:
                self.ctx.log.warning("the table stays in its place, and rows are moved into it: %s", error)
                return self._moved(columns, swap.stash, together)
            return self._finish(columns, published=True)
        except BaseException as error:
            self._drop_beside(error)
            raise

    def _made(self) -> int:
        """A new table that nobody sees before it's complete."""
        target, swap = self.target, self.target.needs_swap()
        target.lock()
        swap.clear()
        try:
            target.create(swap.stash, self.columns.wanted, self.key, swap.creating)
            columns = target.plan(swap.stash_name, self.columns.wanted)
            self._load_beside(columns, together=False)
            swap.appear()
            return self._finish(columns, published=True)
        except BaseException as error:
            self._drop_beside(error)
            raise

    def _load_beside(self, columns: Sequence[Column], together: bool) -> None:
        """Fill the stash; in a transaction of its own where the caller's isn't open."""
        session, swap = self.target.session, self.target.needs_swap()
        alone = not together and not swap.in_batches
        if alone:
            session.begin()
        self.filling.fill(swap.stash, columns, fresh=True)
        if alone:
            session.commit()
        self._check_arrived(swap.stash, columns)

    def _moved(self, columns: Sequence[Column], stash: str, together: bool) -> int:
        """The rows of a stash that couldn't take the target's place, by the statements that gathered rows go by."""
        swap = self.target.needs_swap()
        if not together:
            self.previous.make_early()
            self.target.session.begin()
        self._publish(columns, stash)
        if together:
            swap.clear()
        rows = self._finish(columns)
        if not together:
            swap.clear()
        return rows

    def _drop_beside(self, error: BaseException) -> None:
        """After a failure or a cancel: what a rollback doesn't undo."""
        session, swap = self.target.session, self.target.needs_swap()
        if isinstance(error, Exception):
            session.rollback()
        else:
            session.close()
        if not swap.together:
            swap.clear() if session.raw is not None else swap.clear_elsewhere()

    def _gathered(self, locked: bool = False) -> int:
        """Rows wait in a temporary table until the source is read to its end; only then is the target's database written to."""
        target, session = self.target, self.target.session
        together = target.dialect.loads_directly
        if together and not session.in_transaction:
            if self._replaces:
                self.previous.make_early()
            session.begin()
        if together and not locked:
            target.lock()
        if target.exists:
            stash = self._known_columns().create()
            columns = self._widened(stash)
        else:
            stash = target.create_stash(self.columns.wanted, self.key)
            columns = target.matching(self.columns.wanted)
        self.filling.fill(stash, columns, fresh=False)
        if not together:
            session.begin()
            target.lock()
            target.create_missing(self.columns.wanted, self.key)
            columns = target.matching(columns)
        self._check_arrived(stash, columns)
        self._guard_shrink()
        self._publish(columns, stash).drop(stash)
        return self._finish(columns)

    def _widened(self, stash: str) -> Sequence[Column]:
        """The columns of the copy in a table like the target, which has been given those that the target lacks."""
        self.target.widen(stash, self.columns.added)
        self.target.plan_wider(stash, self.columns.added)
        return self.target.matching(self.columns.wanted)

    def _known_columns(self) -> Staging:
        """The columns of the copy that the target has already."""
        added = set(self.columns.added)
        columns = self.target.matching([column for column in self.columns.wanted if column not in added])
        return self._staging(columns)

    def _staging(self, columns: Sequence[Column]) -> Staging:
        keys = self.target.key(self.config["key_columns"], columns) if self.mode == "upsert" else []
        return Staging(self.target.session, self.target.name, [column.name for column in columns], keys)

    # --- before and after publishing --------------------------------------------------------------------------------

    def _publish(self, columns: Sequence[Column], stash: str) -> Staging:
        if self._replaces:
            self.previous.keep_rows()
        self._tell_publishing()
        self.target.widen(self.target.quoted, self.columns.added)
        staging = self._staging(columns)
        self.target.publish(self.mode, staging, stash)
        return staging

    def _tell_publishing(self) -> None:
        self.ctx.log.info("publishing %s rows into %s", f"{self.done:,}", self.target.name)

    def _verify(self, table: str, columns: Sequence[Column]) -> None:
        if self.verifying:
            self.verifying.check(self.columns.read, table, columns)

    def _check_arrived(self, stash: str, columns: Sequence[Column]) -> None:
        """Every row that was read stands in the staging table; a server may take fewer and say nothing."""
        arrived = int(self.target.session.scalar(f"SELECT count(*) FROM {stash}"))
        if arrived != self.done:
            raise StepFailed(f"{self.done:,} rows were read and {arrived:,} arrived; nothing was published.")
        self._verify(stash, columns)

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

    def _settle_numbers(self, columns: Sequence[Column]) -> None:
        """Sequences go on behind the values that have come."""
        session, names = self.target.session, [column.name for column in columns]
        session.call(lambda: session.dialect.after_load(session.raw, self.target.name, names))

    def _finish(self, columns: Sequence[Column], published: bool = False) -> int:
        """Sequences, the last count, and the commit. A table that has taken the target's place was counted before it did."""
        target, session = self.target, self.target.session
        self._settle_numbers(columns)
        rows = self.done if published else target.rows()
        if self.mode == "overwrite" and rows != self.done:
            raise StepFailed(
                f"{target.name} should have {self.done:,} rows now and has {rows:,}, so nothing was changed. Look "
                "for a trigger or rule that drops or adds rows."
            )
        if target.dialect.transactional_ddl:
            self.previous.drop_expired()
        if session.in_transaction:
            session.commit()
        if not target.dialect.transactional_ddl:
            self.previous.drop_expired()
        return rows
