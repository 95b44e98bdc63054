"""Raw records of deals, scored by the published model through the feature code of the published scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import ModelContractError, UsageError
from features.catalogue import catalogue
from features.context import Context, measure_name
from features.families.custom import CustomField
from features.feature import Feature
from features.measures import count
from features.meetings import MeetingHistory
from features.prepared import PreparedFeatures
from features.record_shapes import record_schemas
from models.room.win_roles import recording_of_roles, win_roles
from models.win_model import WinModel
from serving.live import HeldRun
from serving.people import PEOPLE
from serving.publish import Publication, check_publication
from serving.records import CONTEXT, FIELDS, STAGES
from serving.room import MOMENTS, PROMISES, QUALIFICATION, ROLES, SPIRAL
from serving.score.answer import Scored, ScoredDeal
from serving.score.rows import CheckedRows, checked_rows
from serving.score.told import told_deals
from serving.scoring import readable, score_deals
from serving.timing import KNOTS, TIMING, timing_table

__all__ = ["Scorer", "score_records", "scorer_of"]

_BESIDE = {PROMISES: "promises", SPIRAL: "spiral", MOMENTS: "moments", QUALIFICATION: "qualification"}
_MET, _RECORDED = count("owner_people", fact="met"), count("owner_people", fact="recorded")
_AHEAD = timedelta(days=366)
_SHOWN = 5
_FROM_TEXT = frozenset({"text_moments", "text_promises"})


def score_records(
    run: HeldRun, records: Mapping[str, Sequence[Mapping[str, Any]]], as_of: datetime | None = None, *,
    beside: bool = True,
) -> Scored:  # fmt: skip
    """Score deals from their raw canonical rows, as a run would that had these rows.

    records: rows by canonical table; one row of `opportunities` per deal to score, at most 1,000. The stages
    may be left out: the run's are then taken. as_of: by default the run's; a later one is allowed, up to a
    year, while measures of accounts, sellers and everybody stay as of the run. beside: whether to work out
    what stands beside a score (the room); without it the answer comes sooner.

    Rows that break the data contract are left out whole and listed. Raises UsageError for unknown tables or
    columns, no or too many deals, and an as_of out of range; ModelContractError where the run has no model;
    PublishError where it was published without what scoring needs. Call it from a worker thread, not the
    event loop: the first call for a run takes seconds, the others about a tenth of one.
    """
    at = run.as_of if as_of is None else as_of
    if not run.as_of <= at <= run.as_of + _AHEAD:
        raise UsageError(
            f"as_of: expected {run.as_of.isoformat()} (the run's) or up to a year later, found "
            f"{at.isoformat()}. Earlier instants are scored by `dealcast run --as-of`."
        )
    return scorer_of(run).score(records, at, beside=beside)


def scorer_of(run: HeldRun) -> "Scorer":
    """The scorer of a run, made once (it takes seconds) and kept with the run."""
    return run.memo("scorer", lambda: Scorer.of(run), large=True)


@dataclass(frozen=True)
class Scorer:
    """A run's model and its feature code, compiled."""

    model: WinModel
    prepared: PreparedFeatures
    features: dict[str, Feature]
    fields: tuple[CustomField, ...]
    stages: pa.Table
    users: pa.Table

    @classmethod
    def of(cls, run: HeldRun) -> "Scorer":
        """The scorer of a run. Raises as `score_records` does."""
        model = run.model()
        if model is None:
            raise ModelContractError(f"Run {run.run_id}: {run.model_problem}.")
        fields = tuple(CustomField(**row) for row in run.table(FIELDS).to_pylist())
        features = catalogue(fields)
        context = Context(run.as_of, **{name: run.table(file) for name, file in CONTEXT.items()})
        users = run.table(PEOPLE).select(["user_id", "manager_id"])
        return cls(
            model, PreparedFeatures(features, context, fields), {one.name: one for one in features}, fields,
            run.table(STAGES), users,
        )  # fmt: skip

    def score(
        self, records: Mapping[str, Sequence[Mapping[str, Any]]], as_of: datetime, *, beside: bool
    ) -> Scored:
        """See `score_records`."""
        checked = checked_rows(records, record_schemas(self.fields), as_of)
        deals: tuple[ScoredDeal, ...] = ()
        if checked.open_deals:
            deals = told_deals(self._publication(checked, as_of, beside=beside))
        stands, notes = self.prepared.context.as_of, self._notes(checked, as_of, frozenset(records))
        return Scored(as_of, stands, self.model.version, deals, checked.rejected, notes)

    def _publication(self, checked: CheckedRows, as_of: datetime, *, beside: bool) -> Publication:
        """What a run would publish about the deals."""
        rows = {"stages": self.stages, **checked.tables}
        found: dict[str, pa.Table] = {}
        if beside:
            frame, found = self.prepared.deals(rows, as_of, checked.open_deals)
        else:
            frame = self.prepared.frame(rows, as_of, checked.open_deals)
        frame = readable(frame, self.model)
        tables = {file: found[name] for file, name in _BESIDE.items() if name in found}
        if found:
            tables[ROLES] = self._roles(frame, found)
        if self.model.timing is not None:
            p_win = self.model.p_win(frame)
            curves = p_win[:, None] * self.model.timing.share_closed(frame, np.array(KNOTS, dtype=np.float64))
            tables[TIMING] = timing_table(frame["opportunity_id"], p_win, curves)
        made = score_deals(
            self.model, frame, facts=frame.select(["opportunity_id"]), features=self.features, as_of=as_of,
            data_version="", beside=tables,
        )  # fmt: skip
        check_publication(made)
        return made

    def _roles(self, frame: pa.Table, found: Mapping[str, pa.Table]) -> pa.Table:
        """The room of each deal; how fully sellers record roles comes from the context."""
        owners = self.prepared.context.owners
        met = owners.select(["key", measure_name(_MET), measure_name(_RECORDED)])
        met = met.rename_columns(["owner_id", "touched", "recorded"])
        counts = [met[name].cast(pa.int64()) for name in ("touched", "recorded")]
        met = pa.table([met["owner_id"], *counts], ["owner_id", "touched", "recorded"])
        recording = recording_of_roles(found["owners"], self.users, met.filter(pc.greater(met["touched"], 0)))
        history = MeetingHistory(found["held"], found["came"], found["members"])
        return win_roles(self.model.room, frame, history=history, recording=recording)

    def _notes(self, checked: CheckedRows, as_of: datetime, given: frozenset[str]) -> tuple[str, ...]:
        notes = []
        stands = self.prepared.context.as_of
        if as_of > stands:
            notes.append(
                f"Measures of accounts, sellers and everybody stand at {stands:%Y-%m-%d %H:%M} UTC, those of "
                f"the deals at {as_of:%Y-%m-%d %H:%M} UTC."
            )
        if checked.closed_deals:
            notes.append(
                f"Closed deals are not scored ({_some(checked.closed_deals)}): they count in the history of "
                "accounts and sellers that the run does not know."
            )
        if checked.ignored:
            notes.append(f"Nothing reads these columns: {_some(checked.ignored)}.")
        typed = None if given & _FROM_TEXT else checked.tables.get("activities")
        if typed is not None and any(typed[name].null_count < typed.num_rows for name in ("subject", "body")):
            notes.append(
                "Subjects and bodies were not read for signals; give `text_moments` and `text_promises`."
            )
        return tuple(notes)


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
