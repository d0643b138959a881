"""Rules as a table in a file: out for a spreadsheet or a backup, and in again."""

import pandas as pd
import streamlit as st

from dashboard import flash, resources, viewer
from dashboard.accounts.portable import rules_of
from dashboard.rules import upload
from stormalert.errors import Conflict, InputError
from stormalert.model import User
from stormalert.rules import table as rule_table
from stormalert.rules.table import BadTable

_MOST_SHOWN = 200


def offer(user: User) -> None:
    with st.expander("Rules out and in as a table (CSV)", icon=":material/table:"):
        # Made when it is asked for: there may be many thousands.
        st.download_button(
            "Download my rules",
            lambda: "".join(rule_table.write(rules_of(resources.store(), user.id))),
            file_name="rules.csv",
            mime="text/csv",
            icon=":material/download:",
        )
        file = st.file_uploader("Import rules", type="csv", key="rules-csv", help="Rows with an id change that rule.")
        if file and st.button("Import", type="primary"):
            _take(file.getvalue())


def _take(table: bytes) -> None:
    try:
        imported = upload.take(resources.store(), viewer.required().user, table)
    except BadTable as bad:
        st.error(f"Nothing was imported: {len(bad.rows)} things are wrong in the table.")
        rows = [{"Line": row.line, "Column": row.column, "Found": row.found, "Expected": row.expected} for row in bad.rows]
        st.dataframe(pd.DataFrame(rows[:_MOST_SHOWN]), hide_index=True)
    except InputError as error:
        st.error(str(error))
    except Conflict:
        st.error("A rule changed meanwhile, or belongs to somebody else. Nothing was imported.")
    else:
        flash.leave(f"{imported.new} new, {imported.changed} changed.")
        st.rerun()
