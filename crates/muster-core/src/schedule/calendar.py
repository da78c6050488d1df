"""Slots of schedules by brute force, from Python's own calendar and zoneinfo.

In: {"zones": [...], "spans": [[first year, last year], ...], "long": [rule, ...], "near": [rule, ...]}, rules in the wire
form with numbers only in cron expressions. Out: [{"zone", "rule", "from", "to", "slots"}, ...], Unix seconds.

`long` rules are followed over whole spans on a grid of 15 minutes, `near` rules minute by minute around each change of the
clock. On a grid, a wall time runs at the first point that shows it or a later one: that is once, whatever the clock does.
"""
import bisect, calendar, json, sys
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

DAY = 86400
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Grid:
    def __init__(self, zone, begin, end, step):
        self.points = range(begin, end, step)
        self.walls = [datetime.fromtimestamp(u, zone).replace(tzinfo=None) for u in self.points]
        self.shown = []
        latest = datetime.min
        for wall in self.walls:
            latest = max(latest, wall)
            self.shown.append(latest)

    def first(self, wall):
        index = bisect.bisect_left(self.shown, wall)
        return self.points[index] if index < len(self.points) else None

    def days(self):
        day, last = min(self.walls).date(), max(self.walls).date()
        while day <= last:
            yield day
            day += timedelta(days=1)


def numbers(field, low, high):
    found = set()
    for part in field.split(","):
        part, _, step = part.partition("/")
        first, last = (low, high) if part == "*" else [int(n) for n in (part.split("-") * 2)[:2]]
        found.update(range(first, last + 1, int(step or 1)))
    return found


def cron(rule, grid):
    minute, hour, day, month, weekday = rule["expression"].split()
    minutes, hours, months = numbers(minute, 0, 59), numbers(hour, 0, 23), numbers(month, 1, 12)
    days, weekdays = numbers(day, 1, 31), {n % 7 for n in numbers(weekday, 0, 7)}

    def fits(d):
        by_day, by_weekday = d.day in days, d.isoweekday() % 7 in weekdays
        either = (by_day or by_weekday) if day != "*" and weekday != "*" else (by_day and by_weekday)
        return d.month in months and either

    if "*" in hour:
        pairs = zip(grid.points, grid.walls)
        return {u for u, w in pairs if w.minute in minutes and w.hour in hours and fits(w.date())}
    walls = [datetime(d.year, d.month, d.day, h, m) for d in grid.days() if fits(d) for h in hours for m in minutes]
    return {grid.first(wall) for wall in walls}


def recurring(rule, grid, zone):
    every, unit = rule["every"], rule["unit"]
    start = datetime.fromisoformat(rule["start"]) if "start" in rule else None
    if unit in ("minutes", "hours"):
        step = every * (60 if unit == "minutes" else 3600)
        anchor = int(start.replace(tzinfo=zone).timestamp()) if start else 0
        return {u for u in grid.points if u >= anchor and (u - anchor) % step == 0}
    origin = start.date() if start else date(1970, 1, 1)
    at = datetime.strptime(rule["at"], "%H:%M").time() if "at" in rule else start.time()
    found = set()
    for day in grid.days():
        if unit == "days":
            due = (day - origin).days % every == 0
        elif unit == "weeks":
            weeks = ((day - timedelta(days=day.weekday())) - (origin - timedelta(days=origin.weekday()))).days // 7
            due = weeks % every == 0 and WEEKDAYS[day.weekday()] in rule.get("weekdays", [WEEKDAYS[origin.weekday()]])
        else:
            months = (day.year - origin.year) * 12 + day.month - origin.month
            wanted = min(rule.get("day", origin.day), calendar.monthrange(day.year, day.month)[1])
            due = months % every == 0 and day.day == wanted
        wall = datetime.combine(day, at)
        if due and (start is None or wall >= start):
            found.add(grid.first(wall))
    return found


def changes(zone, first, last):
    u, end = (int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()) for year in (first, last + 1))
    before = None
    while u < end:
        offset = datetime.fromtimestamp(u, zone).utcoffset()
        if before is not None and offset != before:
            yield u
        before = offset
        u += 3600


def answer(name, rules, inner, step):
    zone = ZoneInfo(name)
    begin, end = inner
    grid = Grid(zone, begin - 3 * DAY, end + 3 * DAY, step)
    for rule in rules:
        slots = cron(rule, grid) if rule["type"] == "cron" else recurring(rule, grid, zone)
        slots = sorted(u for u in slots if u is not None and begin < u <= end)
        yield {"zone": name, "rule": rule, "from": begin, "to": end, "slots": slots}


def main():
    asked = json.load(sys.stdin)
    answers = []
    for name in asked["zones"]:
        zone = ZoneInfo(name)
        for first, last in asked["spans"]:
            bounds = [int(datetime(year, 1, 1, tzinfo=timezone.utc).timestamp()) for year in (first, last + 1)]
            answers.extend(answer(name, asked["long"], bounds, 900))
            for change in changes(zone, first, last):
                answers.extend(answer(name, asked["near"], (change - DAY * 3 // 2, change + DAY * 3 // 2), 60))
    json.dump(answers, sys.stdout)


main()
