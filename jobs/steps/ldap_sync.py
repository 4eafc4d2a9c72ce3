"""Step type `ldap_sync`: mirror a directory subtree in a table."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from connectors.definition import Definition
from connectors.kinds import open_connector
from connectors.kinds.ldap import SCOPES, LdapClient, LdapForm, escape
from jobs.context import Context
from jobs.ldap_rows import FIRST, JOIN, ROWS, CannotMap, ColumnMap, Mapped, rows_of, rule_fault
from jobs.steptype import Result, StepFailed, StepType
from nomaflow_site.lib.config import CodeField, ConfigForm, ConnectorField, ListField, SecretField, TableField

SERVER_FIELDS = ("server", "bind_dn", "bind_password", "start_tls", "verify_tls", "ca_file", "ldap_timeout_seconds")
REPORT_EVERY = 1000
# Fewer pruned rows than this are everyday, whatever share of a small table they are.
WORTH_A_WARNING = 10
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class RuleField(TableField):
    """One rule for all attributes as a text, or a table of attribute and rule."""

    def to_python(self, value: Any) -> Any:
        """A text that is a rule (or becomes one by substitution), else the table."""
        text = value.strip() if isinstance(value, str) else ""
        if text in {FIRST, ROWS} or text.startswith((JOIN, "${")):
            return value.lstrip()
        return super().to_python(value)


class LdapSyncForm(ConfigForm):
    """Fields of an `ldap_sync` step."""

    connector = ConnectorField(kind="ldap", required=False, help_text="Or server, bind DN and password below.")
    server = forms.CharField(required=False, help_text="ldap://dc1.example.com or ldaps://dc1.example.com")
    bind_dn = forms.CharField(required=False, label="Bind DN")
    bind_password = SecretField(required=False)
    start_tls = forms.BooleanField(required=False, initial=False, label="StartTLS")
    verify_tls = forms.BooleanField(required=False, initial=True, label="Check the server's certificate")
    ca_file = forms.CharField(required=False, label="CA file")
    ldap_timeout_seconds = forms.FloatField(required=False, initial=10.0, validators=[MinValueValidator(1)])

    search_base = forms.CharField(help_text="ou=people,dc=example,dc=com")
    search_filter = forms.CharField(
        required=False, initial="(objectClass=*)", help_text="{name} stands for a value of filter_params, escaped."
    )
    filter_params = TableField(required=False, help_text='department = "${kw:department}"')
    scope = forms.ChoiceField(choices=[(name, name) for name in SCOPES], initial="subtree")
    attributes = ListField(required=False, help_text="Read beside those of the mapping.")
    page_size = forms.IntegerField(initial=1000, validators=[MinValueValidator(1), MaxValueValidator(100_000)])

    mapping = TableField(help_text='LDAP attribute = "column"; dn is the entry\'s own name.')
    multi_valued = RuleField(
        required=False, initial=FIRST, help_text='first, rows, join:SEPARATOR, or one a line: member = "rows"'
    )

    target_connector = ConnectorField(kind="sql")
    target_schema = forms.CharField(required=False)
    target_table = forms.CharField(required=False)
    key_columns = ListField(required=False)
    target_query = CodeField(
        required=False, help_text="Instead of a table: a named query or SQL, run with each row's values."
    )

    prune = forms.ChoiceField(choices=[(c, c) for c in ("off", "delete", "deactivate")], initial="off")
    deactivate_column = forms.CharField(required=False, initial="active")
    max_prune_percent = forms.FloatField(
        initial=10.0,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text="More rows than this gone from the directory: nothing is changed and the step fails.",
    )

    def clean_mapping(self) -> dict[str, Any]:
        """Attribute names to column names, no column twice."""
        mapping: dict[str, Any] = self.cleaned_data["mapping"]
        columns = list(mapping.values())
        if not all(isinstance(column, str) and column for column in columns):
            raise ValidationError('Write attribute = "column".')
        if len(set(columns)) < len(columns):
            raise ValidationError("Two attributes go into the same column.")
        return mapping

    def clean_multi_valued(self) -> Any:
        """Known rules for mapped attributes."""
        rules = self.cleaned_data["multi_valued"] or FIRST
        table = rules if isinstance(rules, Mapping) else {"": rules}
        for attribute, rule in table.items():
            fault = None if self.tokens and "${" in str(rule) else rule_fault(rule)
            if fault:
                raise ValidationError(f"{attribute}: {fault}" if attribute else fault)
        return rules

    def clean(self) -> dict[str, Any]:
        """One source, one target, and a key where rows are compared."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if bool(data.get("connector")) == bool(data.get("server")):
            self.add_error(
                "connector", "Give either a connector of kind ldap, or server (with bind_dn and bind_password)."
            )
        if bool(data.get("target_table")) == bool(data.get("target_query")):
            self.add_error("target_table", "Give either target_table with key_columns, or target_query.")
        if data.get("server"):
            self._check_server(data)
        self._check_keys(data)
        self._check_filter(data)
        return data

    def _check_server(self, data: Mapping[str, Any]) -> None:
        given = {"server": data["server"], "start_tls": data.get("start_tls", False)}
        form = LdapForm({**LdapForm.defaults(), **given}, tokens=self.tokens)
        for name, messages in form.errors.items():
            self.add_error(name, list(messages))

    def _check_keys(self, data: Mapping[str, Any]) -> None:
        keys, mapping = data.get("key_columns"), data.get("mapping")
        if data.get("target_table") and not keys:
            self.add_error("key_columns", "Name the columns that tell one row from another.")
        if data.get("target_query") and data.get("prune") not in {None, "off"}:
            self.add_error("prune", "Rows can only be pruned with target_table.")
        if isinstance(keys, list) and isinstance(mapping, Mapping):
            lost = [key for key in keys if key not in mapping.values() and "${" not in str(key)]
            if lost and not any("${" in str(column) for column in mapping.values()):
                self.add_error("key_columns", f"{', '.join(map(str, lost))} is not a column of the mapping.")

    def _check_filter(self, data: Mapping[str, Any]) -> None:
        named = PLACEHOLDER.findall(re.sub(r"\$\{[^{}]*\}", "", str(data.get("search_filter") or "")))
        lost = [name for name in named if name not in (data.get("filter_params") or {})]
        if lost:
            self.add_error("search_filter", f"{{{lost[0]}}} has no value in filter_params.")


@dataclass(frozen=True)
class Counts:
    """What became of the rows."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    pruned: int = 0


class LdapSyncStep(StepType):
    """Pulls a directory subtree, maps attributes to columns, upserts into a table; all or nothing."""

    name = "ldap_sync"
    label = "LDAP sync"
    form = LdapSyncForm

    def run(self, ctx: Context, config: dict[str, Any]) -> Result:
        """Read everything, then change the target in one transaction."""
        client = _directory(ctx, config)
        try:
            entries = list(_fetch(ctx, client, config))
        finally:
            if not config["connector"]:
                client.close()
        try:
            mapped = rows_of(entries, _column_map(config))
        except CannotMap as error:
            raise StepFailed(str(error)) from error
        _tell_skipped(ctx, mapped, config)
        counts = _apply_query(ctx, config, mapped) if config["target_query"] else _apply_table(ctx, config, mapped)
        ctx.log.info(
            "%s inserted, %s updated, %s unchanged, %s pruned",
            *(f"{n:,}" for n in (counts.inserted, counts.updated, counts.unchanged, counts.pruned)),
        )
        output = {"fetched": len(entries), "skipped": len(mapped.skipped), **vars(counts)}
        return Result(output=output, rows=counts.inserted + counts.updated + counts.pruned)


def _directory(ctx: Context, config: Mapping[str, Any]) -> LdapClient:
    if config["connector"]:
        client = ctx.get_connector(config["connector"])
        if not isinstance(client, LdapClient):
            raise StepFailed(f"Connector {config['connector']!r} is not of kind ldap.")
        return client
    settings = {name: config[name] for name in SERVER_FIELDS if name != "ldap_timeout_seconds"}
    settings["timeout_seconds"] = config["ldap_timeout_seconds"] or LdapForm.defaults()["timeout_seconds"]
    definition = Definition(name=config["server"], kind="ldap", config=settings)
    return open_connector(definition, f"nomaflow:{ctx.run_id}:{ctx.step_name}")  # type: ignore[return-value]


def _fetch(ctx: Context, client: LdapClient, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every entry of every page, telling how far it is."""
    wanted = [name for name in dict.fromkeys([*config["mapping"], *config["attributes"]]) if name.lower() != "dn"]
    count = 0
    search = client.search(
        config["search_base"], _filter(config), config["scope"], wanted or ["1.1"], int(config["page_size"])
    )
    for entry in search:
        count += 1
        if count % REPORT_EVERY == 0:
            ctx.progress(count)
            ctx.log.info("read %s entries", f"{count:,}")
        yield entry
    if count % REPORT_EVERY or not count:
        ctx.log.info("read %s entries", f"{count:,}")
    ctx.progress(count, count)


def _filter(config: Mapping[str, Any]) -> str:
    """The filter with the values of filter_params in it, escaped: a value never becomes a condition."""
    params = config["filter_params"]
    return PLACEHOLDER.sub(lambda match: escape(str(params[match[1]])), config["search_filter"])


def _column_map(config: Mapping[str, Any]) -> ColumnMap:
    rules = config["multi_valued"]
    table = {name.lower(): rule for name, rule in rules.items()} if isinstance(rules, Mapping) else {}
    default = FIRST if isinstance(rules, Mapping) else rules
    keys = config["key_columns"] if config["target_table"] else []
    return ColumnMap(config["mapping"], table, default, keys)


def _tell_skipped(ctx: Context, mapped: Mapped, config: Mapping[str, Any]) -> None:
    if mapped.skipped:
        some = "; ".join(mapped.skipped[:3]) + ("; ..." if len(mapped.skipped) > 3 else "")
        keys = ", ".join(config["key_columns"])
        ctx.log.warning(
            "%s entries have no value for the key (%s) and were left out: %s", f"{len(mapped.skipped):,}", keys, some
        )


def _apply_query(ctx: Context, config: Mapping[str, Any], mapped: Mapped) -> Counts:
    """Run the query once a row; the rows it affected are told as updated."""
    client = ctx.get_connector(config["target_connector"])
    sql = client.query_text(config["target_query"])
    affected = 0
    with client.transaction() as tx:
        for done, row in enumerate(mapped.rows, 1):
            affected += max(tx.execute(sql, dict(zip(mapped.columns, row, strict=True))), 0)
            if done % REPORT_EVERY == 0:
                ctx.progress(done, len(mapped.rows))
    return Counts(updated=affected)


def _apply_table(ctx: Context, config: Mapping[str, Any], mapped: Mapped) -> Counts:
    """Guard, prune and upsert in one transaction; whatever fails undoes all of it."""
    client = ctx.get_connector(config["target_connector"])
    schema, table, keys = config["target_schema"] or client.schema, config["target_table"], config["key_columns"]
    columns, rows = _with_active(config, mapped)
    places = [columns.index(key) for key in keys]
    present = [tuple(row[place] for place in places) for row in rows]
    with client.transaction() as tx:
        # Before the upsert: a row that goes may hold a unique value that a new one needs.
        pruned = _prune(ctx, tx, config, schema, table, keys, present) if config["prune"] != "off" else 0
        inserted, updated, unchanged = tx.upsert(schema, table, columns, keys, rows)
    return Counts(inserted, updated, unchanged, pruned)


def _with_active(config: Mapping[str, Any], mapped: Mapped) -> tuple[list[str], list[tuple[Any, ...]]]:
    """With `deactivate`, whoever is in the directory is active: also those who had been gone and came back."""
    column = config["deactivate_column"] or "active"
    if config["prune"] != "deactivate" or column in mapped.columns:
        return list(mapped.columns), mapped.rows
    # 1 and not True: a column of whole numbers takes it as well as one of truth values.
    return [*mapped.columns, column], [(*row, 1) for row in mapped.rows]


def _prune(
    ctx: Context,
    tx: Any,
    config: Mapping[str, Any],
    schema: str | None,
    table: str,
    keys: list[str],
    present: list[Any],
) -> int:
    """Prune what is gone, unless that is suspiciously much. The caller's transaction undoes it when this raises."""
    missing, total = tx.missing_count(schema, table, keys, present)
    if not present and total:
        raise StepFailed(
            f"The search found nothing, and {table} has {total:,} rows: nothing was pruned. Check search_base and search_filter."
        )
    if config["prune"] == "delete":
        _guard(ctx, missing, total, config)
        return int(tx.prune(schema, table, keys, present, None)) if missing else 0
    pruned = int(tx.prune(schema, table, keys, present, config["deactivate_column"] or "active"))
    # Rows switched off by earlier runs are missing for good; they count on neither side.
    _guard(ctx, pruned, total - missing + pruned, config)
    return pruned


def _guard(ctx: Context, gone: int, total: int, config: Mapping[str, Any]) -> None:
    """Refuse to prune suspiciously much, and warn of what comes near it."""
    percent = 100 * gone / total if total else 0
    if percent > config["max_prune_percent"]:
        raise StepFailed(
            f"{gone:,} of {total:,} rows ({percent:.1f} %) are no longer in the directory; at most "
            f"{config['max_prune_percent']:g} % may be pruned at once, so nothing was changed. "
            "If this is right, raise max_prune_percent for one run."
        )
    if gone >= WORTH_A_WARNING and config["max_prune_percent"] / 2 < percent and config["max_prune_percent"] < 100:
        ctx.guard_warning(
            f"{gone:,} of {total:,} rows ({percent:.1f} %) are no longer in the directory and are pruned; "
            f"above {config['max_prune_percent']:g} % the step would have refused"
        )
