"""Text that comes from jobs, made fit for where it's going: an alert has to arrive, whatever is in it."""

import re

from notifications.message import Message

# Control characters, line and paragraph separators, and those that turn the direction of what follows.
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSEEN_BUT_LINES = re.compile(rf"(?![\n\t]){UNSEEN.pattern}")
ISO_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)?")
ZONES = {"Z": "UTC", "+00:00": "UTC"}
LONGEST_ANSWER = 300
# Escaped, a fact is up to five times as long, and Slack takes 2,000 characters.
LONGEST_FACT = 380


def cut(text: str, longest: int) -> str:
    """At most `longest` characters, with a sign where something is missing."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def one_line(text: str, longest: int = LONGEST_ANSWER) -> str:
    """`text` in one line without control characters, for headers, subjects and answers."""
    # Twice as much as is wanted is enough to look at; an error may be megabytes long.
    return cut(" ".join(UNSEEN.sub(" ", text[: longest * 8]).split()), longest)


def lines(text: str, longest: int) -> str:
    """`text` with its lines, without other control characters; says how long it was where it's cut."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    told = _UNSEEN_BUT_LINES.sub("\ufffd", text[:longest]).strip()
    return told if len(text) <= longest else f"{told}\n… ({len(text):,} characters in all)"


def readable(text: str) -> str:
    """`text` with its ISO times as people read them: `2026-03-01T02:00:00.123+01:00` becomes `2026-03-01 02:00:00 +01:00`."""
    return ISO_TIME.sub(lambda found: f"{found[1]} {found[2]} {ZONES.get(found[3], found[3]) or ''}".strip(), text)


def headline(message: Message) -> str:
    """The title without the error, where it's told apart: `nightly failed`."""
    title, error = one_line(message.title), one_line(message.error)
    head, found, _ = title.partition(f": {error[:40]}") if error else (title, "", "")
    return head if found and head else title


def facts(message: Message) -> list[tuple[str, str]]:
    """What is told beside the title and the error: (label, text), each in one line, nothing empty."""
    pairs = [
        ("Failing step" if message.error else "Step", message.step),
        ("Started", message.started_at),
        ("Finished", message.finished_at),
        ("Triggered by", message.triggered_by),
        *message.facts,
    ]
    return [(one_line(label, 60), one_line(readable(text), LONGEST_FACT)) for label, text in pairs if text]


def web_link(message: Message) -> str:
    """The address of the run or job, empty when it's none that a browser opens."""
    address = message.url
    return address if re.match(r"https?://", address) and not re.search(r"[\s<>\"'|]", address) else ""


def link_label(message: Message) -> str:
    """What the link leads to, in words."""
    return f"Open {one_line(message.run_id or message.job_id or 'Nomaflow', 100)}"
