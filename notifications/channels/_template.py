"""The body of a webhook: its own template with the message's variables filled in once, literally. Pure."""

import html
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

from jobs.parameters import TOKEN, tokens_in
from notifications.message import VARIABLES, Message

JSON = "application/json"
# What a body may grow to, in bytes, and a template in characters.
LONGEST_BODY = 256 * 1024
LONGEST_TEMPLATE = 16 * 1024
# How long a value may be, tried one after the other until the body fits.
_LENGTHS = (64 * 1024, 16 * 1024, 4096, 1024, 256, 64, 16)

# A JSON object or array, or any text.
Template = dict[str, Any] | list[Any] | str


class TooLong(Exception):
    """A template that does not fit into the limit even with its values cut."""


def template_faults(template: Template, content_type: str, *, tokens: bool) -> list[str]:
    """What is wrong with a template: unknown variables, JSON that isn't, its length. `tokens`: `${env:NAME}` may stand in it."""
    try:
        return _faults(template, content_type, tokens=tokens)
    except RecursionError:
        return ["The template is nested too deeply."]


def _faults(template: Template, content_type: str, *, tokens: bool) -> list[str]:
    names = [name for name in dict.fromkeys(tokens_in(template)) if name not in VARIABLES]
    if tokens:
        names = [name for name in names if not name.startswith("env:")]
    faults = [f"There is no variable ${{{name}}}; there are {', '.join(VARIABLES)}." for name in names]
    text = template if isinstance(template, str) else json.dumps(template, default=str)
    if len(text) > LONGEST_TEMPLATE:
        faults.append(f"The template has {len(text):,} characters; {LONGEST_TEMPLATE:,} is the limit.")
    if isinstance(template, str) and template.strip() and content_type_of(template, content_type) == JSON:
        faults += json_faults(template)
    return faults


def json_faults(text: str) -> list[str]:
    """Why a text isn't JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        return [
            f"This isn't JSON: {error}. Put every variable into quotes, or set another content type, such as text/plain."
        ]
    return []


def content_type_of(template: Template, given: str) -> str:
    """The content type of a body: the one that was chosen, else JSON where the template looks like it."""
    if given:
        return given
    looks_like_json = not isinstance(template, str) or template.lstrip()[:1] in ("{", "[", "")
    return JSON if looks_like_json else "text/plain; charset=utf-8"


def default_body(message: Message) -> dict[str, Any]:
    """What is sent where there is no template."""
    names = ("job_id", "run_id", "state", "error", "started_at", "finished_at", "triggered_by", "url")
    values = message.variables
    further = [name for name in VARIABLES if name not in names]
    return {**{name: values[name] for name in (*names, *further)}, "facts": dict(message.facts)}


def body_of(template: Template, content_type: str, message: Message) -> bytes:
    """The bytes to send. Values are cut, and say so, until the body fits. Raises TooLong when it never does."""
    values = message.variables
    for longest in _LENGTHS:
        shown = {name: _cut(value, longest) for name, value in values.items()}
        # Looked at before it's built: a thousand variables of a megabyte each would never be sent, but fill the memory.
        if sum(len(shown[name]) for name in tokens_in(template)) > LONGEST_BODY:
            continue
        body = _filled(template, content_type, shown, message, longest).encode("utf-8", "replace")
        if len(body) <= LONGEST_BODY:
            return body
    raise TooLong(f"The body is longer than {LONGEST_BODY // 1024} KiB even with its values cut; shorten the template.")


def _filled(template: Template, content_type: str, values: Mapping[str, str], message: Message, longest: int) -> str:
    if template in ("", {}, []):
        shown = Message(**{name: values[name] for name in VARIABLES}, colour="", facts=_cut_facts(message, longest))
        return json.dumps(default_body(shown), ensure_ascii=False, default=str)
    if isinstance(template, str) and json_faults(template):
        return fill(template, values, _escape_for(content_type))
    value = json.loads(template) if isinstance(template, str) else template
    return json.dumps(_fill_json(value, values), ensure_ascii=False, default=str)


def _cut_facts(message: Message, longest: int) -> tuple[tuple[str, str], ...]:
    return tuple((_cut(label, 200), _cut(text, longest)) for label, text in message.facts)


def _fill_json(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return fill(value, values, str)
    if isinstance(value, Mapping):
        return {key: _fill_json(item, values) for key, item in value.items()}
    return [_fill_json(item, values) for item in value] if isinstance(value, list) else value


def fill(text: str, values: Mapping[str, str], escape: Callable[[str], str]) -> str:
    """`text` with each variable replaced, once: what a variable stands for is not looked through again."""
    return TOKEN.sub(lambda found: escape(values[found[1]]) if found[1] in values else found[0], text)


def _escape_for(content_type: str) -> Callable[[str], str]:
    """How a value is written in a text of that type, so that an error can't break or bend it."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return lambda value: quote_plus(value, errors="replace")
    return html.escape if kind.endswith(("/xml", "+xml", "/html")) else str


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… (cut, {len(text):,} characters in all)"
