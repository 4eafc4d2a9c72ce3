"""A message with everything in it, and one that means harm."""

from dataclasses import replace

from notifications.message import Message

FAILED = Message(
    event="failed",
    title="nightly failed: duplicate key value violates unique constraint",
    colour="#c62828",
    job_id="nightly",
    run_id="run_23456789",
    state="FAILED",
    error='duplicate key value violates unique constraint\nDETAIL: Key "id"=(17) already exists.',
    step="load",
    started_at="2026-03-01T02:00:00.250000+01:00",
    finished_at="2026-03-01T02:04:10.100000+01:00",
    triggered_by="cron",
    url="https://jobs.example.com/runs/run_23456789/",
    facts=(("Duration", "4 min 10 s"), ("Incident", "12, open since 2026-03-01T01:00:00+00:00")),
    delivery="0f8fad5b-d9cb-469f-a165-70867728950e",
    thread="incident-12",
    note="Instead of channel ops, which failed: 503 Service Unavailable",
)
# Line breaks, NUL, a bidi override, mentions, links, fences, tags, quotes, variables.
EVIL = 'a\r\nBcc: x@evil.example\x00\u202e <!channel> @here <https://evil.example|x> ``` </pre><script>1</script> "q" \\ ${url} {0}'
HARMFUL = replace(
    FAILED,
    title=EVIL,
    job_id=EVIL,
    error=EVIL,
    step=EVIL,
    triggered_by=EVIL,
    facts=((EVIL, EVIL),),
    delivery=EVIL,
    thread=EVIL,
    note=EVIL,
    event=EVIL,
    url="javascript:alert(1)//https://x\r\nX: y",
)
