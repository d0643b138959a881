from datetime import date

from ingest.ingest import missing_holidays
from stormalert.market.calendar import BUILT_IN


def test_a_year_without_holidays_is_named_from_december_on() -> None:
    last = max(BUILT_IN.years)
    assert missing_holidays(BUILT_IN, date(last, 11, 30)) == ""
    assert missing_holidays(BUILT_IN, date(last, 12, 1)).startswith(f"no holidays are known for {last + 1}: ")
