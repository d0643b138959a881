"""Backtest: which alerts would rules have given over prices that were recorded?"""

import streamlit as st

from dashboard import viewer
from dashboard.backtest import chosen_rules, market, result, trial
from dashboard.backtest.trial import State
from dashboard.web.html import render
from stormalert.errors import InputError
from stormalert.process import REDIS_ERRORS

_LOOK_EVERY_S = 0.5
_DOING = {
    State.WAITING: "Waiting until another backtest is over",
    State.READING: "Reading the prices",
    State.RUNNING: "Trying the rules",
}


def show() -> None:
    user = viewer.required().user.id
    st.title("Backtest", anchor=False)
    st.caption("Which alerts would rules have given? The engine that runs live says it, over recorded prices.")
    left, right = st.columns(2, gap="large")
    with left:
        rules = chosen_rules.ask(user)
    with right:
        over = market.ask()
    if st.button("Run", type="primary", icon=":material/play_arrow:"):
        _run(user, rules, over)
    _show_newest(user)


def _run(user: str, rules: chosen_rules.RulesChoice, over: market.PricesChoice) -> None:
    try:
        variants = chosen_rules.variants(rules, user, is_file=over.is_file)
        trial.start(user, market.trial_over(over, variants, user))
    except InputError as error:
        _refuse(str(error))
        st.stop()
    except REDIS_ERRORS:
        _refuse("Redis does not answer; try again in a moment.")
        st.stop()


def _show_newest(user: str) -> None:
    newest = trial.of(user)
    if newest is None:
        return
    if not newest.state.is_over:
        _progress(user)
    elif newest.state is State.FAILED:
        _refuse(newest.reason)
    elif newest.state is State.CANCELLED:
        st.info("The backtest was cancelled.")
    else:
        result.show(newest)


@st.fragment(run_every=_LOOK_EVERY_S)
def _progress(user: str) -> None:
    running = trial.of(user)
    if running is None or running.state.is_over:
        st.rerun()
    st.progress(min(running.share, 1.0), text=f"{_DOING[running.state]} · {running.share:.0%}")
    if st.button("Cancel", icon=":material/close:"):
        running.cancel()


def _refuse(reason: str) -> None:
    st.html(render("backtest/refused.html", reason=reason))
