"""The data contract as a page, written from the schema and the checks."""

from data.contract_coverage import ODDITIES, UNRATED
from data.schema import SOURCE_ROW, TABLES, Column, Table
from data.sheet_rows import SHEET_ROWS
from data.validation import ROW_RULES

__all__ = ["contract_markdown"]

_INTRO = f"""# The data contract

Written from `data/schema.py` by `data.contract_doc.contract_markdown`; a test compares the two.

All times are UTC; a date, or a time without a zone, counts as UTC. Empty text and NaN count as null.
Optional tables may be absent or empty, and columns not marked *needed* may be absent: the coverage report
says so. A row that breaks a rule goes to `rejected_rows` with table, key, column, value and reason, under
its first fault; above `max_reject_share` of a table's rows the load stops and the old warehouse stays. Of
rows that repeat a key the one known last is kept and the others are rejected; a run to an earlier instant
sees the one known last before it. A rule over two columns holds where the source has both. A reference that
points at nothing is counted in the coverage report, unless the column says *rejected*.

A row is known from its clock on. Where the clock is empty, the business time stands in for it; where there
is none, the row is never visible. Tables without a key keep the source's order in `{SOURCE_ROW}`. Columns
that begin with `x_` come along as text on the tables that say so, and as values of
`opportunity_changes.field`. What is only *counted* stays, is told by the load, and is handled as said.
"""

_SHEETS = (
    "- Beside the source's rows: the answers that both sides gave on a sheet of the web page *Qualify*, "
    "known from the moment the second side submitted. They stand beside the source's own answers, as rows "
    f"of a table without a key do; `{SHEET_ROWS}` lists them by `{SOURCE_ROW}`. Of a deal that the source "
    "does not have: rejected, outside the share."
)


def contract_markdown() -> str:
    """The whole page, in Markdown."""
    return "\n".join([_INTRO, *(_section(table) for table in TABLES.values())])


def _section(table: Table) -> str:
    said = [
        "Required." if table.required else "Optional.",
        f"Key: `{table.key}`." if table.key else "No key: rows may repeat.",
        f"Clock: `{table.clock}`." if table.clock else "No clock: present state.",
        f"Business time: `{table.business_time}`." if table.business_time else "",
        "Takes `x_` columns." if table.custom else "",
    ]
    lines = [
        f"## {table.name}\n\n{' '.join(part for part in said if part)}\n",
        "| column | type | empty? | meaning and rules |\n|---|---|---|---|",
        *(_row(column) for column in table.columns),
    ]
    rules = [f"- Rejected: {rule.reason}." for rule in ROW_RULES.get(table.name, ())]
    rules += [
        f"- Counted: `{odd.column}`: {odd.note}; {odd.rule}." for odd in ODDITIES if odd.table == table.name
    ]
    if table.name == "qualification":
        rules.insert(0, _SHEETS)
    if table.name == "exchange_rates":
        rules.append(f"- Counted: a currency of deals or contracts that no row names; {UNRATED}.")
    return "\n".join([*lines, *([""] if rules else []), *rules, ""])


def _row(column: Column) -> str:
    rules = [column.description]
    if column.values:
        rules.append("one of " + ", ".join(f"`{value}`" for value in column.values))
    if column.custom_values:
        rules.append("or a name that begins with `x_`")
    if column.minimum is not None:
        rules.append(f"at least {column.minimum:g}")
    if column.maximum is not None:
        rules.append(f"at most {column.maximum:g}")
    if column.references:
        fate = {"report": "counted", "reject": "rejected", "reject_apart": "rejected, outside the share"}[
            column.orphans
        ]
        rules.append(f"refers to `{column.references}` ({fate} where not found)")
    if column.needed:
        rules.append("*needed*")
    return f"| {column.name} | {column.dtype} | {'yes' if column.nullable else 'no'} | {'; '.join(rules)} |"
