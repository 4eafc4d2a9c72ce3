"""Every fire around every clock change from 2024 to 2037, judged by cronsim, an independent implementation of Debian's rules.

`make test` runs a slice in which every zone and every expression occurs; NOMAFLOW_CRON_ORACLE=all runs the whole product.
Where cronsim is no judge (see `judge`), a scan of the wall clock minute by minute is; our own code never is.
"""

import os
import random
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from jobs.cron import Cron

ZONES = [
    *("Europe/Paris", "Europe/London", "America/New_York", "America/St_Johns", "America/Santiago", "America/Sao_Paulo"),
    *("Africa/Casablanca", "Africa/Cairo", "Asia/Kathmandu", "Asia/Tehran", "Australia/Lord_Howe", "Pacific/Auckland"),
    *("Pacific/Chatham", "Pacific/Apia", "Antarctica/Troll", "UTC"),
]
STARS_SCANNED = ("Australia/Lord_Howe", "Pacific/Chatham", "Africa/Cairo", "America/Santiago")
BY_HAND = """0 2 * * *|30 2 * * *|30 1 * * *|0 1 * * *|0,30 1,2 * * *|15 0 * * *|0 0 * * *|30 23 * * *|0 3 * * *|59 1 * * *
30 2 * * 0|30 1 * * SUN|0 2,3 * * *|10-50/20 1-3 * * *|0 12 * * MON-FRI|5 4 * * 7|0 1-5 * * *|0-59/15 1 * * *|0 0-23 * * *
0 6 * * 1-5/2|3/20 5 * * *|7 3/4 * * *|1,2,3 2 * * *|0 2-4 * 3,10,11 *|0 0 * * 6,0|45 1 * * *|0-59/10 0-4 * * *|45 2 * * *
0-59 2 * * *|0-59 0,1,2 * * *|5-59/5 1-3 * * *|0 0 * * FRI-SUN|0 22-23 * * SAT,SUN|15,45 0-3 * * 6-7|0 0,1 * MAR-APR SUN
@daily|@midnight|@weekly|@monthly|@yearly|@annually|@hourly|0 0 1 * *|0 0 31 * *|0 0 29 2 *|0 0 30 1-12 *|45 23 31 12 *
0 0 L * *|30 2 L * *|0 0 15,L * *|59 23 L * *|0 0 L 2 *|0 1 1,L 2,3,10 *|0 12 L */2 *|0 0 L,28-30 * *|0 0 1-7,L * *
0 0 * * FRI#3|0 2 * * SUN#2|30 1 * * SUN#1|30 2 * * 0#5|0 0 * * 7#5|0 9 * * MON#1,WED#3|0 9 * * 1,FRI#3|0 2 * 3,11 SUN#1,SUN#2
0 0 * * 5L|30 2 * * SUNL|30 1 * * 0L|0 1 * * 7L|0 8 * * MON#1,FRIL|15 2 * 3,10 SUNL|0 0 * * THUL|0 0 * 4,10 THUL,FRIL
0 0 1,15 * MON|0 0 13 * 5|20 2 25-31 * 0|0 0 13 * FRI#2|0 0 L * FRI|0 0 L * SUNL|0 1 31 * SUN#1|30 2 25-31 3,10 SUNL
0 0 */2 * *|0 0 */2 * 1|20 2 25-31 * */7|30 2 */7 * SUN|0 0 */3 * MON#1|0 0 L * */2|0 1 1-7 * */6|0 0 */5 * SUNL|0 2 * * */2
30 2 25-31 3 *|0 0 1 1 * 5|30 2 * * * 15|30 2 * * * */20|0 1-3 * * * 0,30|30 1 * * SUN 59|0 0 L * * 59|0 0 * * SUNL 1-59/29
*/5 * * * *|*/30 * * * *|0 * * * *|30 * * * *|* * * * *|*/7 * * * *|*/30 2 * * *|* 2 * * *|* 1 * * *|* 0 * * *|1 * * * SUN
0 */2 * * *|0 */3 * * *|15 */1 * * *|*/15 1-2 * * *|0 0 * JAN-MAR *|*/20 0-3 * * SUN|*/45 * * * *|* */6 * * *|*/59 * * * *
59 * 1 * *|0 * * * 1-5|*/10 2-3 * * *|5 */4 * 3,10 *|*/5 8-17 * * 1-5|*/5 0-23 * * *|0 */12 * * *|30 */23 * * *|*,5 3 * * *
0 * L * *|*/15 * * * SUNL|*/20 1-3 * * SUN#1,SUN#2|0 */2 L * FRI|*/10 * */2 * SUN|30 * 25-31 * 0|0 * 1 * SUN#5|* * L 3,10 *
* * * * * 0,30|*/10 * * * * 7|0 */2 * * * 30|15 * * * * 59|* 2 * * * */20|*/30 * L * * 1|* * * * SUNL 0|* * * * * */15"""
NAMES = {name: str(n) for n, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])}
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def by_chance(count):
    """The same expressions on each machine: lists, ranges, steps, names, L and #, both days, stars, seconds."""
    dice = random.Random("schedules that never lie")
    found = []
    while len(found) < count:
        fields = [number(dice, 0, 59), dice.choice([number(dice, 0, 3), number(dice, 0, 23)]), "*", "*", "*"]
        if dice.random() < 0.3:
            fields[dice.choice([0, 0, 1])] = dice.choice(["*", "*/5", "*/10", "*/23", "*/2"])
        days = dice.random()
        if days < 0.45:
            fields[2] = dice.choice(["L", "L,15", number(dice, 1, 28), number(dice, 1, 28), "*/2", "*/9", "25-31"])
        if days > 0.3:
            fields[4] = dice.choice([weekday(dice), weekday(dice), "0-6", "SUN", "MON-FRI", "*/2", "SUN,*/3"])
        if dice.random() < 0.25:
            fields[3] = dice.choice(["MAR,OCT", "3-4,9-11", "*/3", "JAN-JUN", "FEB/2", "2-12/2"])
        if dice.random() < 0.15:
            fields.append(number(dice, 0, 59))
        found.append(" ".join(fields))
    return found


def number(dice, low, high):
    a, b = sorted(dice.sample(range(low, high + 1), 2))
    return dice.choice(
        [str(a), str(a), f"{a},{b}", f"{a}-{b}", f"{a}-{b}/2", f"{a}/{max(b // 2, 1)}", f"{a},{b}-{high}"]
    )


def weekday(dice):
    day = dice.choice([*NAMES, "0", "7", "5"])
    return dice.choice(
        [day, f"{day}#{dice.randint(1, 5)}", f"{day}L", f"{day}#1,{day}#3", f"{day},WED#2", f"SAT,{day}L"]
    )


EXPRESSIONS = list(dict.fromkeys(BY_HAND.replace("\n", "|").split("|") + by_chance(220)))


def for_cronsim(expression):
    """The same in cronsim's spelling: seconds first, a last weekday by its number, no range that ends on Sunday."""
    parts = ALIASES.get(expression, expression).replace("FRI-SUN", "5-7").split()
    for name, day in NAMES.items():
        parts[4] = parts[4].replace(f"{name}L", f"{day}L")
    return " ".join([*parts[5:], *parts[:5]])


@cache
def clock_changes(zone):
    """The full hours after which the zone's clock is changed, 2024 to 2037."""
    hours = [datetime(2024, 1, 1, tzinfo=UTC) + n * HOUR for n in range(14 * 8766)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return [hour for hour, old, new in zip(hours, offsets, offsets[1:], strict=False) if old != new]


def windows(zone, expression):
    """A day around each clock change and a long winter with a leap day; for dense patterns some hours of each."""
    fields = CronSim(for_cronsim(expression), datetime(2024, 1, 1))
    dense = len(fields.seconds) * len(fields.minutes) * len(fields.hours) > 30 or len(expression.split()) == 6
    before, after, calm = (4 * HOUR, 5 * HOUR, 6 * HOUR) if dense else (26 * HOUR, 28 * HOUR, 75 * 24 * HOUR)
    winter = datetime(2027, 12, 25, 0, 30, tzinfo=UTC)
    return [(change - before, change + after) for change in clock_changes(zone)] + [(winter, winter + calm)]


def cronsims(expression, zone, start, end):
    fires, found = CronSim(for_cronsim(expression), start.astimezone(ZoneInfo(zone))), []
    while (fire := next(fires).astimezone(UTC)) <= end:
        found.append(fire)
    return found


@lru_cache(maxsize=64)
def walls(zone, start, end):
    """What the clock shows at every minute."""
    minutes = [start + n * MINUTE for n in range((end - start) // MINUTE + 1)]
    return [(minute, minute.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for minute in minutes]


def scanned(expression, zone, start, end):
    """Debian's rules word for word, a minute at a time; of cronsim only the reading of the fields is used."""
    fields = CronSim(for_cronsim(expression), datetime(2024, 1, 1))
    star = any(part.startswith("*") for part in ALIASES.get(expression, expression).split()[:2])

    def matches(wall):
        at = wall.minute in fields.minutes and wall.hour in fields.hours and wall.month in fields.months
        return at and fields.match_day(wall)

    found, shown = set(), walls(zone, start, end)[0][1] - MINUTE
    for minute, wall in walls(zone, start, end):
        if not star and wall - shown > MINUTE:
            found.update([minute] * any(matches(shown + n * MINUTE) for n in range(1, (wall - shown) // MINUTE)))
        if wall.minute in fields.minutes and matches(wall) and (star or wall > shown):
            found.update(minute + timedelta(seconds=second) for second in fields.seconds)
        shown = max(shown, wall)
    return sorted(fire for fire in found if start < fire <= end)


def judge(expression, zone):
    """cronsim, but for three cases in which it doesn't follow Debian's rules.

    Fixed times with seconds: "6-field expressions are not Debian cron compatible anyway", says its source, and follow
    elapsed time there; here they obey the same rules as without seconds. Stars on Lord Howe and Chatham: it walks by whole
    hours, and leaves fires out where the clock is changed by half of one, or at a quarter to one. Stars where midnight
    itself is jumped over, as in Cairo and Santiago: it begins the day at the missing 00:00 and goes on an hour later, so
    that the first hour of the day may be left out.
    """
    star = any(part.startswith("*") for part in ALIASES.get(expression, expression).split()[:2])
    if star:
        return scanned if zone in STARS_SCANNED else cronsims
    return scanned if len(expression.split()) == 6 else cronsims


def slice_for(zone):
    """All expressions, or each zone's share of them."""
    if os.environ.get("NOMAFLOW_CRON_ORACLE") == "all":
        return EXPRESSIONS
    return EXPRESSIONS[ZONES.index(zone) :: len(ZONES)]


@pytest.mark.parametrize("zone", ZONES)
def test_no_fire_is_missed_and_none_comes_twice_around_any_clock_change(zone):
    for expression in slice_for(zone):
        expected = judge(expression, zone)
        for start, end in windows(zone, expression):
            fires = Cron(expression, zone).between(start, end, 1_000_000)
            assert fires == expected(expression, zone, start, end), (expression, start)


@pytest.mark.parametrize("zone", ZONES)
def test_the_scan_and_cronsim_agree_where_both_may_judge(zone):
    for expression in random.Random(zone).sample(EXPRESSIONS, 8):
        if judge(expression, zone) is cronsims:
            for start, end in windows(zone, expression)[:4:2]:
                assert scanned(expression, zone, start, end) == cronsims(expression, zone, start, end), (
                    expression,
                    start,
                )


@pytest.mark.parametrize("zone", ZONES)
def test_walking_on_walking_back_and_folding_meet_the_same_fires(zone):
    for expression in random.Random(zone).sample(EXPRESSIONS, 12):
        cron = Cron(expression, zone)
        for start, end in windows(zone, expression)[:-1:3]:
            fires = cron.between(start, end, 1_000_000)
            assert walked(cron.next, start, lambda fire, end=end: fire <= end) == fires, (expression, start)
            back = walked(cron.previous, end + SECOND, lambda fire, start=start: fire > start)
            assert back[::-1] == fires, (expression, start)
            assert unfolded(cron.stretches(start, end), fires) == fires, (expression, start)


def walked(step, at, inside):
    found = []
    while inside(at := step(at)):
        found.append(at)
    return found


def unfolded(stretches, fires):
    """The fires that the stretches stand for: as many as they count, if their ends are right."""
    found = []
    for stretch in stretches:
        part = fires[len(found) : len(found) + stretch.count]
        assert (part[0], part[-1]) == (stretch.first, stretch.last)
        found += part
    return found
