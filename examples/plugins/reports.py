"""The plugin of the demo's job: a summary of last night's refresh, read from the reporting database.

`tests/flows/test_demo.py` and docs/plugins.md show how a function like this one is tested without a server.
"""

from pathlib import Path
from typing import Any

TOTALS = "SELECT sum(departures) AS departed, count(DISTINCT day) AS days FROM daily_departures"
BUSIEST = "SELECT day, sum(departures) AS departures FROM daily_departures GROUP BY day ORDER BY 2 DESC, 1 LIMIT 1"
WORST = """
    SELECT dest, name, arrivals, minutes_late FROM destination_delays WHERE arrivals >= :enough
    ORDER BY 1.0 * minutes_late / arrivals DESC, dest DESC LIMIT 1
"""


def summary(
    ctx: Any, *, target_connector: str, summary_file: str = "", enough_arrivals: int = 100, **_: Any
) -> dict[str, Any]:
    """Read the figures, write them as a mail would say them, and return them as the step's output.

    `summary_file`: where the text goes, since a demo has no mail server. `enough_arrivals`: destinations with fewer are left
    out of the ranking.
    """
    figures = read_figures(ctx.get_connector(target_connector), enough_arrivals)
    text = as_text(figures)
    for line in text.splitlines():
        ctx.log.info("%s", line)
    if summary_file:
        Path(summary_file).write_text(text, encoding="utf-8")
        ctx.log.info("summary written to %s (a demo has no mail server to send it to)", summary_file)
    return figures


def read_figures(reporting: Any, enough_arrivals: int) -> dict[str, Any]:
    """Totals, the busiest day, and the destination with the longest average delay."""
    totals = reporting.fetch_all(TOTALS)[0]
    busiest = reporting.fetch_all(BUSIEST)[0]
    worst = reporting.fetch_all(WORST, {"enough": enough_arrivals})[0]
    return {
        "flights": reporting.scalar("SELECT count(*) FROM flights"),
        "departed": totals["departed"],
        "days": totals["days"],
        "busiest_day": busiest["day"],
        "busiest_day_departures": busiest["departures"],
        "worst_destination": worst["dest"],
        "worst_destination_name": worst["name"],
        "worst_destination_arrivals": worst["arrivals"],
        "worst_destination_minutes_late": worst["minutes_late"],
    }


def as_text(figures: dict[str, Any]) -> str:
    """The figures in four lines."""
    late = figures["worst_destination_minutes_late"] / figures["worst_destination_arrivals"]
    return (
        f"{figures['flights']:,} flights planned, {figures['departed']:,} departed, on {figures['days']} days\n"
        f"busiest day: {figures['busiest_day']} with {figures['busiest_day_departures']:,} departures\n"
        f"longest average delay on arrival: {figures['worst_destination_name']} ({figures['worst_destination']}), "
        f"{late:.1f} minutes over {figures['worst_destination_arrivals']:,} arrivals\n"
    )
