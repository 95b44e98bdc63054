"""What the columns of exported tables are called, measured in, and mean."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

__all__ = ["SHEETS", "ExportColumn", "Unit", "column_of"]

Unit = Literal["text", "money", "percent", "ratio", "count", "days", "number", "date", "time", "flag"]


@dataclass(frozen=True)
class ExportColumn:
    """A column: its name in the table, its title for readers, its unit, and what it means."""

    name: str
    title: str
    unit: Unit
    meaning: str


SHEETS = {
    "forecast_summary": "what is expected of each part, by level and period",
    "bookings_forecast": "bookings of new business: open deals, and deals not yet created",
    "renewals": "each contract that is due, its chance of renewal and for how much",
    "consumption": "use by account and product, per period",
    "change": "why the forecast moved since the run before; the terms add up",
    "open_deals": "each open deal with its chance",
    "scenario": "the forecast with what the notes above say changed; columns as in forecast_summary",
}
"""What each part tells, by its name."""

_QUANTILE = "with this much or less in {} of 100 simulated futures"
_MEANINGS: dict[str, tuple[str, Unit, str]] = {
    "mean": ("Expected", "money", "the mean over all futures; means of parts add up, quantiles do not"),
    "p10": ("P10", "money", _QUANTILE.format(10)),
    "p50": ("P50", "money", _QUANTILE.format(50)),
    "p90": ("P90", "money", _QUANTILE.format(90)),
    "low80": ("Low, 80 %", "money", "80 of 100 such intervals hold what comes"),
    "high80": ("High, 80 %", "money", "80 of 100 such intervals hold what comes"),
    "low95": ("Low, 95 %", "money", "95 of 100 such intervals hold what comes"),
    "high95": ("High, 95 %", "money", "95 of 100 such intervals hold what comes"),
    "drawdown": ("Draw-down", "money", "use that a commitment already pays for"),
    "overage": ("Overage", "money", "use beyond the commitment"),
    "postpay": ("Post-pay", "money", "use that is paid for as it happens"),
    "uncontracted": ("Without contract", "money", "use that no contract with known billing covers"),
    "after_term": (
        "After the term",
        "money",
        "the part of the expected use that comes only if the contract renews",
    ),
    "amount": ("Amount", "money", "as it stood in the CRM at as_of"),
    "amount_reported": ("Amount", "money", "at the exchange rate known at as_of; empty without a rate"),
    "committed_amount_reported": (
        "Committed amount",
        "money",
        "at the exchange rate known at as_of; empty without a rate",
    ),
    "largest_amount": ("Largest amount", "money", "of the one row that moved the most"),
    "committed_amount": ("Committed amount", "money", "committed for the present term"),
    "part": ("Part", "text", "new business, renewals and consumption are never added to each other"),
    "level": ("Level", "text", "what the row sums over"),
    "key": ("Group", "text", "which one of its level"),
    "period_kind": ("Period kind", "text", "month, quarter or the whole horizon"),
    "period": ("Period", "text", "the calendar month or quarter; the first is what is left of it at as_of"),
    "period_start": ("Period start", "date", "the period's first day"),
    "p_win": ("Chance of winning", "percent", "of 100 deals given it, about so many are won"),
    "p_renew": ("Chance of renewal", "percent", "of 100 contracts given it, about so many renew"),
    "previous_p_renew": ("Chance before", "percent", "the chance in the run before"),
    "previous_p_win": ("Chance before", "percent", "the chance in the run before"),
    "expected_ratio": ("Expected ratio", "ratio", "renewed ÷ committed amount, churn counted as 0"),
    "ratio_low": ("Ratio, low", "ratio", "lower end of the 80 % interval of the ratio"),
    "ratio_high": ("Ratio, high", "ratio", "upper end of the 80 % interval of the ratio"),
    "ratio_if_renewed_low": ("Ratio if renewed, low", "ratio", "lower end of its 80 % interval"),
    "ratio_if_renewed_high": ("Ratio if renewed, high", "ratio", "upper end of its 80 % interval"),
    "ratio_if_renewed_sd": ("Ratio if renewed, sd", "ratio", "standard deviation around it"),
    "ratio_if_renewed": ("Ratio if renewed", "ratio", "renewed ÷ committed amount of contracts that renew"),
    "days_left": ("Days left", "days", "from as_of to the end of the term; negative once it is over"),
    "overdue": ("Overdue", "flag", "the term is over, and there is no outcome yet"),
    "end_at": ("End of term", "time", "UTC"),
    "as_of": ("As of", "time", "UTC; only what was recorded before it is known"),
    "expected_close_on": ("Expected close", "date", "as the seller has it"),
    "base_log_odds": ("Base log-odds", "number", "where the contributions start from"),
    "log_odds": ("Log-odds", "number", "ln(p ÷ (1 - p)) of the chance"),
    "evidence": ("Evidence", "text", "how such chances came true out of time"),
    "top_reason": ("First reason", "text", "what moves the chance most"),
    "model": ("Model", "text", "what made the row: blend, cohort (young accounts), or the sum of its parts"),
    "account_id": ("Account id", "text", "as in the CRM"),
    "account": ("Account", "text", "its name"),
    "opportunity_id": ("Deal id", "text", "as in the CRM"),
    "contract_id": ("Contract id", "text", "as in the CRM"),
    "name": ("Name", "text", "as in the CRM"),
    "owner_id": ("Owner id", "text", "as in the CRM"),
    "owner": ("Owner", "text", "of the deal at as_of"),
    "region": ("Region", "text", "of the account"),
    "product": ("Product", "text", "what is used"),
    "type": ("Type", "text", "new, expansion or renewal"),
    "stage": ("Stage", "text", "of the deal at as_of"),
    "billing": ("Billing", "text", "prepaid, commit, or postpay: paid for as it is used"),
    "start_at": ("Start of term", "time", "UTC"),
    "currency": ("Currency", "text", "ISO 4217 code of the row's amounts"),
    "segment": ("Segment", "text", "the group of accounts that finance reports by"),
    "model_version": ("Model version", "text", "the model that made the figure"),
}
_OF_PART = {
    ("change", "amount"): "what the term adds to the forecast",
    ("change", "items"): "rows that the term is about",
    (
        "consumption",
        "mean",
    ): "if every contract renews; forecast_summary counts what lies after a term only as "
    "far as its contract is likely to renew",
    ("consumption", "level"): "what the row sums over; add up the rows of one level alone",
}
"""Meanings that differ in one part, by (part, column)."""


def column_of(name: str, kind: pa.DataType, *, part: str = "") -> ExportColumn:
    """The column of that name: as told above, else by the endings of its name, else by its type.

    >>> column_of("n_contacts", pa.int64()).unit, column_of("p_churn", pa.float64()).unit
    ('count', 'percent')
    """
    title, unit, meaning = _MEANINGS.get(name, (_title(name), _unit_of(name, kind), ""))
    fitting = unit if _fits(unit, kind) else _unit_of_type(kind)
    return ExportColumn(name, title, fitting, _OF_PART.get((part, name), meaning))


def _title(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _unit_of(name: str, kind: pa.DataType) -> Unit:
    starts: dict[str, Unit] = {"n_": "count", "p_": "percent", "share_": "percent"}
    ends: dict[str, Unit] = {"_amount": "money", "_share": "percent", "_ratio": "ratio", "_days": "days"}
    for start, unit in starts.items():
        if name.startswith(start):
            return unit
    return next((unit for end, unit in ends.items() if name.endswith(end)), _unit_of_type(kind))


def _unit_of_type(kind: pa.DataType) -> Unit:
    if pa.types.is_boolean(kind):
        return "flag"
    if pa.types.is_integer(kind):
        return "count"
    if pa.types.is_floating(kind):
        return "number"
    if pa.types.is_date(kind):
        return "date"
    return "time" if pa.types.is_timestamp(kind) else "text"


def _fits(unit: Unit, kind: pa.DataType) -> bool:
    """Whether values of the type can be shown in the unit."""
    of_type = _unit_of_type(kind)
    if unit in ("text", "flag", "date", "time"):
        return unit == of_type or {unit, of_type} == {"date", "time"}
    return of_type in ("count", "number")
