"""The canonical CRM schema: every table, column, key, range and clock, declared once.

Checks, casts, the coverage report, the data contract page and the empty columns of a sparse source
are all derived from `TABLES`. All times are UTC.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ACTIVITY_KINDS",
    "BILLINGS",
    "BUYING_ROLES",
    "CHANGE_FIELDS",
    "CHANNELS",
    "CONTRACT_OUTCOMES",
    "CUSTOM_PREFIX",
    "DEAL_TYPES",
    "DECISION_STRUCTURES",
    "DIRECTIONS",
    "MOMENT_KINDS",
    "OUTCOMES",
    "PROMISE_EVENTS",
    "QUESTIONS",
    "SENIORITIES",
    "SIDES",
    "SOURCE_ROW",
    "STANCES",
    "TABLES",
    "Column",
    "DType",
    "Orphans",
    "Table",
    "schema_version",
]

DType = Literal["string", "int64", "float64", "boolean", "timestamp"]
Orphans = Literal["report", "reject", "reject_apart"]
"""What becomes of a row whose reference points at nothing: it stays and is counted; it is rejected; or
it is rejected without counting towards the tolerated share, since it cannot touch a feature."""

CUSTOM_PREFIX = "x_"
SOURCE_ROW = "source_row"

DECISION_STRUCTURES = ("centralised", "distributed")
SENIORITIES = ("c_level", "vp", "director", "manager", "individual")
DEAL_TYPES = ("new", "expansion", "renewal")
OUTCOMES = ("won", "lost")
CHANGE_FIELDS = ("stage", "amount", "close_date", "forecast_category", "owner")
BUYING_ROLES = (
    "champion", "mobilizer", "economic_buyer", "decision_maker", "executive_sponsor", "technical_evaluator",
    "user", "influencer", "procurement", "legal", "finance", "blocker", "unknown",
)  # fmt: skip
STANCES = ("supporter", "neutral", "opponent")
ACTIVITY_KINDS = ("meeting", "call", "email", "demo", "workshop", "event", "other")
DIRECTIONS = ("inbound", "outbound")
CHANNELS = ("in_person", "remote")
MOMENT_KINDS = (
    "problem_recognised", "scoping", "budget_champion", "solution_visualised", "long_list", "outreach",
    "short_list", "proof_of_concept", "cost_benefit", "bake_off", "negotiation", "sign_off",
    "competitor_mentioned", "metrics_requested", "reference_requested", "fomo", "mission_critical",
    "sponsor_backing", "objection", "beta_or_launch_partner",
)  # fmt: skip
PROMISE_EVENTS = ("promised", "rescheduled", "delivered", "withdrawn")
QUESTIONS = ("means", "decision_process", "why", "when")
SIDES = ("vendor", "customer")
BILLINGS = ("prepaid", "commit", "postpay")
CONTRACT_OUTCOMES = ("renewed", "churned")


@dataclass(frozen=True)
class Column:
    """One column of a canonical table.

    nullable: whether a row may leave it empty. needed: whether the column itself must be there.
    values: the allowed texts, where enumerated; with `custom_values`, texts that begin with `x_` too.
    minimum, maximum: inclusive bounds. references: "table.column" that a value should be found in.
    """

    name: str
    dtype: DType
    nullable: bool
    description: str
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    references: str | None = None
    orphans: Orphans = "report"
    needed: bool = False
    custom_values: bool = False


@dataclass(frozen=True)
class Table:
    """One canonical table.

    key: the column that identifies a row, None where rows may repeat (then `source_row` keeps the
    source's order). clock: the column that says since when a row is known. business_time: fills an
    empty clock. custom: whether columns that begin with `x_` come along.
    """

    name: str
    columns: tuple[Column, ...]
    required: bool = False
    key: str | None = None
    clock: str | None = "known_at"
    business_time: str | None = None
    custom: bool = False

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The declared columns' names, in order."""
        return tuple(column.name for column in self.columns)


def _key(name: str, description: str) -> Column:
    return Column(name, "string", False, description, needed=True)


def _text(name: str, description: str, values: tuple[str, ...] = ()) -> Column:
    return Column(name, "string", True, description, values=values)


def _time(name: str, description: str) -> Column:
    return Column(name, "timestamp", True, description)


def _number(
    name: str, description: str, minimum: float | None = None, maximum: float | None = None
) -> Column:
    return Column(name, "float64", True, description, minimum=minimum, maximum=maximum)


def _link(
    table: str,
    *,
    nullable: bool = True,
    needed: bool = False,
    orphans: Orphans = "report",
    name: str | None = None,
) -> Column:
    key = {"activities": "activity_id", "opportunities": "opportunity_id"}.get(table, f"{table[:-1]}_id")
    return Column(
        name or key, "string", nullable, f"a row of `{table}`", references=f"{table}.{key}",
        orphans=orphans, needed=needed,
    )  # fmt: skip


def _deal_link(*, nullable: bool = False) -> Column:
    return Column(
        "opportunity_id", "string", nullable, "the deal", references="opportunities.opportunity_id",
        orphans="reject", needed=True,
    )  # fmt: skip


_KNOWN_AT = _time("known_at", "when the CRM recorded the row")

_ALL = (
    Table("accounts", (
        _key("account_id", "identifies the account"),
        _text("name", "the account's name"),
        _text("industry", "the account's industry"),
        _text("region", "the account's region"),
        Column("employees", "int64", True, "number of employees", minimum=0),
        _text("decision_structure", "how the account decides", DECISION_STRUCTURES),
        _time("created_at", "when the account came to be"),
        _KNOWN_AT,
    ), required=True, key="account_id", business_time="created_at", custom=True),
    Table("users", (
        _key("user_id", "identifies the seller"),
        _text("name", "the seller's name"),
        _text("email", "the seller's address"),
        _link("users", name="manager_id"),
        Column("active", "boolean", True, "whether the seller still works here"),
    ), key="user_id", clock=None),
    Table("contacts", (
        _key("contact_id", "identifies the person"),
        _link("accounts"),
        _text("name", "the person's name"),
        _text("title", "job title"),
        _text("department", "department"),
        _text("seniority", "level in the hierarchy", SENIORITIES),
        _KNOWN_AT,
    ), key="contact_id", custom=True),
    Table("opportunities", (
        _key("opportunity_id", "identifies the deal"),
        _link("accounts", needed=True),
        _link("users", name="owner_id"),
        _text("type", "what kind of deal", DEAL_TYPES),
        _text("name", "the deal's name"),
        _text("currency", "ISO 4217 code of its amounts"),
        _text("lead_source", "where the deal came from"),
        Column("created_at", "timestamp", False, "when the deal came to be, and is known", needed=True),
        _time("closed_at", "when the outcome became known; not before created_at"),
        _text("outcome", "how it ended; empty while open; needs closed_at", OUTCOMES),
        _text("loss_reason", "why it was lost, known only then"),
    ), required=True, key="opportunity_id", clock="created_at", custom=True),
    Table("opportunity_changes", (
        _deal_link(),
        Column("field", "string", False, "which field changed; `x_` names for fields of one's own",
               values=CHANGE_FIELDS, needed=True, custom_values=True),
        _text("old_value", "value before, as text"),
        _text("new_value", "value after, as text"),
        Column("changed_at", "timestamp", False, "when the CRM recorded the change", needed=True),
    ), clock="changed_at"),
    Table("stages", (
        _key("stage", "the stage's name as in opportunity_changes"),
        Column("position", "int64", True, "rank in the sales process, rising"),
        _number("default_probability", "the CRM's probability of winning at this stage, 0 to 1", 0, 1),
    ), key="stage", clock=None),
    Table("opportunity_contacts", (
        _deal_link(),
        _link("contacts", nullable=False, needed=True),
        _text("buying_role", "the person's part in the decision", BUYING_ROLES),
        _text("stance", "for or against us", STANCES),
        _KNOWN_AT,
        _time("removed_at", "when the person left the deal"),
    )),
    Table("activities", (
        _key("activity_id", "identifies the activity"),
        _deal_link(nullable=True),
        _link("accounts"),
        _text("kind", "what kind of contact", ACTIVITY_KINDS),
        _text("direction", "who reached out", DIRECTIONS),
        _text("channel", "in the same room or not", CHANNELS),
        _time("occurred_at", "when it took place, or will"),
        _KNOWN_AT,
        _number("duration_minutes", "length in minutes", 0),
        _text("subject", "headline, as typed"),
        _text("body", "note or message, as typed"),
    ), key="activity_id", business_time="occurred_at"),
    Table("activity_participants", (
        _link("activities", nullable=False, needed=True, orphans="reject_apart"),
        _link("contacts"),
        _link("users"),
        Column("attended", "boolean", True, "whether the person came; known once the meeting is over"),
    ), clock=None),
    Table("moments", (
        _key("moment_id", "identifies the moment"),
        _deal_link(),
        _link("contacts"),
        Column("kind", "string", False, "which micro-moment or signal", values=MOMENT_KINDS),
        _time("occurred_at", "when it happened"),
        _KNOWN_AT,
        _text("evidence", "what shows it, as typed"),
    ), key="moment_id", business_time="occurred_at"),
    Table("promises", (
        _key("promise_id", "identifies the event in a promise's life"),
        _deal_link(),
        _text("feature", "what was promised"),
        Column("event", "string", False, "what happened to the promise", values=PROMISE_EVENTS),
        _time("due_at", "by when it was promised"),
        _time("occurred_at", "when it happened"),
        _KNOWN_AT,
    ), key="promise_id", business_time="occurred_at"),
    Table("qualification", (
        _deal_link(),
        Column("question", "string", False, "which question was answered", values=QUESTIONS),
        Column("side", "string", False, "who answered", values=SIDES),
        Column("answer", "int64", True, "0 (unknown) to 4 (proven)", minimum=0, maximum=4),
        _text("evidence", "what shows it, as typed"),
        _KNOWN_AT,
    )),
    Table("contracts", (
        _key("contract_id", "identifies the contract"),
        _link("accounts", needed=True),
        _link("opportunities"),
        _time("start_at", "first instant of the term"),
        _time("end_at", "end of the term; not before start_at"),
        _text("billing", "how it is paid", BILLINGS),
        _number("committed_amount", "committed for the term, in `currency`", 0),
        _text("currency", "ISO 4217 code"),
        _text("outcome", "how the term ended", CONTRACT_OUTCOMES),
        _number("renewed_amount", "committed in the following term, in `currency`", 0),
        _time("decided_at", "when the outcome became known"),
        _KNOWN_AT,
    ), key="contract_id", business_time="start_at", custom=True),
    Table("usage", (
        _link("accounts", nullable=False, needed=True),
        _link("contracts"),
        _text("product", "what was used"),
        _time("usage_date", "the period's first instant"),
        _number("quantity", "units used"),
        _number("amount", "worth of the use, in the contract's currency; below zero for a credit note"),
        Column("active_users", "int64", True, "people who used it", minimum=0),
        _KNOWN_AT,
    ), business_time="usage_date"),
    Table("exchange_rates", (
        Column("from_currency", "string", False, "ISO 4217 code", needed=True),
        Column("to_currency", "string", False, "ISO 4217 code", needed=True),
        Column("rate", "float64", False, "units of `to_currency` that one unit of `from_currency` is worth; "
               "above 0", needed=True),
        Column("rate_date", "timestamp", False, "since when the rate holds, until the pair's next one",
               needed=True),
        _KNOWN_AT,
    ), business_time="rate_date"),
)  # fmt: skip

TABLES: dict[str, Table] = {table.name: table for table in _ALL}


def schema_version() -> str:
    """The first 12 hex digits of a digest over the whole declaration: any change gives a new one."""
    return hashlib.sha256(repr(_ALL).encode()).hexdigest()[:12]
