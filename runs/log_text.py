"""Log text on its way to people: what a terminal or a browser would act upon is shown instead."""

import re

# Everything that moves the cursor, colours, hides or reorders: control characters except tab and line feed, the marks of
# right-to-left text, the two odd line separators, and halves of surrogate pairs.
ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
SHORT = {"\r": "\\r", "\x1b": "\\e", "\x00": "\\0", "\x08": "\\b"}


def readable(text: str) -> str:
    """`text` with such characters as visible escapes: `\\e[2J`, `\\u202e`."""
    return ACTIVE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def plain_line(seq: int, at: str, level: str, step: str, text: str) -> str:
    """One line of a downloaded log. A text of several lines goes on under its own: it can't pass for another entry."""
    where = f" [{readable(step)}]" if step else ""
    body = readable(text).replace("\n", "\n    | ")
    return f"{seq:>7} {at} {level:<8}{where} {body}\n"
