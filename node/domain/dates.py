"""Dates as people type them from a label. Not a clock: the day is an argument."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, timedelta

from node.errors import N_, Refused

# A label's date further away than this is a misreading (GS1 years are read in a window, too).
YEARS_MAX = 10
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})\Z")
_DAYS_FROM_TODAY = re.compile(r"\+(\d{1,4})\Z")
_DAY_MONTH = re.compile(r"(\d{1,2})[./](\d{1,2})[./]?(\d{2}|\d{4})?\Z")
_DIGITS = re.compile(r"\d{1,8}\Z")


def parse_date(text: str, today: date) -> date:
    """Read a typed date: `2026-11-29`, `29.11.`, `29/11/26`, `2911`, `291126`, `29` or `+7` (days from today).

    A day without month or year is the next such day, today included. Raises Refused for what is no date.
    """
    typed = text.strip()
    try:
        found = _read(typed, today)
    except ValueError:
        found = None
    if found is None:
        raise Refused(
            "date.unreadable",
            N_("'{text}' is not a date."),
            N_("Type it as 2026-11-29, 29.11., 2911, 29 or +7 for seven days from today."),
            text=typed[:20],
        )
    return found


def check_label_date(found: date, today: date) -> None:
    """Refuse a label's date that is more than ten years away, which is a misreading."""
    if abs((found - today).days) > YEARS_MAX * 366:
        raise Refused(
            "date.too_far",
            N_("{date} is more than ten years from today, so it was misread."),
            N_("Look at the label and type the date again."),
            date=found.isoformat(),
        )


def _read(typed: str, today: date) -> date | None:
    if match := _ISO.match(typed):
        return date(*map(int, match.groups()))
    if match := _DAYS_FROM_TODAY.match(typed):
        return today + timedelta(days=int(match.group(1)))
    if match := _DAY_MONTH.match(typed):
        day, month, year = match.groups()
        return _with_year(int(day), int(month), year, today)
    if not _DIGITS.match(typed):
        return None
    if len(typed) <= 2:
        return _next_day(int(typed), today)
    if len(typed) == 4:
        return _with_year(int(typed[:2]), int(typed[2:]), None, today)
    if len(typed) in {6, 8}:
        return _with_year(int(typed[:2]), int(typed[2:4]), typed[4:], today)
    return None


def _with_year(day: int, month: int, year: str | None, today: date) -> date:
    if year:
        return date(int(year) + (2000 if len(year) == 2 else 0), month, day)
    found = date(today.year, month, min(day, monthrange(today.year, month)[1]) if (day, month) == (29, 2) else day)
    return found if found >= today else date(today.year + 1, month, day)


def _next_day(day: int, today: date) -> date:
    year, month = today.year, today.month
    for _months in range(13):
        if day <= monthrange(year, month)[1] and date(year, month, day) >= today:
            return date(year, month, day)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    raise ValueError("no month has that day")
