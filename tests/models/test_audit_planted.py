"""Leaks of every known sort, planted in simulated worlds, are all caught; honest fields are left alone."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.errors import UsageError
from data.extract import extract
from data.simulator import simulate
from data.simulator.honest import plant_honest
from data.simulator.leaks import LEAKS, plant_leaks
from data.warehouse import open_warehouse
from features.assemble import feature_frame
from features.catalogue import catalogue
from features.families.custom import custom_fields
from features.snapshots import DAY, Calendar, deal_snapshots, default_as_of
from models.arrays import known_outcomes
from models.audit import AuditReport, audit
from models.audit.end_state import end_states
from models.audit.history import late_history_findings
from models.censoring import window_weights
from models.labels import label_frame
from models.split import time_split

pytestmark = pytest.mark.slow


def audited(source: Path, workspace: Path, *, whole: bool) -> AuditReport:
    """The audit of the whole catalogue, or of the deal's age and the folder's own fields."""
    extract(source=source, mapping="canonical", workspace=workspace, max_reject_share=0.01)
    with open_warehouse(workspace) as warehouse:
        tables = warehouse.tables()
        latest = pc.max(tables["opportunities"].created_at.to_pyarrow()).as_py()
        as_of = default_as_of(tables, latest.replace(year=latest.year + 1))
        features = [
            one for one in catalogue(custom_fields(tables, as_of))
            if (whole or one.family == "custom" or one.name == "deal_age_days")
        ]  # fmt: skip
        calendar = Calendar(as_of, 7 * DAY)
        frame = feature_frame(warehouse.con, tables, deal_snapshots(tables, calendar), features)
        now = pc.equal(frame["as_of"], pa.scalar(as_of, frame["as_of"].type))
        past, open_ = frame.filter(pc.invert(now)), frame.filter(now)
        labels = label_frame(tables["opportunities"], past, as_of)
        train = time_split(labels, as_of=as_of, step_days=7).train
        return audit(
            past.filter(pa.array(train.known)),
            known_outcomes(labels)[train.known],
            weight=window_weights(labels, train)[train.known],
            features=features,
            open_frame=open_,
            ends=end_states(tables, as_of),
            late=late_history_findings(tables, features, as_of),
            closed_frame=past.filter(labels["y"].is_valid()),
        )


@pytest.mark.parametrize(("seed", "whole"), [(31, True), (32, False), (33, False)])
def test_every_planted_leak_is_caught_and_at_most_one_in_a_hundred_clean_columns_flagged(
    seed: int, whole: bool, tmp_path: Path
) -> None:
    simulate(tmp_path / "world", deals=900, seed=seed)
    planted = plant_leaks(tmp_path / "world", tmp_path / "leaky", seed=seed)
    honest = plant_honest(tmp_path / "leaky", tmp_path / "both", seed=seed)
    report = audited(tmp_path / "both", tmp_path / "workspace", whole=whole)
    caught = {kind: [f.check for f in report.findings if f.feature == name] for kind, name in planted.items()}
    assert len(caught) == len(LEAKS) >= 10
    assert [kind for kind, checks in caught.items() if not checks] == []
    wrongly = set(report.dropped) - set(planted.values())
    assert len(honest) >= 50
    assert report.checked >= len(planted) + len(honest)
    assert len(wrongly) <= 0.01 * (report.checked - len(planted)), {
        f.feature: f.evidence for f in report.findings if f.feature in wrongly
    }


def test_the_same_seed_plants_the_same_and_an_unknown_kind_is_named(tmp_path: Path) -> None:
    simulate(tmp_path / "world", deals=40, seed=1)
    for copy in ("one", "two"):
        planted = plant_leaks(tmp_path / "world", tmp_path / copy, kinds=("filled at close",), seed=5)
        assert planted == {"filled at close": "opportunities_x_reviewer"}
    one, two = ((tmp_path / copy / "opportunities.parquet").read_bytes() for copy in ("one", "two"))
    assert one == two
    with pytest.raises(UsageError, match="found no such thing"):
        plant_leaks(tmp_path / "world", tmp_path / "three", kinds=("no such thing",))
