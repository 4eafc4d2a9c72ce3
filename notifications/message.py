"""What a recipient is told, before a transport gives it its form. Plain values; no secrets: the texts were masked before."""

from dataclasses import dataclass, field

# What a body template may name.
VARIABLES = (
    *("event", "title", "job_id", "run_id", "state", "error", "step", "started_at", "finished_at", "triggered_by"),
    *("url", "delivery", "thread", "note"),
)


@dataclass(frozen=True)
class Message:
    """One piece of news for one recipient.

    `event` is a value of `Event`. Times are ISO texts with offset, empty where there is none. `facts` are (label, text) in the
    order in which they're shown. `delivery` is the same for every attempt of one delivery, so that a receiver can tell a repeat;
    `thread` is shared by the messages of one incident, empty outside one.
    """

    event: str
    title: str
    colour: str
    job_id: str
    run_id: str = ""
    state: str = ""
    error: str = ""
    step: str = ""
    started_at: str = ""
    finished_at: str = ""
    triggered_by: str = ""
    url: str = ""
    facts: tuple[tuple[str, str], ...] = field(default=())
    delivery: str = ""
    thread: str = ""
    # Where the message arrives by another way than it should have: which one failed, and why.
    note: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """The seed-style variables of a body template: `${job_id}`, `${error}`, ..."""
        return {name: str(getattr(self, name)) for name in VARIABLES}
