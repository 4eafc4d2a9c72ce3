"""Which columns a copy takes, what it makes of them, and how they're to be named in the target."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from logging import Logger
from typing import Any

from connectors.kinds.sql import Column
from jobs.coercion import Coercion, Rules, coerce
from jobs.copy_drift import drift_of, settle
from jobs.copy_source import Source
from jobs.copy_target import Target
from jobs.steptype import StepFailed


@dataclass(frozen=True)
class Columns:
    """Three lists in the same order."""

    # As they are at the source.
    read: Sequence[Column]
    # As the target is to have them.
    wanted: Sequence[Column]
    # What the step's own rules (jde) make of each value.
    coercions: Sequence[Coercion | None]
    # Those of `wanted` that a target which is there already doesn't have yet.
    added: Sequence[Column] = ()

    def ruled(self, source: Source) -> tuple[list[Column], list[str]] | None:
        """What the source's database can make of its columns by the rules: these columns, by these expressions.

        None when there are no rules, or when it can't say one of them.
        """
        if not any(self.coercions):
            return None
        dialect, made, said = source.dialect, [], []
        for read, wanted, coercion in zip(self.read, self.wanted, self.coercions, strict=True):
            expression = dialect.ruled(read, coercion.rule) if coercion else dialect.quote(read.name)
            if expression is None:
                return None
            made.append(wanted if wanted.type else replace(wanted, type=dialect.type_name(wanted, False)))
            said.append(f"{expression} AS {dialect.quote(wanted.name)}")
        return made, said

    def new_key(self, source: Source, target: Target, asked: Sequence[str]) -> list[str]:
        """The primary key of a table that is to be made: the key asked for, or the source's."""
        if asked:
            return target.key(asked, self.wanted)
        if source.name is None:
            return []
        name, session = source.name, source.session
        keys = session.call(lambda: session.dialect.primary_key(session.raw, name))
        named = {column.name: wanted.name for column, wanted in zip(self.read, self.wanted, strict=True)}
        return [named[key] for key in keys] if set(keys) <= set(named) else []


def choose(source: Source, target: Target, config: dict[str, Any], log: Logger) -> Columns:
    """The columns that are asked for, without those that the target computes.

    StepFailed when two would have one name, or when the target's are others and `schema_drift` doesn't take that.
    """
    asked = config["columns"]
    rules = _rules(source, config)
    generated = {column.name.casefold() for column in target.known if column.generated}
    read, wanted, coercions = [], [], []
    for name in list(asked) if asked else [column.name for column in source.columns]:
        column = source.column(name)
        shaped, coercion = coerce(column, rules) if rules else (column, None)
        if isinstance(asked, dict):
            shaped = replace(shaped, name=asked[name])
        if not asked and shaped.name.casefold() in generated:
            log.info("column %s is left out: the target computes it", shaped.name)
            continue
        read.append(column)
        wanted.append(shaped)
        coercions.append(coercion)
    _refuse_doubles([column.name for column in wanted])
    if not target.exists:
        return Columns(read, wanted, coercions)
    drift = drift_of(wanted, target.known, picked=bool(asked) or source.query is not None)
    left_out = settle(drift, config["schema_drift"], bool(asked), target.name, log)
    kept = [index for index, column in enumerate(wanted) if column not in left_out]
    return Columns(
        [read[index] for index in kept],
        [wanted[index] for index in kept],
        [coercions[index] for index in kept],
        [column for column in drift.added if column not in left_out],
    )


def _refuse_doubles(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise StepFailed(f"Two columns would both be named {', '.join(map(repr, twice))}; rename one with `columns`.")


def _rules(source: Source, config: dict[str, Any]) -> Rules | None:
    if config["type_coercion"] != "jde":
        return None

    def known(names: Sequence[str]) -> list[str]:
        return [source.column(name).name.lower() for name in names]

    decimals = config["decimals"] or {}
    return Rules(
        truncate=config["decimal_mode"] == "truncate",
        decimals=dict(zip(known(list(decimals)), decimals.values(), strict=True)),
        julian_dates=frozenset(known(config["julian_dates"])),
        strip_both=frozenset(known(config["strip_both_columns"])),
    )
