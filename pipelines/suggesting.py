"""The step of a run that finds what would help each open deal, for the screen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from data.warehouse import open_warehouse
from features.actionable import ACTIONABLE
from features.catalogue import STREAMS
from features.feature import Learnt
from features.steps import feasible_steps
from features.steps_deal import Standing, Step
from features.steps_state import People, people_of, usual_levels
from features.steps_variants import VariantFeatures
from models.calibration import sigmoid
from models.labels import label_frame
from models.steps_alike import COMPARED_BY, PastDeals, Seen
from models.steps_effect import OpenDeals, Trial, Tried, driver_moves
from models.win_model import WinModel
from pipelines.job import Job
from pipelines.progress import Say
from pipelines.screen import records_of
from pipelines.steps import Built, View, readable
from serving.publish import Publication
from serving.records import CONTEXT, RECORDS, records_file
from serving.room import MOMENTS, PROMISES, QUALIFICATION, ROLES
from serving.suggestions import ALIKE, OTHER, RANGES, SCHEMAS, SOURCES, SUGGESTIONS

__all__ = ["suggestion_tables", "with_suggestions"]

_MOST_SINGLES, _MOST_PAIRS = 5, 3
_STEPS_AT_ONCE = 20_000
_DIGITS = 9

_OF_PAST = {"opportunity_id", "as_of", *COMPARED_BY, *ACTIONABLE, "blockers_known"}
"""What is read of past deals: which are alike, how far they went."""

Row = dict[str, Any]


def with_suggestions(
    job: Job, view: View, built: Built, model: WinModel, publication: Publication, say: Say
) -> Publication:
    """The publication with what would help each of its deals."""
    made = suggestion_tables(job, view, built, model, publication, say)
    of_deals = {name: made.pop(name) for name in (SUGGESTIONS, ALIKE)}
    return replace(
        publication, beside={**publication.beside, **of_deals}, further={**publication.further, **made}
    )


def suggestion_tables(
    job: Job, view: View, built: Built, model: WinModel, publication: Publication, say: Say
) -> dict[str, pa.Table]:
    """What would help the open deals: the tables of `serving.suggestions.SCHEMAS` by file name.

    publication: with the tables of `serving.room`, the records of the deals and the context of the run. All
    are empty for a baseline, which cannot tell.
    """
    found = {name: schema.empty_table() for name, schema in SCHEMAS.items()}
    frame = readable(built.open, model)
    if model.kind == "baseline" or not frame.num_rows:
        return found
    deals = OpenDeals(frame, frame["opportunity_id"].to_pylist(), model.log_odds(frame))
    past = built.past.select([name for name in built.past.column_names if name in _OF_PAST])
    with open_warehouse(job.workspace) as warehouse:
        tables = warehouse.tables(view.as_of)
        alike = PastDeals.of(past, label_frame(tables["opportunities"], past, view.as_of))
        people, levels = people_of(tables, view.as_of, deals.ids), usual_levels(tables, view.as_of)
    steps = _feasible(view, deals, people, levels, publication.beside)
    say(f"what would help {len(deals.ids):,} open deals: {sum(map(len, steps)):,} steps")
    records = {name: publication.beside[records_file(name)] for name in RECORDS}
    work = publication.further[CONTEXT["work"]]
    trial = Trial(deals, VariantFeatures(built.features, records, work, view.as_of), model)
    rows = _suggested(trial, built, steps, alike)
    suggested = pa.Table.from_pylist(rows, schema=SCHEMAS[SUGGESTIONS])
    return {**found, **_compared(deals, alike), SUGGESTIONS: suggested, SOURCES: _sources(built)}


def _feasible(
    view: View, deals: OpenDeals, people: Mapping[str, People], levels: Mapping[str, str],
    beside: Mapping[str, pa.Table],
) -> list[tuple[Step, ...]]:  # fmt: skip
    """The steps that each deal lacks and a seller can take."""
    rows = {name: _by_deal(beside[name]) for name in (ROLES, PROMISES, QUALIFICATION, MOMENTS)}
    values = deals.frame.select([name for name in deals.frame.column_names if name in ACTIONABLE])
    found = []
    for one, held in zip(deals.ids, values.to_pylist(), strict=True):
        standing = Standing(
            as_of=view.as_of,
            people=people.get(one, ()),
            values=held,
            roles=rows[ROLES].get(one, ()),
            promises=rows[PROMISES].get(one, ()),
            answers=rows[QUALIFICATION].get(one, ()),
            moments=rows[MOMENTS].get(one, ()),
            levels=levels,
        )
        found.append(feasible_steps(standing))
    return found


def _suggested(trial: Trial, built: Built, steps: Sequence[tuple[Step, ...]], alike: PastDeals) -> list[Row]:
    """The rows of SUGGESTIONS, worked out for some deals at a time, so that memory stays bounded."""
    deals = trial.deals
    catalogue = {feature.name: feature for feature in built.features}
    own = {name for name, feature in catalogue.items() if records_of(feature, catalogue) == "deal"}
    groups = alike.groups_of(deals.frame)
    rows: list[Row] = []
    for places in _parts(steps):
        singles = trial.singles({place: steps[place] for place in places})
        pairs = trial.pairs(singles)
        told = [one for place in sorted(singles) for one in _best(singles[place], pairs.get(place, []))]
        if not told:
            continue
        moves = driver_moves(trial.model, deals, told, own=own, other=OTHER)
        seen = [alike.seen(groups[one.place], one.thresholds) for one in told]
        for one, moved, past in zip(told, moves, seen, strict=True):
            rows.append(_row(deals, one, moved, past))
    return _ranked(rows)


def _row(deals: OpenDeals, one: Tried, moved: Mapping[str, float], past: Seen) -> Row:
    """A row of SUGGESTIONS, without its rank."""
    alone = one.steps[0] if len(one.steps) == 1 else None
    before = float(deals.log_odds[one.place])
    p_before = float(sigmoid(np.array([before]))[0])
    moves = {family: round(value, _DIGITS) for family, value in moved.items()}
    return {
        "opportunity_id": deals.ids[one.place],
        "steps": "+".join(step.id for step in one.steps),
        "title": alone.title if alone else None,
        "sentence": alone.sentence if alone else None,
        "feature": one.thresholds[0].feature,
        "value_before": one.headline[0],
        "value_after": one.headline[1],
        "p_before": p_before,
        "p_after": p_before + one.gain,
        "gain_log_odds": one.log_odds - before,
        "gain_points": 100 * one.gain,
        "similar_deals": past.deals,
        "similar_won": past.won,
        "seen": past.deals > 0,
        "low": past.low,
        "high": past.high,
        "drivers": orjson.dumps(moves).decode(),
    }


def _ranked(rows: Sequence[Row]) -> list[Row]:
    """The rows with their rank within their deal, from 1 on."""
    ranks: Counter[str] = Counter()
    found = []
    for row in rows:
        ranks[row["opportunity_id"]] += 1
        found.append({**row, "rank": ranks[row["opportunity_id"]]})
    return found


def _best(singles: Sequence[Tried], pairs: Sequence[Tried]) -> list[Tried]:
    """The best of both, the largest gain first."""
    both = [*singles[:_MOST_SINGLES], *pairs[:_MOST_PAIRS]]
    return sorted(both, key=lambda one: (-one.gain, len(one.steps), [step.id for step in one.steps]))


def _compared(deals: OpenDeals, alike: PastDeals) -> dict[str, pa.Table]:
    """Which past deals each open one is compared with, and the values seen in these."""
    groups = alike.groups_of(deals.frame)
    seen = {group: alike.seen(group, ()) for group in dict.fromkeys(groups)}
    of_deals: list[Row] = [
        {
            "opportunity_id": one, "group_id": _id(group), "alike": seen[group].alike,
            "alike_deals": seen[group].alike_deals, "alike_won": seen[group].alike_won,
        }
        for one, group in zip(deals.ids, groups, strict=True)
    ]  # fmt: skip
    values: list[Row] = []
    for group in sorted(seen):
        for feature in sorted(set(ACTIONABLE) & set(deals.frame.column_names)):
            held = alike.range_of(group, feature)
            if held is not None:
                values.append({"group_id": _id(group), "feature": feature, **vars(held)})
    made = {ALIKE: of_deals, RANGES: values}
    return {name: pa.Table.from_pylist(rows, schema=SCHEMAS[name]) for name, rows in made.items()}


def _sources(built: Built) -> pa.Table:
    """The canonical tables that each feature is computed from."""
    catalogue = {feature.name: feature for feature in built.features}
    rows: list[Row] = []
    for name, feature in catalogue.items():
        read = feature.value.reads if isinstance(feature.value, Learnt) else (name,)
        parts = [part for one in read if one in catalogue for part in catalogue[one].evidence_parts()]
        sources = sorted({STREAMS[part.stream].source for part in parts})
        rows += [{"feature": name, "source": source} for source in sources]
    return pa.Table.from_pylist(rows, schema=SCHEMAS[SOURCES])


def _parts(steps: Sequence[tuple[Step, ...]]) -> list[list[int]]:
    """Places of deals, so many at a time that their steps stay few."""
    ends = np.cumsum([len(held) for held in steps])
    parts: dict[int, list[int]] = {}
    for place, end in enumerate(ends.tolist()):
        parts.setdefault(end // _STEPS_AT_ONCE, []).append(place)
    return list(parts.values())


def _by_deal(table: pa.Table) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in table.to_pylist():
        found.setdefault(row["opportunity_id"], []).append(row)
    return found


def _id(group: tuple[int, int]) -> str:
    return f"{group[0]}-{group[1]}"
