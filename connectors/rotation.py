"""Re-encrypt everything that is stored under the first key of the ring.

Every field that keeps secrets is found by walking the installed models. Rows are changed one by one, each only if it is still
what was read, and raw: no `save()`, no signals, no new history. Killed half way it goes on where it stopped, because rows under
the first key are left alone and both keys stay in the ring meanwhile.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import F, Field, Model, TextField, Value
from django.db.models.functions import Cast

from nomaflow_site.lib.sealing import SEALED, CannotDecrypt, EncryptedJSONField, SealedJSONField, reseal, rotated


@dataclass
class Count:
    """What became of the rows of one field. `lost` are primary keys of rows that no key opens."""

    place: str
    seen: int = 0
    changed: int = 0
    lost: list[Any] = field(default_factory=list)


def secret_fields() -> Iterator[tuple[type[Model], "Field[Any, Any]"]]:
    """Every stored field that keeps secrets, in all installed apps."""
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy:
            for found in model._meta.local_fields:
                if isinstance(found, EncryptedJSONField | SealedJSONField):
                    yield model, found


def rotate(batch: int) -> Iterator[Count]:
    """Rotate field by field; `batch` rows are one transaction."""
    for model, found in secret_fields():
        count = Count(f"{model._meta.label}.{found.name}")
        # A row that changed between reading and writing was written by somebody else, perhaps under an old key: look again.
        while _pass(model, found, batch, count):
            pass
        yield count


def _pass(model: type[Model], found: "Field[Any, Any]", batch: int, count: Count) -> int:
    """Go over all rows once; how many could not be written because they changed meanwhile."""
    manager = model._base_manager
    raw = Cast(F(found.attname), TextField())
    rows = manager.annotate(raw_text=raw).order_by("pk").values_list("pk", "raw_text")
    # Only rows with something to open; SEALED stands in the text of a JSON column, a token column is just not empty.
    rows = rows.filter(raw_text__contains=SEALED) if isinstance(found, SealedJSONField) else rows.exclude(raw_text="")
    count.seen, count.lost, missed, last = 0, [], 0, None
    while True:
        page = list((rows if last is None else rows.filter(pk__gt=last))[:batch])
        if not page:
            return missed
        with transaction.atomic(using=manager.db):
            missed += sum(_turn(model, found, pk, text, count) for pk, text in page)
        last = page[-1][0]


def _turn(model: type[Model], found: "Field[Any, Any]", pk: Any, text: str, count: Count) -> int:
    """Rotate one row; 1 when somebody else changed it in between."""
    count.seen += 1
    try:
        new = _new_value(found, text)
    except CannotDecrypt:
        count.lost.append(pk)
        return 0
    if new is None:
        return 0
    same = model._base_manager.annotate(raw_text=Cast(F(found.attname), TextField())).filter(pk=pk, raw_text=text)
    changed = same.update(**{found.attname: new})
    count.changed += changed
    return 0 if changed else 1


def _new_value(found: "Field[Any, Any]", text: str) -> Any:
    """The value to write, None when the row is as it should be."""
    if isinstance(found, SealedJSONField):
        old = json.loads(text)
        new = reseal(old)
        return None if new == old else new
    token = rotated(text)
    # As an expression, so that the field doesn't encrypt the token once more.
    return None if token == text else Value(token, output_field=TextField())
