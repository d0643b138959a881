"""Does the calendar know the year, and what does it say of today?"""

from collections.abc import Iterator
from datetime import date, datetime

from ops.doctor.case import Case
from stormalert.config.stored import CALENDAR
from stormalert.errors import InputError
from stormalert.health.finding import Finding, good, wait
from stormalert.market.calendar import BUILT_IN, Calendar, Segment, read_calendar
from stormalert.units import IST

_ADVICE = (
    "enter the holidays of the exchange's circular in the setting `calendar`; stormalert/market/calendar.py has an example"
)


def check_calendar(case: Case) -> Iterator[Finding]:
    calendar = BUILT_IN
    if case.store is not None:
        try:
            calendar = read_calendar(case.store.setting(CALENDAR.name))
        except InputError as error:
            yield wait(
                "calendar", f"the setting `calendar` is not used: {error}", "correct it; the built-in one counts meanwhile"
            )
    if case.config.market_hours == "always":
        yield good("calendar", "not followed: ticks count at any hour")
        return
    yield judge_calendar(calendar, datetime.fromtimestamp(case.now_ms / 1_000, IST).date())


def judge_calendar(calendar: Calendar, today: date) -> Finding:
    spans = calendar.spans_on(today, Segment.NSE, False)
    hours = " and ".join(f"{span.opens:%H:%M}-{span.closes:%H:%M}" for span in spans)
    told = f"today, {today:%a %d %b}: " + (f"NSE trades {hours} IST" if spans else "NSE does not trade")
    missing = calendar.missing_year(today)
    if missing:
        # As ingest's troubles are judged, one of which it is: prices come all the same.
        yet = "" if missing == today.year else " yet"
        return wait("calendar", f"no holidays of {missing} are known{yet}; {told}", _ADVICE)
    return good("calendar", f"{told}; holidays of {', '.join(map(str, sorted(calendar.years)))} are known")
