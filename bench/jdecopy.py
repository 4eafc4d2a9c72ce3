"""`make bench-jde`: a copy with the jde rules beside the same table piped from psql to psql without any, in the same run.

1,000,000 rows of eight columns as that system has them (`--rows 10000000` for more): padded texts, whole numbers in numerics,
Julian dates, amounts with an implied decimal point. In each round psql copies the table as it is, our step copies it as it is, and
our step copies it by the rules, each into a new table. What the rules made is compared with the numbers that the rows were made of.
Exits 1 where a copy failed or isn't exact.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from copydata import Place
from overhead import mode_environment
from servers import find, postgresql

HERE = Path(__file__).parent
MADE = """
CREATE TABLE "F0911" AS SELECT
  n::numeric(18,0) AS "GLDOC", (124001 + n % 300)::numeric(6,0) AS "GLDGJ", (7 * n)::numeric(15,0) AS "GLAA",
  (n % 100)::numeric(15,2) AS "GLU", rpad('Name ' || n, 40)::char(40) AS "GLEXA", 'x' || n || '   ' AS "GLEXR",
  (n % 97)::numeric(8,0) AS "GLAN8", rpad(md5(n::text), 40)::char(40) AS "GLANI"
FROM generate_series(1, :rows) n
"""
RULES = {"type_coercion": "jde", "decimals": {"GLAA": 2}, "julian_dates": ["GLDGJ"]}
# True of every row after the rules; `gldoc` is the number that all else was made of.
RIGHT = """
gldgj = date '2024-01-01' + (gldoc % 300)::int AND glaa = 7 * gldoc / 100.0 AND glu = gldoc % 100
AND glexa = 'Name ' || gldoc AND glexr = 'x' || gldoc AND glan8 = gldoc % 97 AND glani = md5(gldoc::text)
"""


@dataclass
class Seen:
    """A figure a round."""

    name: str
    seconds: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    peak_mb: float = 0


def main() -> None:
    """Make the rows, measure, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table (default 1,000,000)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nomaflow-bench-") as name, postgresql(Path(name)) as url:
        psql = find("psql", "usr/lib/postgresql/*/bin")
        if url is None or psql is None:
            print("not measured: install PostgreSQL with psql for it")
            return
        place = Place("postgresql", url)
        place.ask(MADE.replace(":rows", str(options.rows)))
        place.ask('ALTER TABLE "F0911" ADD PRIMARY KEY ("GLDOC"); CREATE TABLE piped (LIKE "F0911" INCLUDING ALL)')
        environment = mode_environment(Path(name) / "home")
        seen = {key: Seen(words) for key, words in NAMES.items()}
        for _ in range(options.rounds):
            place.ask("TRUNCATE piped; DROP TABLE IF EXISTS plain, f0911")
            limit = _time(place, seen["psql"], _piped(psql, url), environment)
            _time(place, seen["plain"], _ours(url, "plain", {}), environment, limit)
            _time(place, seen["jde"], _ours(url, "f0911", RULES), environment, limit)
        wrong = place.ask(f"SELECT count(*) FILTER (WHERE ({RIGHT}) IS TRUE) FROM f0911")[0][0] != options.rows
    _print(options, list(seen.values()), wrong)
    raise SystemExit(1 if wrong else 0)


NAMES = {"psql": "psql COPY binary | psql COPY, as they are", "plain": "ours, as they are", "jde": "ours, by the rules"}


def _piped(psql: str, url: str) -> list[list[str]]:
    def command(sql: str) -> list[str]:
        return [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, url]

    return [
        command('COPY "F0911" TO STDOUT (FORMAT binary)'),
        command("COPY piped FROM STDIN (FORMAT binary)"),
    ]


def _ours(url: str, into: str, rules: dict[str, Any]) -> list[list[str]]:
    ends = [url, url, "F0911", into, "append"]
    return [[sys.executable, str(HERE / "copyours.py"), *ends, json.dumps(rules)]]


def _time(
    place: Place, seen: Seen, commands: list[list[str]], environment: dict[str, str], limit: float | None = None
) -> float:
    place.settle()
    done = subprocess.run(
        [sys.executable, str(HERE / "timed.py"), json.dumps(commands)], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{seen.name} failed: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    said = json.loads(found["output"]) if found["output"].startswith("{") else {}
    seconds = float(said.get("seconds", found["seconds"]))
    seen.seconds.append(seconds)
    seen.shares += [limit / seconds] if limit else []
    seen.peak_mb = max(seen.peak_mb, found["peak_mb"])
    return seconds


def _print(options: argparse.Namespace, contenders: list[Seen], wrong: bool) -> None:
    load = ", ".join(f"{figure:.1f}" for figure in os.getloadavg())
    print(f"{options.rows:,} rows, {options.rounds} rounds, {os.cpu_count()} cores, load after {load}\n")
    print(f"{'rows/s':>9} {'share':>6} {'(lowest-highest)':>16} {'peak MB':>8}  contender")
    for seen in contenders:
        share = f"{statistics.median(seen.shares):6.2f}" if seen.shares else f"{'':6}"
        span = f"({min(seen.shares):.2f}-{max(seen.shares):.2f})" if seen.shares else ""
        rate = options.rows / statistics.median(seen.seconds)
        print(f"{rate:9,.0f} {share} {span:>16} {seen.peak_mb:8.0f}  {seen.name}")
    print("\nthe rules made something else of some rows" if wrong else "\nevery row is what the rules make of it")


if __name__ == "__main__":
    main()
