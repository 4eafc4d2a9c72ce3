"""`make bench-jde`: a copy with the jde rules beside the same table piped from psql to psql without any, in the same run.

1,000,000 rows of eight columns as that system has them (`--rows 10000000` for more): padded texts, whole numbers in numerics,
Julian dates, amounts with an implied decimal point. In each round psql copies the table as it is, our step copies it as it is, and
our step copies it by the rules, each into a new table; ours also from MariaDB and SQLite, which hold the same rows. What the rules
made is compared with the numbers that the rows were made of. Exits 1 where a copy failed or isn't exact.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from copydata import Place
from overhead import mode_environment
from servers import find, mariadb, postgresql

HERE = Path(__file__).parent
MADE = """
CREATE TABLE "F0911" AS SELECT
  n::numeric(18,0) AS "GLDOC", (124001 + n % 300)::numeric(6,0) AS "GLDGJ", (7 * n)::numeric(15,0) AS "GLAA",
  (n % 100)::numeric(15,2) AS "GLU", rpad('Name ' || n, 40)::char(40) AS "GLEXA", 'x' || n || '   ' AS "GLEXR",
  (n % 97)::numeric(8,0) AS "GLAN8", rpad(md5(n::text), 40)::char(40) AS "GLANI"
FROM generate_series(1, :rows) n
"""
# What the step would make of the numbers in SQLite are texts.
NAMED = (
    "GLDOC {0}(18,0) PRIMARY KEY, GLDGJ {0}(6,0), GLAA {0}(15,0), GLU {0}(15,2), GLEXA char(40), GLEXR varchar(40), "
    "GLAN8 {0}(8,0), GLANI char(40)"
)
TABLE = {
    "mariadb": f"CREATE TABLE F0911 ({NAMED.format('decimal')})",
    "sqlite": f"CREATE TABLE F0911 ({NAMED.format('numeric')})",
}
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
    with tempfile.TemporaryDirectory(prefix="nomaflow-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        url, psql = stack.enter_context(postgresql(folder)), find("psql", "usr/lib/postgresql/*/bin")
        if url is None or psql is None:
            print("not measured: install PostgreSQL with psql for it")
            return
        place = Place("postgresql", url)
        place.ask(MADE.replace(":rows", str(options.rows)))
        place.ask('ALTER TABLE "F0911" ADD PRIMARY KEY ("GLDOC"); CREATE TABLE piped (LIKE "F0911" INCLUDING ALL)')
        environment = mode_environment(folder / "home")
        others = {"mariadb": stack.enter_context(mariadb(folder)), "sqlite": f"sqlite:///{folder}/source.db"}
        sources = {"postgresql": url, **{product: at for product, at in others.items() if at}}
        for product in list(sources)[1:]:
            Place(product, sources[product]).ask(TABLE[product])
            _time(place, Seen(f"filling {product}"), _ours(url, sources[product], "F0911", {}), environment)
        bench = Bench(place, sources, environment, options.rows)
        for _ in range(options.rounds):
            bench.round(_piped(psql, url))
    _print(options, list(bench.seen.values()), bench.wrong)
    raise SystemExit(1 if bench.wrong else 0)


class Bench:
    """The same rows in each source, copied into new tables of one PostgreSQL."""

    def __init__(self, place: Place, sources: dict[str, str], environment: dict[str, str], rows: int) -> None:
        self.place, self.sources, self.environment, self.rows = place, sources, environment, rows
        self.seen = {"psql": Seen("psql COPY binary | psql COPY, as they are")}
        for product in sources:
            self.seen[f"{product} plain"] = Seen(f"ours from {product}, as they are")
            self.seen[f"{product} jde"] = Seen(f"ours from {product}, by the rules")
        self.wrong = False

    def round(self, piped: list[list[str]]) -> None:
        """psql, then ours from every source without and with the rules."""
        self.place.ask("TRUNCATE piped")
        limit = _time(self.place, self.seen["psql"], piped, self.environment)
        for product, url in self.sources.items():
            self.place.ask("DROP TABLE IF EXISTS plain, f0911")
            for into, rules, key in (("plain", {}, "plain"), ("f0911", RULES, "jde")):
                commands = _ours(url, self.place.url, into, rules)
                _time(self.place, self.seen[f"{product} {key}"], commands, self.environment, limit)
            good = self.place.ask(f"SELECT count(*) FILTER (WHERE ({RIGHT}) IS TRUE) FROM f0911")[0][0]
            self.wrong = self.wrong or good != self.rows


def _piped(psql: str, url: str) -> list[list[str]]:
    def command(sql: str) -> list[str]:
        return [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, url]

    return [
        command('COPY "F0911" TO STDOUT (FORMAT binary)'),
        command("COPY piped FROM STDIN (FORMAT binary)"),
    ]


def _ours(source: str, target: str, into: str, rules: dict[str, Any]) -> list[list[str]]:
    ends = [source, target, "F0911", into, "append"]
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
