"""`make bench-copy`: the copy step beside the fastest pipeline of the databases' own tools, in turn, in the same run.

200,000 rows of twelve mixed columns (`--rows 1000000` for more) into a table with its primary key. In each round the limit loads an
empty table, our step overwrites what the limit left, appends to an empty table, and upserts all rows over what it appended, a tenth
of them changed before; Sling and DuckDB follow where they're installed. What arrives in the first round is compared. A share is the
median of the rounds' ratios to the limit of the same round; absolute figures drift. Exits 1 where a copy of ours failed or isn't
exact. (Not named copy.py, which would hide Python's own `copy` from everything in this folder.)
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from copydata import Place, compare, fill, write_file
from copylimits import Pipeline, duckdb, limit, limit_name, sling
from overhead import mode_environment
from servers import mariadb, postgresql

HERE = Path(__file__).parent
PAIRS = (
    ("postgresql", "postgresql"),
    ("sqlite", "postgresql"),
    ("mariadb", "postgresql"),
    ("postgresql", "mariadb"),
    ("postgresql", "sqlite"),
    ("sqlite", "sqlite"),
    ("sqlite", "mariadb"),
    ("mariadb", "sqlite"),
    ("mariadb", "mariadb"),
)
SECOND = "a second mariadb"
MODES = ("overwrite", "append", "upsert")
PEERS: dict[str, Callable[..., Pipeline | None]] = {"sling": sling, "duckdb": duckdb}
SOURCE, TARGET, PEER = "goods", "items", "peer_items"
# What our step's log says in every copy; the rest is about the way that it took.
EVERYDAY = re.compile(r"copied |publishing |written as UTC|[\d,]+ rows in ")
COLOUR = re.compile(r"\x1b\[[\d;]*m")


@dataclass
class Seen:
    """One contender of a pair: a figure a round, and what its first round left in the table."""

    name: str
    seconds: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    peak_mb: float = 0
    before_mb: float = 0
    result: str = ""
    lines: list[str] = field(default_factory=list)


def main() -> None:
    """Make the rows, measure pair by pair, print."""
    options = _options()
    # Stopped, it stops its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="nomaflow-bench-") as name:
        folder = Path(name)
        write_file(folder / "rows.tsv", options.seed, options.rows)
        pairs = [pair for pair in PAIRS if options.pairs in " -> ".join(pair)]
        with ExitStack() as stack:
            urls: dict[str, str | None] = {"sqlite": f"sqlite:///{folder}"}
            for product, server in (("postgresql", postgresql), ("mariadb", mariadb)):
                if any(product in pair for pair in pairs):
                    urls[product] = stack.enter_context(server(folder))
            # One MariaDB would copy inside itself.
            if ("mariadb", "mariadb") in pairs:
                (folder / "second").mkdir()
                urls[SECOND] = stack.enter_context(mariadb(folder / "second"))
            print_head(options)
            bench = Bench(options, folder, urls)
            good = [bench.pair(*pair) for pair in pairs]
    raise SystemExit(0 if all(good) else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the table (default 200,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds per pair (default 3)")
    parser.add_argument("--seed", type=int, default=1, help="other rows of the same shape (default 1)")
    parser.add_argument("--pairs", default="", help="only pairs with this in their name, such as '-> sqlite'")
    parser.add_argument("--modes", default=",".join(MODES), help=f"of {', '.join(MODES)} (default all)")
    parser.add_argument("--no-peers", action="store_true", help="leave Sling and DuckDB out")
    return parser.parse_args()


class Bench:
    """Places that are filled once, and the rounds over them."""

    def __init__(self, options: argparse.Namespace, folder: Path, urls: dict[str, str | None]) -> None:
        self.options, self.folder, self.urls = options, folder, urls
        self.file = folder / "rows.tsv"
        self.modes = [mode for mode in MODES if mode in options.modes.split(",")]
        self.sources: dict[str, Place] = {}
        self.environment = {
            **mode_environment(folder / "home"),
            "SLING_HOME_DIR": str(folder / "sling"),
            "SLING_DISABLE_TELEMETRY": "true",
        }

    def pair(self, product: str, target_product: str) -> bool:
        """Measure and print one pair; whether every copy of ours was exact."""
        if not self.urls[product] or not self.urls[target_product]:
            print(f"{product} -> {target_product}: not measured; install {product} and {target_product} for it")
            return True
        server = SECOND if product == target_product == "mariadb" else target_product
        source, target = self._source(product), self._place(target_product, "target", server)
        seen = {"limit": Seen(limit_name(source, target))}
        seen |= {mode: Seen(f"ours, {mode}") for mode in self.modes}
        seen |= {} if self.options.no_peers else {peer: Seen(peer) for peer in PEERS}
        for _ in range(self.options.rounds):
            self._round(source, target, seen)
        print_pair(f"{product} -> {target_product}", list(seen.values()), self.options.rows)
        return all(seen[mode].result.startswith("exact") for mode in self.modes)

    def _source(self, product: str) -> Place:
        if product not in self.sources:
            place = self.sources[product] = self._place(product, "source")
            self._fill(place, SOURCE)
        return self.sources[product]

    def _place(self, product: str, name: str, server: str = "") -> Place:
        """An empty database of that name; the one that it has been before keeps nothing."""
        if product == "sqlite":
            path = self.folder / f"{name}.db"
            path.unlink(missing_ok=True)
            return Place(product, f"sqlite:///{path}")
        first = Place(product, str(self.urls[server or product]))
        first.ask(f"DROP DATABASE IF EXISTS {name}")
        first.ask(f"CREATE DATABASE {name}" + (" CHARACTER SET utf8mb4" if product == "mariadb" else ""))
        return Place(product, f"{first.url.rsplit('/', 1)[0]}/{name}")

    def _round(self, source: Place, target: Place, seen: dict[str, Seen]) -> None:
        target.make(TARGET)
        commands = limit(source, target, SOURCE, TARGET, self.file)
        seconds = self._time(source, target, seen["limit"], commands, TARGET)
        if seconds is None:
            self._fill(target, TARGET)
        for mode in self.modes:
            self._prepare(target, mode)
            self._time(source, target, seen[mode], self._ours(source, target, mode), TARGET, seconds)
        for peer in PEERS:
            if peer in seen and not seen[peer].result.startswith(("not installed", "failed")):
                target.make(PEER)
                commands = PEERS[peer](source, target, SOURCE, PEER)
                self._time(source, target, seen[peer], commands, PEER, seconds)
                target.ask(f"DROP TABLE IF EXISTS {PEER}")

    def _prepare(self, target: Place, mode: str) -> None:
        """Bring the target into the state that a mode begins with; overwrite takes what the limit has left."""
        if mode == "append":
            target.make(TARGET)
        elif mode == "upsert":
            if "append" not in self.modes:
                self._fill(target, TARGET)
            target.ask(f"UPDATE {TARGET} SET quantity = -1 WHERE id % 10 = 0")

    def _fill(self, place: Place, table: str) -> None:
        fill(place, table, self.file, self.options.seed, self.options.rows)

    def _ours(self, source: Place, target: Place, mode: str) -> Pipeline:
        return [[sys.executable, str(HERE / "copyours.py"), source.url, target.url, SOURCE, TARGET, mode]]

    def _time(
        self, source: Place, target: Place, seen: Seen, commands: Pipeline | None, into: str, limit: float | None = None
    ) -> float | None:
        """Run one contender and note what was seen; its seconds, None where it isn't installed or failed."""
        if commands is None:
            seen.result = "not installed"
            return None
        source.settle(), target.settle()
        done = subprocess.run(
            [sys.executable, str(HERE / "timed.py"), json.dumps(commands)],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            seen.result = _failure(done.stderr)
            return None
        found = json.loads(done.stdout)
        said: dict[str, Any] = json.loads(found["output"]) if found["output"].startswith("{") else {}
        seconds: float = said.get("seconds", found["seconds"])
        seen.seconds.append(seconds)
        seen.shares += [limit / seconds] if limit else []
        seen.peak_mb = max(seen.peak_mb, found["peak_mb"])
        seen.lines = [line for line in said.get("lines", []) if not EVERYDAY.match(line)]
        seen.before_mb = said.get("before_mb", 0)
        seen.result = seen.result or self._compared(source, target, into)
        return seconds

    def _compared(self, source: Place, target: Place, into: str) -> str:
        try:
            return compare(source, target, SOURCE, into)
        except Exception as error:  # a peer has made the table of types that can't be asked the same
            return f"not comparable: {str(error).splitlines()[0]}"


def _failure(stderr: str) -> str:
    last = (COLOUR.sub("", stderr).strip().splitlines() or ["no message"])[-1]
    return last if last.startswith("not installed") else f"failed: {last[:160]}"


def print_head(options: argparse.Namespace) -> None:
    """What was asked for, and how busy the machine is before anything is measured."""
    load = ", ".join(f"{figure:.1f}" for figure in os.getloadavg())
    print(f"{options.rows:,} rows, {options.rounds} rounds, {os.cpu_count()} cores, load before {load}\n")
    print(f"{'rows/s':>9} {'share':>6} {'(lowest-highest)':>16} {'peak MB':>8}  contender: what arrived")


def print_pair(name: str, contenders: list[Seen], rows: int) -> None:
    """A line a contender, and what our step's log said about its way."""
    print(f"\n{name}")
    for seen in contenders:
        if not seen.seconds:
            print(f"{'':42}  {seen.name}: {seen.result}")
            continue
        share = f"{statistics.median(seen.shares):6.2f}" if seen.shares else f"{'':6}"
        span = f"({min(seen.shares):.2f}-{max(seen.shares):.2f})" if seen.shares else ""
        rate = rows / statistics.median(seen.seconds)
        held = f" ({seen.before_mb:.0f} MB before it began)" if seen.before_mb else ""
        print(f"{rate:9,.0f} {share} {span:>16} {seen.peak_mb:8.0f}  {seen.name}: {seen.result}{held}", flush=True)
    for line in dict.fromkeys(line for seen in contenders for line in seen.lines):
        print(f"{'':42}  our log: {line}", flush=True)


if __name__ == "__main__":
    main()
