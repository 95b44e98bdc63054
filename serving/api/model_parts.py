"""What is answered about models: how they did out of time, what they were trained on, what was decided."""

from pydantic import AwareDatetime, Field

from serving.api.stamped import Answered, Stamped

__all__ = [
    "AuditAnswer",
    "AuditCheck",
    "AuditFinding",
    "BacktestAnswer",
    "BacktestScore",
    "DataAnswer",
    "DataNote",
    "DataTable",
    "Decision",
    "DirectionAnswer",
    "DirectionCounts",
    "LiftPoint",
    "Measure",
    "Metrics",
    "ModelAnswer",
    "ModelsView",
    "RejectReason",
    "ReliabilityBin",
    "Slice",
    "SubjectAnswer",
    "Versus",
    "Window",
    "WorthAnswer",
    "WorthPart",
]  # fmt: skip


class Measure(Answered):
    """A figure with its 95 % interval over draws of deals (of accounts, for renewals)."""

    value: float
    low: float | None
    high: float | None


class Metrics(Answered):
    """How a model or a baseline did on the test rows."""

    model: str = Field(description="win or renewal for the model; else the baseline's name.")
    auc: Measure | None = Field(description="0.5 for chance, 1 for a perfect order.")
    log_loss: Measure | None = Field(description="Nats; lower is better.")
    brier: Measure | None = Field(description="Mean squared error of the probability; lower is better.")
    ece: Measure | None = Field(description="Calibration error, 0 to 1; lower is better.")
    slope: Measure | None = Field(description="Calibration slope in log-odds; 1 is calibrated.")


class Versus(Answered):
    """The log-loss saved against a baseline, on the same rows."""

    baseline: str
    difference: Measure | None = Field(description="Nats; above 0: the model is better.")
    lower_bound: float | None = Field(description="5 % point of the difference; above 0: beyond noise.")


class Window(Answered):
    """Rows of one window of time."""

    as_of_min: AwareDatetime | None
    as_of_max: AwareDatetime | None
    label_max: AwareDatetime | None = Field(description="The newest outcome used.")
    rows: int
    cases: int = Field(description="Deals, or contracts.")
    positive: int = Field(description="Won, or renewed.")
    negative: int = Field(description="Lost, or churned.")
    censored_rows: int = Field(description="Rows whose outcome was not known yet.")


class Slice(Answered):
    """Test rows of one stage, age or time left."""

    name: str
    rows: int
    cases: int | None = Field(description="Deals, or contracts.")
    share: float | None = Field(description="Share won (renewed), weighted, 0 to 1.")
    mean_p: float | None = Field(description="Mean predicted probability, 0 to 1.")
    auc: float | None
    log_loss: float | None = Field(description="Nats.")


class ReliabilityBin(Answered):
    """Test rows with like predictions."""

    mean_p: float = Field(description="Mean predicted probability, 0 to 1.")
    share: float = Field(description="Share won (renewed), 0 to 1.")
    low: float = Field(description="Lower end of its 95 % interval.")
    high: float = Field(description="Upper end of its 95 % interval.")
    rows: int
    cases: int = Field(description="Deals, or contracts.")


class LiftPoint(Answered):
    """How many of the wins are found in the best-ranked part of the rows."""

    model: str
    looked_at: float = Field(description="Share of the rows looked at, best first, 0 to 1.")
    found: float = Field(description="Share of the wins among them, 0 to 1.")


class AuditCheck(Answered):
    """One check of the leakage audit."""

    check: str
    verdict: str
    evidence: str


class AuditFinding(Answered):
    """A feature that failed a check."""

    feature: str
    check: str
    evidence: str
    remedy: str
    waived: bool
    reason: str = Field(description="Why it is waived; empty if it is not.")


class AuditAnswer(Answered):
    """The leakage audit before training."""

    checked: int = Field(description="Features.")
    dropped: tuple[str, ...]
    waived: tuple[str, ...]
    checks: tuple[AuditCheck, ...]
    findings: tuple[AuditFinding, ...]
    notes: tuple[str, ...]


class DirectionCounts(Answered):
    """Features by whether what was learnt goes the way a rep would expect."""

    agrees: int
    contradicts: int
    mixed: int
    flat: int
    absent: int


class DirectionAnswer(Answered):
    """A feature whose learnt direction contradicts what a rep would expect."""

    feature: str
    expected: str
    verdict: str
    in_outcomes: str | None = Field(description="What the outcomes alone say.")


class Decision(Answered):
    """A decision about which model serves."""

    at: AwareDatetime
    action: str = Field(description="promote, reject, rollback, undo or external.")
    run_id: str
    from_version: str | None = Field(description="The registry's number of the champion before.")
    to_version: str | None = Field(description="The registry's number of the champion after.")
    candidate: str | None = Field(description="The registry's number of the model judged.")
    reasons: tuple[str, ...]


class ModelAnswer(Answered):
    """A model as its run evaluated it, out of time."""

    model_version: str
    run_id: str
    is_serving: bool = Field(description="Whether its scores are the ones published.")
    as_of: AwareDatetime = Field(description="Training stood here; nothing known later was used.")
    headline: str
    claims_skill: bool
    decision: Decision | None
    train: Window
    calibration: Window
    test: Window
    metrics: tuple[Metrics, ...] = Field(description="The model first, then the baselines.")
    versus: tuple[Versus, ...]
    by_stage: tuple[Slice, ...]
    by_age: tuple[Slice, ...]
    by_days_left: tuple[Slice, ...] = Field(description="Of renewals.")
    reliability: tuple[ReliabilityBin, ...]
    lift: tuple[LiftPoint, ...] = Field(description="The model, and what a user would otherwise rank by.")
    audit: AuditAnswer | None
    directions: DirectionCounts | None
    contradictions: tuple[DirectionAnswer, ...]
    notes: tuple[str, ...]


class SubjectAnswer(Answered):
    """What is predicted: win of deals, or renewal of contracts."""

    subject: str
    serving: str | None = Field(description="The version whose scores are published; null without any.")
    is_baseline: bool
    note: str | None = Field(description="Why a baseline serves.")
    champion: ModelAnswer | None = Field(description="The model that serves; null for a baseline.")
    challenger: ModelAnswer | None = Field(description="The newest other model that was evaluated.")
    decisions: tuple[Decision, ...] = Field(description="Newest first.")


class WorthPart(Answered):
    """What a family or a belief is worth."""

    name: str
    title: str
    columns: int
    filled_columns: int
    share: float = Field(description="Share of the contributions, 0 to 1.")
    left_out: Measure | None = Field(description="Log-loss lost without it; above 0: it helps.")
    alone: Measure | None = Field(description="Log-loss saved by adding it to the plain columns.")
    sentence: str


class WorthAnswer(Answered):
    """What each family of features is worth, from `dealcast worth`."""

    run_id: str
    as_of: AwareDatetime
    test_deals: int
    full_log_loss: float
    baseline_log_loss: float = Field(description="Of the plain columns alone.")
    base_rate_log_loss: float
    families: tuple[WorthPart, ...]
    beliefs: tuple[WorthPart, ...]
    notes: tuple[str, ...]


class BacktestScore(Answered):
    """How forecasts of the past did, totals alone."""

    part: str
    period_kind: str
    months_ahead: float | None = Field(description="Null: all of them.")
    model: str = Field(description="dealcast, or a baseline's name.")
    wape: Measure | None = Field(description="Absolute error as a share of what came.")
    bias: Measure | None = Field(description="Error as a share of what came; above 0: forecast too high.")
    coverage: Measure | None = Field(description="Share of periods within the 80 % interval.")


class BacktestAnswer(Answered):
    """The forecast, made again at past instants, from `dealcast backtest`."""

    run_id: str
    as_of: AwareDatetime
    origins: tuple[AwareDatetime, ...]
    horizon_months: int
    headlines: tuple[str, ...]
    scores: tuple[BacktestScore, ...]


class RejectReason(Answered):
    """Why rows were rejected."""

    column: str | None
    reason: str
    rows: int


class DataTable(Answered):
    """A canonical table of the source."""

    table: str
    present: bool
    mapped: int = Field(description="Rows that the mapping gave.")
    rejected: int = Field(description="Of these, rows that break the contract.")
    filled: dict[str, float] = Field(description="Share of rows with a value by column, 0 to 1.")
    reasons: tuple[RejectReason, ...] = Field(description="The commonest.")


class DataNote(Answered):
    """Something worth knowing of the source that is not a fault."""

    table: str
    column: str
    rows: int
    note: str


class DataAnswer(Answered):
    """The load that the run stood on."""

    run_id: str
    load_id: str
    loaded_at: AwareDatetime
    mapping: str
    tables: tuple[DataTable, ...]
    notes: tuple[DataNote, ...]


class ModelsView(Stamped):
    """The models, side by side, and what they rest on."""

    warnings: tuple[str, ...] = Field(description="What the run noted.")
    subjects: tuple[SubjectAnswer, ...]
    worth: WorthAnswer | None = Field(description="Null until `dealcast worth` has measured it.")
    backtest: BacktestAnswer | None = Field(description="Null until `dealcast backtest` has measured it.")
    data: DataAnswer | None
    mlflow_ui_url: str | None
    prefect_ui_url: str | None
