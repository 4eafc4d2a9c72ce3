"""The TOML file of import and export: calendars, connectors, jobs, and the sections that floors above have registered."""

import tomllib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from auditlog.signals import accessed
from django.db import transaction

from connectors.models import Connector
from jobs.calendarfile import apply_calendar, calendar_toml, calendars_of, names_in, table_faults
from jobs.catalogue import calendar_names, connector_kinds, diff_definitions, retype_faults, save_job
from jobs.connectorfile import apply_connector, connector_faults, connector_toml
from jobs.definition import definition_of
from jobs.endpointfile import kinds_in
from jobs.models import Calendar, Job
from jobs.placeholders import keep_secrets
from jobs.plainvalues import plain
from jobs.recipients import Recipients, recipient_check
from jobs.sections import SECTIONS, BadFile, Change, Section, Tables
from jobs.stepconfig import connector_names
from jobs.tomltext import export_toml
from jobs.validation import Fault, read_job
from nomaflow_site.lib.sealing import sealed_paths

LARGEST_FILE = 10_000_000


def export_file(jobs: Collection[Job], connectors: Iterable[Connector], *, sections: bool) -> str:
    """The file's text, with the calendars that the jobs name. Every export is noted in the audit trail.

    `sections`: the whole, with every calendar and what the floors above have.
    """
    parts = []
    for calendar in Calendar.objects.all() if sections else calendars_of(jobs):
        parts.append(calendar_toml(calendar))
        accessed.send(Calendar, instance=calendar)
    for connector in connectors:
        parts.append(connector_toml(connector))
        accessed.send(Connector, instance=connector)
    if sections:
        parts += _exports(before_jobs=True)
    for job in jobs:
        parts.append(export_toml(definition_of(job)))
        accessed.send(Job, instance=job)
    if sections:
        parts += _exports(before_jobs=False)
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _exports(*, before_jobs: bool) -> list[str]:
    return [text for section in _sections(before_jobs) if (text := section.export())]


def _sections(before_jobs: bool) -> list[Section]:
    return [section for section in SECTIONS.values() if section.before_jobs == before_jobs]


def connectors_of(jobs: Iterable[Job]) -> list[Connector]:
    """The connectors that the jobs' steps name."""
    names = {name for job in jobs for name in connector_names(definition_of(job))}
    return list(Connector.objects.filter(name__in=names).prefetch_related("queries"))


def parse_file(data: bytes) -> dict[str, Any]:
    """The document in a file. Raises BadFile when it's too large or isn't TOML."""
    if len(data) > LARGEST_FILE:
        raise BadFile([f"The file has {len(data):,} bytes; {LARGEST_FILE:,} is the limit."])
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadFile([f"Not UTF-8 text: {error}."]) from error
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise BadFile([f"Not TOML: {error}."]) from error


def import_file(data: bytes, *, by: str, user: Any = None, dry_run: bool = False) -> list[Change]:
    """Bring the catalogue to what the file says; what the file doesn't name stays. Raises BadFile with nothing changed.

    A dry run does the whole import in a transaction and takes it back, so that it shows what would really happen.
    """
    document = parse_file(data)
    with transaction.atomic():
        jobs = _check(document)
        # What jobs name comes before them.
        changes = [apply_calendar(table, by=by) for table in document.get("calendars", [])]
        changes += [apply_connector(table) for table in document.get("connectors", [])]
        changes += _apply_sections(document, by, before_jobs=True)
        changes += [_apply_job(definition, by, user) for definition in jobs]
        changes += _apply_sections(document, by, before_jobs=False)
        if dry_run:
            transaction.set_rollback(True)
    return changes


def _apply_sections(document: Mapping[str, Any], by: str, *, before_jobs: bool) -> list[Change]:
    named = [section for section in _sections(before_jobs) if section.name in document]
    return [change for section in named for change in section.apply(document[section.name], by)]


def _check(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The jobs to save, once everything in the document has been found right. Raises BadFile."""
    known = ["calendars", "connectors", "jobs", *SECTIONS]
    faults: list[object] = [
        f"{key}: Unknown key; a file has {', '.join(known)}." for key in document if key not in known
    ]
    faults += [f"{key}: Expected [[{key}]] tables." for key in known if not _is_table_list(document.get(key, []))]
    if faults:
        raise BadFile(faults)
    connectors, calendars = document.get("connectors", []), document.get("calendars", [])
    faults += [*table_faults(calendars), *connector_faults(connectors)]
    kinds, names = {**connector_kinds(), **kinds_in(connectors)}, calendar_names() | names_in(calendars)
    jobs, job_faults = _read_jobs(document.get("jobs", []), kinds, names, recipient_check(document))
    faults += job_faults
    for section in SECTIONS.values():
        faults += section.check(document.get(section.name, []), document)
    if faults:
        raise BadFile(faults)
    return jobs


def _is_table_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def _read_jobs(
    tables: Tables, kinds: Mapping[str, str], calendars: set[str], recipients: Recipients
) -> tuple[list[dict[str, Any]], list[Fault]]:
    jobs: list[dict[str, Any]] = []
    faults: list[Fault] = []
    stored = {job.id: job for job in Job.objects.filter(pk__in=_ids(tables)).prefetch_related("steps", "presets")}
    seen: set[str] = set()
    for table in tables:
        job_id = str(table.get("id", "?"))
        if job_id in seen:
            faults.append(Fault(job_id, "", "id", "The file has this job more than once."))
        seen.add(job_id)
        # What TOML can't be trusted with: a sealed value is made here, never brought along.
        faults += [
            Fault(job_id, "", ".".join(path), "Sealed values can't be imported.") for path in sealed_paths(plain(table))
        ]
        job = stored.get(job_id)
        definition = keep_secrets(plain(table), definition_of(job)) if job else plain(table)
        read, own_faults = read_job(definition, connectors=kinds, calendars=calendars, recipients=recipients)
        faults += own_faults
        if job and not own_faults:
            faults += retype_faults(job.steps.all(), read["steps"], job_id, {})
        jobs.append(definition)
    return jobs, faults


def _ids(tables: Tables) -> list[str]:
    return [table["id"] for table in tables if isinstance(table.get("id"), str) and "\0" not in table["id"]]


def _apply_job(definition: dict[str, Any], by: str, user: Any) -> Change:
    stored = Job.objects.filter(pk=definition["id"]).prefetch_related("steps", "presets").first()
    before = definition_of(stored) if stored else None
    job = save_job(definition, by=by, user=user, comment="import")
    after = definition_of(job)
    if before == after:
        return Change("job", job.id, "unchanged")
    diff = diff_definitions(before, after, f"{job.id} (stored)" if before else "nothing", f"{job.id} (file)")
    return Change("job", job.id, "changed" if before else "added", diff)
