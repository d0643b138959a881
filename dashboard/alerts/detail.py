"""One alert: its chart around the moment, what rule it was, and what became of each message."""

from html import escape
from urllib.parse import quote

import streamlit as st

from dashboard import flash, resources, texts, viewer
from dashboard.alerts import facts
from dashboard.alerts.resend import resend
from dashboard.chart import Mark, bars, chart
from dashboard.rules import mutes
from dashboard.web.html import render
from stormalert import words
from stormalert.errors import InputError
from stormalert.market.bars import Bar
from stormalert.model import Alert, Delivery, DeliveryState, Rule, RuleState
from stormalert.notify import arrival
from stormalert.process import REDIS_ERRORS
from stormalert.rules import line as rule_line
from stormalert.units import MINUTE_MS, now_ms

# A minute without a print has no bar; one so near shows that its time is kept.
_NEAR_MS = 30 * MINUTE_MS
_ALL = ("/alerts", "All alerts")


def show(user: str, alert_id: str) -> None:
    alert = resources.store().alert(alert_id)
    # Another user's is not there either.
    if alert is None or alert.user != user:
        st.title("Alert", anchor=False)
        st.warning("There is no such alert among yours. It may be older than what is kept.")
        st.html(render("links.html", lead="", links=[_ALL]))
        return
    st.title(escape(alert.symbol), anchor=False)
    told = {"side": texts.side(alert), "happened": texts.what_happened(alert), "facts": facts.facts(alert)}
    st.html(render("alerts/head.html", time_ms=alert.time_ms, **told))
    _chart(alert)
    left, right = st.columns(2, gap="large")
    with left:
        _messages(user, alert)
    with right:
        _rule(user, alert)
    links = [
        _ALL,
        (f"/alerts?rule={quote(alert.owners_rule)}", "Those of this rule"),
        (f"/instrument?symbol={quote(alert.symbol)}", f"Show {alert.symbol}"),
    ]
    st.html(render("links.html", lead="", links=links))


def _chart(alert: Alert) -> None:
    try:
        found = bars.around(alert.token, alert.time_ms)
    except REDIS_ERRORS:
        st.error("Redis does not answer, so the prices around it are not shown now.")
        return
    if not is_kept(found, alert.time_ms) and not (found := _fetched(alert)):
        return
    mark = Mark(alert.time_ms, texts.side(alert), texts.what_happened(alert))
    chart(f"alert-{alert.id}", found, facts.lines(alert), [mark], focus_ms=alert.time_ms)


def _fetched(alert: Alert) -> list[Bar]:
    """Kite's, once they were asked for."""
    key = f"candles-{alert.id}"
    if key not in st.session_state:
        st.info("The minutes around it are not kept any more: the last two or three days are.")
        if not st.button("Ask Kite for them", icon=":material/download:"):
            return []
        try:
            with st.spinner("Kite is asked for the minutes around it."):
                st.session_state[key] = bars.fetch(alert.token, alert.time_ms)
        except InputError as error:
            st.error(str(error))
            return []
    found: list[Bar] = st.session_state[key]
    if not found:
        st.info("Kite has no minutes of that time.")
    return found


def is_kept(found: list[Bar], time_ms: int) -> bool:
    return any(abs(bar.time_ms - time_ms) < _NEAR_MS for bar in found)


def _messages(user: str, alert: Alert) -> None:
    st.subheader("Messages", anchor=False)
    deliveries = resources.store().deliveries_of(alert.id)
    found = facts.histories(alert, [arrival.told(it, now_ms()) for it in deliveries], resources.store().channels_of(user))
    st.text(facts.outcome(found))
    st.html(render("alerts/histories.html", histories=found))
    if failed := [it for it in deliveries if it.state is DeliveryState.FAILED]:
        offer_again(failed)


def offer_again(failed: list[Delivery]) -> None:
    """The way to send again what failed, as long as it is news."""
    news = [it for it in failed if it.is_news(now_ms())]
    if not news:
        st.caption("What failed is more than an hour old: no news any more, so it is not sent again.")
        return
    noun = "message that failed" if len(news) == 1 else f"{len(news)} messages that failed"
    if st.button(f"Send the {noun} again", icon=":material/replay:"):
        user = viewer.required().user.id
        own = [it for it in news if it.user == user]
        flash.attempt(lambda: resend(resources.store(), resources.thread_redis(), own), _resent)


def _resent(count: int) -> str:
    if not count:
        return "Nothing was sent again: it changed meanwhile, or is no news any more."
    return f"{count} on {'its' if count == 1 else 'their'} way again, within some seconds."


def _rule(user: str, alert: Alert) -> None:
    st.subheader("Rule", anchor=False)
    rule = resources.store().rule(alert.owners_rule)
    if rule is None or rule.user != user:
        st.text("The rule is not there any more.")
        return
    where = "on every instrument of your watchlist" if rule.is_on_watchlist else f"on {rule.symbol}"
    st.text(f"{texts.condition(rule)} {where}. {texts.repetition(rule)}.")
    st.code(rule_line.write(rule), language=None)
    if rule.state is RuleState.DELETED:
        st.caption("It was deleted since.")
        return
    if rule.updated_ms > alert.time_ms:
        st.caption("It was changed, paused or resumed since; the alert says what it was then.")
    silent = [mute for mute in mutes.held(user) if mute.covers(alert)]
    for mute in silent:
        st.text(f"You {words.mute(mute)}.")
    with st.container(horizontal=True):
        if rule.state is RuleState.ACTIVE and st.button("Pause rule", icon=":material/pause:"):
            _move(rule, RuleState.PAUSED, "Rule paused.")
        if rule.state is RuleState.PAUSED and st.button("Resume rule", icon=":material/play_arrow:"):
            _move(rule, RuleState.ACTIVE, "Rule resumed.")
        if rule.state is RuleState.SPENT and st.button("Re-arm rule", icon=":material/restart_alt:"):
            _move(rule, RuleState.ACTIVE, "Rule armed again.")
        if st.button("Snooze", icon=":material/notifications_off:"):
            mutes.ask([rule])
        mutes.offer_back([rule], silent)


def _move(rule: Rule, state: RuleState, done: str) -> None:
    # What was drawn may be old: the store refuses what changed meanwhile.
    if rule.user == viewer.required().user.id:
        flash.attempt(lambda: resources.store().save_rule(rule.model_copy(update={"state": state})), done)
