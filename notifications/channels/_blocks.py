"""A message as Slack's Block Kit. Pure.

The header is what happened to which job. The attachment has the coloured bar, link, reason and facts. The message's own text, title
and reason in one line, is what Slack puts into push notifications, and shows where blocks can't be shown.
"""

import re
from typing import Any

from notifications.channels._text import cut, facts, headline, lines, link_label, one_line, web_link
from notifications.events import LOOKS
from notifications.message import Message

# Slack's limits, in characters as they're sent; a message over one of them is refused whole.
LONGEST_SECTION = 3000
LONGEST_FIELD = 2000
MOST_FIELDS = 10
MOST_BLOCKS = 50
LONGEST_REASON = 2800
LONGEST_HEADER = 150
MENTION = re.compile(r"@(?=(here|channel|everyone|group)\b)", re.IGNORECASE)
# Between the sign and the word: invisible, and no mention any more.
JOINER = "\u2060"


def payload(message: Message) -> dict[str, Any]:
    """What is posted, without the channel."""
    text = escaped(f"{_icon(message)} {one_line(message.title, 250)}".strip())
    attachment = {"color": message.colour, "fallback": text, "blocks": _blocks(message)}
    plain = {"mrkdwn": False, "link_names": False, "unfurl_links": False, "unfurl_media": False}
    header = cut(escaped(f"{_icon(message)} {headline(message)}".strip()), LONGEST_HEADER)
    return {
        "text": text,
        "blocks": [{"type": "header", "text": {"type": "plain_text", "text": header, "emoji": False}}],
        **plain,
        "attachments": [attachment],
    }


def escaped(text: str) -> str:
    """`text` as itself: no links, no mentions."""
    return MENTION.sub(f"@{JOINER}", text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def _icon(message: Message) -> str:
    look = {str(event): look for event, look in LOOKS.items()}.get(str(message.event))
    return look.icon if look else ""


def _blocks(message: Message) -> list[dict[str, Any]]:
    blocks = []
    if link := web_link(message):
        # Only this text of ours is read as markup, and what it names was escaped.
        blocks.append(_section(f"*<{escaped(link)}|{escaped(link_label(message))}>*"))
    if message.error:
        blocks.append(_section(f"```\n{_fenced(message.error)}\n```"))
    fields = [field for pair in facts(message) for field in (_label(pair[0]), _value(pair[1]))]
    for start in range(0, len(fields), MOST_FIELDS):
        blocks.append({"type": "section", "fields": fields[start : start + MOST_FIELDS]})
    blocks.append({"type": "context", "elements": [_value(text) for text in _context(message)]})
    return blocks[:MOST_BLOCKS]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _label(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": f"*{escaped(text)}*", "verbatim": True}


def _value(text: str) -> dict[str, Any]:
    """Text that Slack shows to the letter, asterisks and all."""
    return {"type": "plain_text", "text": cut(escaped(text), LONGEST_FIELD), "emoji": False}


def _fenced(error: str) -> str:
    """An error between fences that it can't close. Escaping makes it longer, so it's cut until it fits."""
    longest = LONGEST_REASON
    while True:
        text = escaped(lines(error, longest)).replace("```", "`\u200b`\u200b`")
        if len(text) <= LONGEST_REASON + 60:
            return text
        longest = longest * LONGEST_REASON // len(text) - 1


def _context(message: Message) -> list[str]:
    """Who says this, and why it came this way."""
    return ["Nomaflow", *([one_line(message.note, 500)] if message.note else [])]
