"""Which column of a copy would become which, found out by asking both databases; nothing is written and no row is read."""

from collections.abc import Iterator
from typing import Any

from connectors.definition import ConnectorError
from connectors.kinds.sql import Column
from jobs.context import Context
from jobs.copy_columns import Columns, choose
from jobs.copy_source import Source, pick
from jobs.copy_target import Target
from jobs.steptype import Examined, StepFailed

HEADS = ("At the source", "Its type", "In the target", "Its type", "Values")


def preview(ctx: Context, config: dict[str, Any]) -> Examined:
    """A row for each column. Raises StepFailed or ConnectorError for what would keep the copy from beginning."""
    reader, writer = ctx.get_connector(config["source__connector"]), ctx.get_connector(config["target__connector"])
    with reader.session(must_exist=True) as reading, writer.session(must_exist=True) as writing:
        source = Source(reader, reading, config)
        target = Target(writer, writing, config["target__schema"] or None, config["target__table"])
        target.refuse_self_copy(source)
        remarks, faults = [], []
        try:
            columns = choose(source, target, config, ctx.log)
        except StepFailed as error:
            faults.append(str(error))
            columns = choose(source, target, {**config, "schema_drift": "ignore", "columns": []}, ctx.log)
        if not target.exists:
            key = columns.new_key(source, target, config["key_columns"])
            remarks.append(
                f"{target.name} isn't there and would be made" + (f", with the key {', '.join(key)}" if key else "")
            )
        elif config["mode"] == "upsert":
            faults += _key_faults(target, config, columns)
        rows = [*_copied(target, columns), *_apart(source, target, columns)]
    return Examined(HEADS, tuple(rows), tuple(remarks), tuple(faults))


def _key_faults(target: Target, config: dict[str, Any], columns: Columns) -> list[str]:
    try:
        target.key(config["key_columns"], columns.wanted)
    except (StepFailed, ConnectorError) as error:
        return [str(error)]
    return []


def _copied(target: Target, columns: Columns) -> Iterator[tuple[str, ...]]:
    for read, wanted, coercion in zip(columns.read, columns.wanted, columns.coercions, strict=True):
        known = pick(target.known, wanted.name)
        spelled = known.type if known else target.type_for(wanted)
        words = _words(target, wanted, known)
        yield (
            read.name,
            read.type,
            known.name if known else wanted.name,
            spelled,
            ("by the rules of jde; " if coercion else "") + words,
        )


def _words(target: Target, wanted: Column, known: Column | None) -> str:
    if known is None:
        return "the column is added" if target.exists else "as they are"
    if (wanted.kind, known.kind) == ("instant", "datetime"):
        return "in UTC, without the time zone"
    if target.dialect.adapter(wanted, known) is None:
        return "as they are"
    return "each is looked at: it fits exactly, or the copy fails and names it"


def _apart(source: Source, target: Target, columns: Columns) -> Iterator[tuple[str, ...]]:
    """What only one side has."""
    taken = {column.name for column in columns.read}
    met = {known.name for wanted in columns.wanted if (known := pick(target.known, wanted.name))}
    for column in source.columns:
        if column.name not in taken:
            yield column.name, column.type, "–", "", "left out"
    for column in target.known:
        if column.name not in met:
            yield "–", "", column.name, column.type, _filled(column)


def _filled(column: Column) -> str:
    if column.generated:
        return "the target computes them"
    return "the target's default" if column.filled else "NULL in new rows"
