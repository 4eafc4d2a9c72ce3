"""Schedules in words: one for each idiom, and none that says the same of two different schedules."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.cron import BadCron, Cron
from jobs.cronfields import MONTH_LENGTHS, dates_of_month

WORDS = """
0 2 * * *                | every day at 02:00
30 2 * * * 15            | every day at 02:30:15
0 0,12 * * *             | every day at 00:00 and 12:00
0 */12 * * *             | every day at 00:00 and 12:00
0,30 8-10 * * *          | every day at 08:00, 08:30, 09:00, 09:30, 10:00 and 10:30
@daily                   | every day at 00:00
* * * * * *              | every second
* * * * * */20           | every 20 seconds
* * * * * 15             | every minute at second 15
* * * * * 0,20           | at seconds 0 and 20 of every minute
*/20 * * * * *           | every second of minutes 0, 20 and 40 of every hour
* * * * *                | every minute
*/5 * * * *              | every 5 minutes
0-59/5 * * * *           | every 5 minutes
0,15,30,45 * * * *       | every 15 minutes
*/30 * * * *             | every 30 minutes
*/7 * * * *              | every hour at minutes 0 to 56 in steps of 7
*/25 * * * *             | every hour at minutes 0, 25 and 50
5,20 * * * *             | every hour at minutes 5 and 20
5-59/5 * * * *           | every hour at minutes 5 to 55 in steps of 5
2-59/5 * * * *           | every 5 minutes from 00:02 to 23:57
0-59/5 0-23 * * *        | every 5 minutes from 00:00 to 23:55
15 * * * *               | every hour at minute 15
15 * * * * 30            | every hour at minute 15, second 30
@hourly                  | every hour at minute 0
0 0-23 * * *             | every hour from 00:00 to 23:00
0 */2 * * *              | every 2 hours from 00:00 to 22:00
5 1-23/2 * * *           | every 2 hours from 01:05 to 23:05
0 8-17 * * *             | every hour from 08:00 to 17:00
*/15 8-17 * * *          | every 15 minutes from 08:00 to 17:45
* 22 * * *               | every minute from 22:00 to 22:59
*/10 */2 * * *           | every 10 minutes in the hours 0 to 22 in steps of 2
*/10 8,10,12 * * *       | every 10 minutes in the hours 8, 10 and 12
0 8-12,14-18 * * *       | at minute 0 in the hours 8 to 12 and 14 to 18
0-9 8,20 * * *           | at minutes 0 to 9 in the hours 8 and 20
5 8-20 * * * */20        | every 20 seconds of minute 5 in the hours 8 to 20
*/10 2,4 * * * 0,7       | at seconds 0 and 7 of minutes 0, 10, 20, 30, 40 and 50 in the hours 2 and 4
30 9 * * 1               | every Monday at 09:30
30 9 * * MON,THU         | every Monday and Thursday at 09:30
0 9 * * MON-FRI          | every day from Monday to Friday at 09:00
0 9 * * 6,0              | every Saturday and Sunday at 09:00
0 9 * * FRI-SUN          | every day from Friday to Sunday at 09:00
0 9 * * */2              | every Tuesday, Thursday, Saturday and Sunday at 09:00
@weekly                  | every Sunday at 00:00
*/15 8-17 * * 1-5        | every 15 minutes from 08:00 to 17:45 on every day from Monday to Friday
*/5 * * * SUN            | every 5 minutes on every Sunday
0 9 * 1 MON              | every Monday in January at 09:00
0 0 1 * *                | on the 1st of every month at 00:00
0 0 2,3,11,22 * *        | on the 2nd, the 3rd, the 11th and the 22nd of every month at 00:00
0 0 1-7 * *              | every day from the 1st to the 7th of every month at 00:00
0 0 1,15,20-25 * *       | on the 1st, the 15th and the 20th to the 25th of every month at 00:00
0 0 */2 * *              | every 2 days from the 1st to the 31st of every month at 00:00
0 0 31 * *               | on the 31st of every month, where it exists, at 00:00
0 0 30,31 * *            | on the 30th and the 31st of every month, where they exist, at 00:00
0 0 31 1,3 *             | on the 31st of January and March at 00:00
0 0 29 2 *               | on the 29th of February, where it exists, at 00:00
0 0 29-31 2 *            | on the 29th of February, where it exists, at 00:00
*/5 * 31 * *             | every 5 minutes on the 31st of every month, where it exists
@yearly                  | on the 1st of January at 00:00
0 12 1 1,7 *             | on the 1st of January and July at 12:00
0 12 1 4-9 *             | on the 1st of every month from April to September at 12:00
0 12 * 1,7 *             | every day in January and July at 12:00
*/5 * * 1 *              | every 5 minutes on every day in January
0 0 L * *                | on the last day of every month at 00:00
0 0 15,L * *             | on the 15th and the last day of every month at 00:00
0 0 L 2 *                | on the last day of February at 00:00
0 0 * * FRI#3            | on the third Friday of every month at 00:00
0 0 * * FRI#5            | on the fifth Friday of every month, where it exists, at 00:00
0 0 * * FRIL             | on the last Friday of every month at 00:00
0 0 * 3,6 MON#1,WED#3    | on the first Monday and the third Wednesday of March and June at 00:00
0 0 * * MON,FRI#3        | on every day that is a Monday or the third Friday of the month at 00:00
0 0 13 * FRI             | on every day whose date is 13, or that is a Friday, at 00:00
0 0 L 4 FRI#2            | on every day in April whose date is the month's last, or that is the second Friday of the month, at 00:00
0 0 */2 * 1              | on every day whose date is 1 to 31 in steps of 2, and that is a Monday, at 00:00
*/5 * L * SAT,SUN        | every 5 minutes on every day whose date is the month's last, or that is a Saturday or a Sunday
0 0 13 * 0-6             | every day at 00:00
"""
EITHER = "Both day fields are set: it fires on days that match either one."


@pytest.mark.parametrize("line", WORDS.strip().splitlines())
def test_in_plain_english(line):
    expression, words = line.split("|")
    assert Cron(expression).words == words.strip()


@pytest.mark.parametrize(
    ("expression", "note"),
    [
        ("0 0 13 * FRI", EITHER),
        ("0 0 L * FRI#1", EITHER),
        ("0 0 13 * 0-6", EITHER),
        ("0 0 */2 * 1", "Both day fields are set; day of month (*/2) begins with a star, so both must match."),
        ("0 0 1-7 * */7", "Both day fields are set; day of week (*/7) begins with a star, so both must match."),
        ("0 0 */1 * FRI", ""),
        ("0 0 * * FRI", ""),
        ("0 0 13 * *", ""),
        ("@daily", ""),
    ],
)
def test_the_note_tells_how_two_day_fields_go_together(expression, note):
    assert Cron(expression).note == note


def field(low, high, *more):
    number = st.integers(low, high)
    pairs = st.tuples(number, number).map(sorted)
    steps = st.tuples(pairs, st.integers(1, max(high // 2, 1)))
    terms = [number.map(str), pairs.map("{0[0]}-{0[1]}".format), steps.map("{0[0][0]}-{0[0][1]}/{0[1]}".format)]
    term = st.one_of(*terms, *([st.sampled_from(more)] if more else []))
    stars = st.sampled_from(["*", "*", "*", "*/2", "*/3", f"*/{(high + 1) // 2}"])
    return stars | st.lists(term, min_size=1, max_size=3).map(",".join)


WEEKDAYS = field(0, 7, "FRI#3", "MON#1", "SUN#5", "FRIL", "5L", "MON-FRI")
FIELDS = (field(0, 59), field(0, 23), field(1, 31, "L"), field(1, 12), WEEKDAYS)
SHORT, LONG = st.tuples(*FIELDS).map(" ".join), st.tuples(*FIELDS, field(0, 59)).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(SHORT | LONG)
def test_every_expression_has_words(expression):
    try:
        cron = Cron(expression)
    except BadCron:
        return  # two day fields that never meet
    assert cron.words.strip(" ,")
    assert cron.words.isascii()


TIMES = [
    "*",
    "*/2",
    "*/5",
    "*/7",
    "*/20",
    "0",
    "5",
    "0,30",
    "0,20,40",
    "1-59/2",
    "0-10",
    "0-59",
    "8-17",
    "8,17",
    "0-20/10",
]
HOURS = [
    "*",
    "*/2",
    "*/5",
    "*/12",
    "0",
    "8",
    "0,12",
    "8-17",
    "8-12,14-18",
    "0-23",
    "1-23/2",
    "0-22/2",
    "22,23",
    "0-10/5",
]
DATES = [
    "*",
    "*/2",
    "*/15",
    "1",
    "13",
    "31",
    "L",
    "1,L",
    "1-7",
    "1,3-5",
    "1-31",
    "29,30",
    "1-29/7",
    "28-31",
    "30,31",
    "1-31/2",
]
MONTHS = ["*", "*", "2", "1,2", "4-9", "4,6", "1,3,5", "2-4", "*/3"]
DAYS = [
    "*",
    "*",
    "*/2",
    "MON",
    "1,3",
    "1-5",
    "0-6",
    "5,6,0",
    "FRI#3",
    "FRI#5",
    "FRIL",
    "FRI#1,MON#2",
    "MON,FRIL",
    "SUN",
    "*/7",
]


def meaning(cron):
    """The readings at which it fires, whatever the spelling; elapsed or not, as that tells in the night of a clock change."""
    fields = cron.fields
    kinds = [(m, length) for m in fields.months for length in ((28, 29) if m == 2 else (MONTH_LENGTHS[m - 1],))]
    days = {(*kind, first): dates_of_month(fields.days, first, kind[1]) for kind in kinds for first in range(7)}
    return fields.seconds, fields.minutes, fields.hours, {kind: dates for kind, dates in days.items() if dates}


def test_the_same_words_never_stand_for_different_times():
    dice, meanings = random.Random("words"), {}
    for _ in range(6000):
        fields = [dice.choice(choices) for choices in (TIMES, HOURS, DATES, MONTHS, DAYS)]
        expression = " ".join(fields + dice.choice([[], [], [dice.choice(TIMES)]]))
        try:
            cron = Cron(expression)
        except BadCron:
            continue
        known = meanings.setdefault(cron.words, (expression, meaning(cron)))
        assert known[1] == meaning(cron), (cron.words, known[0], expression)
