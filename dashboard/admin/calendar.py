"""Calendar: holidays, special sessions and hours as tables, what counts in the coming days, and the JSON behind it."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import resources
from dashboard.accounts import authentication
from dashboard.admin import calendar_rows
from dashboard.admin.access import admin, attempt
from stormalert.config.stored import CALENDAR
from stormalert.errors import InputError
from stormalert.market.calendar import BUILT_IN, Calendar, read_calendar
from stormalert.market.days import date_of
from stormalert.units import now_ms

_DAYS = 10
_SAVED = "The calendar is saved; ingest follows within seconds."
_HELP = (
    '`{"holidays": ["2027-01-26"], "special": [{"day": "2027-10-29", "opens": "18:00", "closes": "19:00"}], "hours": []}` '
    "– the holidays of a year stand in the place of those built in; special sessions and hours are added."
)
_EXCHANGES = st.column_config.MultiselectColumn("Exchanges", options=calendar_rows.SEGMENTS, help="None: all of them.")
_OPENS = st.column_config.TimeColumn("Opens", format="HH:mm", help="In India.")
_CLOSES = st.column_config.TimeColumn("Closes", format="HH:mm")


def show() -> None:
    stored = resources.store().setting(CALENDAR.name) or ""
    try:
        calendar = read_calendar(stored)
    except InputError as error:
        st.error(f"The calendar that is stored is not used: {error}. Mend it below, or empty it.")
        _as_json(stored, is_open=True)
        return
    _coming(calendar)
    _tables(stored, calendar)
    _as_json(stored, is_open=False)


def _coming(calendar: Calendar) -> None:
    today = date_of(now_ms())
    if year := calendar.missing_year(today):
        st.warning(f"Nobody has entered the holidays of {year} yet: choose the year below and add them.")
    st.subheader("What counts in the coming days", anchor=False)
    st.table(calendar_rows.coming(calendar, today, _DAYS))


def _tables(stored: str, calendar: Calendar) -> None:
    this_year = date_of(now_ms()).year
    st.subheader("Holidays", anchor=False)
    years = sorted({this_year, this_year + 1, *calendar.years})
    year = st.selectbox("Year", years, index=years.index(this_year), width=160)
    # Anew when somebody saved, and for each year.
    key = f"{hash(stored)}-{year}"
    with st.form("calendar", border=False):
        holidays = _editor(calendar_rows.holiday_rows(stored, year), ["day", "segments"], f"holidays-{key}")
        if year in BUILT_IN.years:
            st.caption(
                "As they count now. When you change one, the table stands in the place of what is built in for the year."
            )
        st.subheader("Special sessions", anchor=False)
        st.caption("Days that have hours of their own, such as Diwali's; several rows of one day are several sessions.")
        special = _editor(calendar_rows.special_rows(stored), ["day", "opens", "closes", "segments"], f"special-{key}")
        st.subheader("Hours", anchor=False)
        st.caption("From a day on, in the place of the usual hours; a row further down goes before one above.")
        hours = _editor(calendar_rows.hours_rows(stored), ["since", "opens", "closes", "stocks", "segments"], f"hours-{key}")
        is_sent = st.form_submit_button("Save the tables", type="primary")
    if is_sent and year:
        attempt(lambda: _save(calendar_rows.with_tables(stored, year, holidays, special, hours)), _SAVED)


def _editor(rows: list[dict[str, Any]], columns: list[str], key: str) -> list[dict[str, Any]]:
    edited = st.data_editor(
        pd.DataFrame(rows, columns=columns),
        num_rows="dynamic",
        hide_index=True,
        key=key,
        column_config={
            "day": st.column_config.DateColumn("Day", format="ddd D MMM YYYY", required=True),
            "since": st.column_config.DateColumn("Since", format="ddd D MMM YYYY", help="Empty: always."),
            "opens": _OPENS,
            "closes": _CLOSES,
            "stocks": st.column_config.SelectboxColumn(
                "Stocks", options=[calendar_rows.ALL_STOCKS, calendar_rows.AUCTIONED, calendar_rows.OTHERS]
            ),
            "segments": _EXCHANGES,
        },
    )
    return [{str(name): _cell(found) for name, found in row.items()} for row in edited.to_dict("records")]


def _cell(found: Any) -> Any:
    """None for a cell that is empty, of which pandas has several kinds."""
    return found if isinstance(found, list | tuple) or not pd.isna(found) else None


def _as_json(stored: str, *, is_open: bool) -> None:
    with st.expander("As JSON", expanded=is_open):
        st.caption(_HELP)
        text = st.text_area("What is added to the built-in calendar", value=stored, height=220, key=f"calendar-{hash(stored)}")
        if st.button("Save the calendar", disabled=text.strip() == stored):
            attempt(lambda: _save(text.strip()), _SAVED)


def _save(text: str) -> None:
    read_calendar(text)
    resources.store().save_setting(CALENDAR.name, text)
    authentication.record(admin().user.id, "calendar changed", f"{len(text)} characters")
