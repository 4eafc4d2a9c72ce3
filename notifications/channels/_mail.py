"""A message as a mail: headers, text, HTML. Pure but for the date."""

import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from notifications.channels._text import facts, headline, lines, link_label, one_line, web_link
from notifications.message import Message

LONGEST_SUBJECT = 160
# The page of the run has all of it.
LONGEST_REASON = 5_000
# Letters, digits and signs before the @, host names after it: what every server takes.
ADDRESS = re.compile(
    r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64})@((?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)*[^\W_](?:[\w-]{0,61}[^\W_])?)"
)
# Seven bits only: not every server on the way takes eight.
POLICY = SMTP.clone(cte_type="7bit")


def ascii_address(address: str) -> str | None:
    """An address as it's sent, the domain in ASCII; None when it's none."""
    found = ADDRESS.fullmatch(address)
    if not found or len(address) > 254 or ".." in found[1] or found[1][0] == "." or found[1][-1] == ".":
        return None
    try:
        return f"{found[1]}@{found[2].encode('idna').decode()}"
    except UnicodeError:
        return None


def parse_sender(text: str) -> Address | None:
    """`Nomaflow <ops@example.com>` or `ops@example.com`; None when it's neither."""
    found = re.fullmatch(r'\s*"?([^"<>\x00-\x1f\x7f]*?)"?\s*<([^<>]+)>\s*', text)
    name, spelled = (found[1], found[2]) if found else ("", text.strip())
    address = ascii_address(spelled)
    return Address(display_name=name, addr_spec=address) if address else None


def mail(sender: Address, recipient: str, message: Message) -> EmailMessage:
    """The mail for one recipient, whose address is in ASCII. Its Message-ID is the same for every attempt of a delivery."""
    made = EmailMessage(policy=POLICY)
    made["From"] = sender
    made["To"] = Address(addr_spec=recipient)
    made["Subject"] = one_line(f"[Nomaflow] {message.title}", LONGEST_SUBJECT)
    made["Date"] = localtime()
    made["Message-ID"] = _id(message.delivery, sender.domain)
    if message.thread:
        # No mail has this number; programs gather those that name the same one.
        made["In-Reply-To"] = made["References"] = _id(message.thread, sender.domain)
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    made.set_content(text_of(message))
    made.add_alternative(html_of(message), subtype="html")
    return made


def wire(mail: EmailMessage) -> bytes:
    """The mail as it's handed over. A subject in ASCII stays on one line: folded, Python would begin it with a blank."""
    return mail.as_bytes(
        policy=POLICY.clone(max_line_length=2 * LONGEST_SUBJECT) if mail["Subject"].isascii() else POLICY
    )


def _id(name: str, domain: str) -> str:
    return f"<{re.sub(r'[^A-Za-z0-9._-]', '-', name)[:100]}@{domain}>"


def text_of(message: Message) -> str:
    """The mail without HTML."""
    parts = [headline(message), lines(message.error, LONGEST_REASON)]
    parts.append("\n".join(f"{label}: {text}" for label, text in facts(message)))
    parts += [web_link(message), _closing(message)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _closing(message: Message) -> str:
    note = one_line(message.note, 500)
    return f"{note}\n\n-- \nSent by Nomaflow." if note else "-- \nSent by Nomaflow."


# Inline for programs that drop the head of a page; the head turns the colours where the reader's screen is dark.
FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
HEAD = mark_safe(
    """<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
<style>
:root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  .page { background: #111418 !important; }
  .card { background: #1c2127 !important; border-color: #39414b !important; }
  .ink, .ink a { color: #e8eaed !important; }
  .dim { color: #a9b1bb !important; }
  .reason { background: #111418 !important; color: #e8eaed !important; }
  .line { border-color: #39414b !important; }
}
</style>"""
)
PAGE = """<!DOCTYPE html>
<html lang="en"><head>{head}<title>{title}</title></head>
<body class="page" style="margin:0;padding:0;background:#f3f4f6;">
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" style="background:#f3f4f6;"><tr>
<td align="center" style="padding:24px 12px;">
<table role="presentation" class="card" width="100%" cellpadding="0" cellspacing="0" style="{card}">
<tr><td style="height:6px;line-height:6px;font-size:0;background:{colour};border-radius:8px 8px 0 0;">&nbsp;</td></tr>
<tr><td class="ink" style="padding:24px;{font}font-size:15px;line-height:1.5;color:#1f2328;">
<h1 class="ink" style="margin:0 0 16px;font-size:20px;line-height:1.3;color:#1f2328;overflow-wrap:anywhere;">{title}</h1>
{reason}{facts}{link}{note}
</td></tr></table>
<p class="dim" style="margin:16px 0 0;{font}font-size:13px;color:#57606a;">Sent by Nomaflow.</p>
</td></tr></table>
</body></html>
"""
REASON = (
    '<pre class="reason" style="margin:0 0 16px;padding:12px;background:#f3f4f6;color:#1f2328;border-radius:6px;'
    'font-family:ui-monospace,Menlo,Consolas,monospace;font-size:13px;line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere;">'
    "{}</pre>"
)
FACTS = (
    '<table cellpadding="0" cellspacing="0" width="100%" style="border-collapse:collapse;margin:0 0 20px;">{}</table>'
)
FACT = (
    '<tr><th class="dim line" scope="row" align="left" valign="top" style="padding:6px 16px 6px 0;border-top:1px solid #e2e5e9;'
    'font-weight:normal;font-size:14px;color:#57606a;width:7.5em;">{}</th><td class="ink line" valign="top" '
    'style="padding:6px 0;border-top:1px solid #e2e5e9;font-size:14px;color:#1f2328;overflow-wrap:anywhere;">{}</td></tr>'
)
LINK = (
    '<p style="margin:0;"><a href="{}" style="display:inline-block;padding:10px 18px;border-radius:6px;background:#1a4fa3;'
    'color:#ffffff;font-size:15px;font-weight:600;text-decoration:none;">{}</a></p>'
)
NOTE = '<p class="dim" style="margin:20px 0 0;font-size:14px;color:#57606a;overflow-wrap:anywhere;">{}</p>'
CARD = "max-width:600px;background:#ffffff;border:1px solid #d9dde3;border-radius:8px;border-collapse:separate;"


def html_of(message: Message) -> str:
    """The mail as a page: no images, no scripts, every value escaped."""
    link, reason, note = web_link(message), lines(message.error, LONGEST_REASON), one_line(message.note, 500)
    rows = format_html_join("", FACT, facts(message))
    return format_html(
        PAGE,
        head=HEAD,
        title=headline(message),
        colour=message.colour if re.fullmatch(r"#[0-9a-fA-F]{6}", message.colour) else "#616161",
        font=mark_safe(FONT),
        card=CARD,
        reason=format_html(REASON, reason) if reason else "",
        facts=format_html(FACTS, rows) if rows else "",
        link=format_html(LINK, link, link_label(message)) if link else "",
        note=format_html(NOTE, note) if note else "",
    )
