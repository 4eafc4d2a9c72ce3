"""The step that runs one SQL statement."""

import time
from typing import Any

from django import forms

from connectors.kinds.sql import SqlClient, first_word, json_row
from jobs.context import Context
from jobs.steptype import Result, StepType
from nomaflow_site.lib.config import CodeField, ConfigForm, ConnectorField, TableField

KEPT = 100
WRITES = ("insert", "update", "delete", "merge", "replace")


class SqlQueryForm(ConfigForm):
    """`params` are bound to `:name` in the query, never pasted into it."""

    connector = ConnectorField(kind="sql")
    query = CodeField(help_text="One SQL statement, or the name of one of the connector's queries")
    params = TableField(required=False, help_text="Values for :name in the query")
    fetch = forms.ChoiceField(
        choices=[("none", "none"), ("first", "first row"), ("all", f"all (the first {KEPT} are kept)")],
        initial="none",
        required=False,
    )


class SqlQuery(StepType):
    """Runs the statement in a transaction of its own."""

    name = "sql_query"
    label = "SQL query"
    form = SqlQueryForm

    def run(self, ctx: Context, config: dict[str, Any]) -> Result:
        """Output: `rows_affected` of a write, `rows_returned` of a read, `first_row` or `rows` when asked for."""
        client: SqlClient = ctx.get_connector(config["connector"])
        sql, params = client.query_text(config["query"]), config["params"] or {}
        ctx.log.debug("SQL on %s:\n%s\nvalues: %r", config["connector"], sql, params)
        started = time.perf_counter()
        output = _perform(client, sql, params, {"first": 1, "all": KEPT}.get(config["fetch"], 0))
        elapsed_ms = round((time.perf_counter() - started) * 1000)
        rows = output.get("rows_affected", output.get("rows_returned"))
        word = "affected" if "rows_affected" in output else "returned"
        ctx.log.info("%s row%s %s in %s ms", f"{rows:,}", "" if rows == 1 else "s", word, f"{elapsed_ms:,}")
        return Result(_shaped(output, config["fetch"]), rows)


def _perform(client: SqlClient, sql: str, params: dict[str, Any], keep: int) -> dict[str, Any]:
    """Run it and read all of its answer, a part at a time; the first `keep` rows are in `kept`."""
    with client.cursor(sql, params) as (session, cursor, names):
        if cursor.description is None:
            return {"rows_affected": max(cursor.rowcount, 0), "kept": []}
        kept: list[dict[str, Any]] = []
        returned = 0
        while batch := session.call(lambda: cursor.fetchmany(1000)):
            returned += len(batch)
            for row in batch[: max(keep - len(kept), 0)]:
                kept.append(json_row(dict(zip(names, row, strict=True))))
        session.call(cursor.close)
    # A write with RETURNING answers with the rows it has changed.
    return {"rows_returned": returned, "kept": kept} | (
        {"rows_affected": returned} if first_word(sql) in WRITES else {}
    )


def _shaped(output: dict[str, Any], fetch: str) -> dict[str, Any]:
    kept = output.pop("kept")
    if fetch == "first":
        return {**output, "first_row": kept[0] if kept else None}
    return {**output, "rows": kept} if fetch == "all" else output
