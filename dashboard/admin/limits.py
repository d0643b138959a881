"""Policy: plans with their limits, who needs a second factor, and for how long things are kept."""

import pandas as pd
import streamlit as st

from dashboard import resources
from dashboard.accounts import authentication
from dashboard.admin.access import admin, attempt
from stormalert.config import policy
from stormalert.config.policy import USUAL_PLAN, Plan, Policy, SecondFactor
from stormalert.errors import InputError

_FACTOR_NAMES = {
    SecondFactor.OPTIONAL: "Whoever wants one",
    SecondFactor.ADMINS: "Admins must have one",
    SecondFactor.EVERYONE: "Everybody must have one",
}


def show() -> None:
    now = policy.read(resources.store())
    with st.form("policy", border=False):
        factor = st.radio(
            "Second factor", list(SecondFactor), index=list(SecondFactor).index(now.second_factor),
            format_func=_FACTOR_NAMES.__getitem__, horizontal=True,
        )  # fmt: skip
        left, right = st.columns(2)
        keep = left.number_input("Days that alerts are kept", min_value=1, max_value=3650, value=now.keep_days)
        keep_audit = right.number_input(
            "Days that the audit log is kept", min_value=1, max_value=3650, value=now.keep_audit_days
        )
        st.caption(f"Plans. `{USUAL_PLAN}` is for whoever has no other; 0 alerts an hour: as STORM_ALERTS_PER_HOUR says.")
        rows = pd.DataFrame([{"plan": name, **plan.model_dump()} for name, plan in now.plans.items()])
        edited = st.data_editor(rows, num_rows="dynamic", hide_index=True, key="plans")
        is_sent = st.form_submit_button("Save", type="primary")
    if is_sent and factor:
        attempt(lambda: _save_policy(factor, int(keep), int(keep_audit), edited), "The policy is saved.")


def _save_policy(factor: SecondFactor, keep_days: int, keep_audit_days: int, table: pd.DataFrame) -> None:
    plans: dict[str, Plan] = {}
    for row in table.to_dict("records"):
        name = str(row.pop("plan") or "").strip()
        if name in plans:
            raise InputError(f"There are two plans called {name}.")
        # A cell that is empty is not a number, not even itself.
        plans[name] = policy.checked(Plan, {str(column): int(found) for column, found in row.items() if found == found})
    fields = {"plans": plans, "second_factor": factor, "keep_days": keep_days, "keep_audit_days": keep_audit_days}
    policy.change(resources.store(), policy.checked(Policy, fields))
    authentication.record(admin().user.id, "policy changed", f"plans {', '.join(plans)}; second factor {factor}")
