"""The promotion rule, the ledger, and what is left after a crash between ledger and alias."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest

from data.errors import ModelContractError
from models.baselines import BASELINES
from models.evaluation import Evaluation, evaluate
from models.ledger import Entry, append, read_ledger
from models.manifest import write_manifest
from models.promotion import decide, headline, ledger_path, promote, reconcile, reject, rollback
from models.registry import (
    CHAMPION,
    RegistryUnreachableError,
    TrainingRecord,
    alias_version,
    load_champion,
    move_alias,
    register,
    store_at,
)
from models.split import Split, Window

AT = datetime(2025, 7, 1, 5, tzinfo=UTC)
SOUND = {"additivity_gap": 1e-12, "seconds_per_row": 1e-4}


def _evaluated(p, y, baseline=0.5) -> Evaluation:
    """An evaluation of one test row per deal."""
    n = len(y)
    start = AT - timedelta(days=30)
    instant = pa.timestamp("us", "UTC")
    labels = pa.table(
        {
            "opportunity_id": [f"d{i}" for i in range(n)],
            "as_of": pa.array([start] * n, instant),
            "y": pa.array(np.asarray(y, dtype=np.int8)),
            "closed_at": pa.array([AT - timedelta(days=1)] * n, instant),
        }
    )
    none, every = np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    before = Window(start, start, none, none)
    split = Split(AT, before, before, Window(start, AT, every, every), None)
    baselines = {name: np.full(n, baseline) for name in BASELINES}
    return evaluate(
        labels.select(["opportunity_id", "as_of"]),
        labels,
        split=split,
        weight=np.ones(n),
        p_win=p,
        baselines=baselines,
        model_version="win-x",
        replicates=100,
    )


def _world(n=600, seed=0):
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(0, 1.3, n)))
    return p, (rng.random(n) < p).astype(float)


def _shift(p, by, scale=1.0):
    return 1 / (1 + np.exp(-(scale * np.log(p / (1 - p)) + by)))


def test_the_first_model_is_promoted_if_it_beats_base_rate_and_stage_probability():
    p, y = _world()
    decision = decide(_evaluated(p, y), champion_p=None, **SOUND)
    assert decision.promote
    assert "no champion to beat" in decision.reasons[0]


def test_a_first_model_without_skill_is_not_promoted_and_the_reason_says_so():
    p, y = _world()
    decision = decide(_evaluated(np.random.default_rng(1).permutation(p), y), champion_p=None, **SOUND)
    assert not decision.promote


def test_a_challenger_replaces_the_champion_only_if_better_by_more_than_noise():
    p, y = _world()
    challenger = _evaluated(p, y)
    assert decide(challenger, champion_p=_shift(p, 0.8), **SOUND).promote
    equal = decide(challenger, champion_p=p, **SOUND)
    nearly = decide(challenger, champion_p=_shift(p, 0.01), **SOUND)
    for decision in (equal, nearly):
        assert not decision.promote
        assert "Not better than the champion" in decision.reasons[0]
    assert not decide(_evaluated(_shift(p, 0.4), y), champion_p=p, **SOUND).promote


def test_a_champion_that_can_no_longer_score_does_not_block_a_sound_challenger():
    p, y = _world()
    assert decide(_evaluated(p, y), champion_p=np.full(len(y), np.nan), **SOUND).promote


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda p: np.where(np.arange(len(p)) == 3, np.nan, p), "not probabilities"),
        (lambda p: np.full(len(p), 0.4), "same probability"),
        (lambda p: _shift(p, 0, scale=4), "Calibration is out of bounds"),
    ],
)
def test_a_challenger_that_breaks_a_guard_is_rejected_with_the_reason(broken, says):
    p, y = _world()
    decision = decide(_evaluated(broken(p), y), champion_p=None, **SOUND)
    assert not decision.promote
    assert says in decision.reasons[0]


def test_explanations_that_do_not_add_up_and_slow_scoring_are_rejected():
    p, y = _world()
    decision = decide(_evaluated(p, y), champion_p=None, additivity_gap=1e-3, seconds_per_row=float("nan"))
    assert not decision.promote
    assert "explanations miss" in decision.reasons[0]
    assert "s a row" in decision.reasons[1]


def test_champion_predictions_of_other_rows_are_refused():
    p, y = _world()
    with pytest.raises(ModelContractError, match="expected 600"):
        decide(_evaluated(p, y), champion_p=p[:10], **SOUND)


def _entry(version, **changes):
    whole = {"at": "2025-07-01T05:00:00Z", "action": "promote", "from_version": None, "to_version": version,
             "candidate": version, "reasons": ("ok",), "headline": {"auc": 0.8}, "run_id": "r"}  # fmt: skip
    return Entry(**{**whole, **changes})


def test_the_ledger_keeps_every_line_in_order_and_chains_them(tmp_path):
    path = tmp_path / "promotions.jsonl"
    for version in ("1", "2", "3"):
        append(path, _entry(version))
    assert [entry.to_version for entry in read_ledger(path)] == ["1", "2", "3"]
    lines = path.read_bytes().splitlines()
    assert orjson.loads(lines[0])["previous_sha256"] == "0" * 64
    path.write_bytes(path.read_bytes().replace(b"0.8", b"0.9", 1))
    with pytest.raises(ModelContractError, match="line 2"):
        read_ledger(path)


def test_a_line_cut_short_by_a_crash_never_took_effect_and_the_next_one_takes_its_place(tmp_path):
    path = tmp_path / "promotions.jsonl"
    append(path, _entry("1"))
    with path.open("ab") as file:
        file.write(b'{"at":"2025-07-0')
    assert len(read_ledger(path)) == 1
    append(path, _entry("2"))
    assert [entry.to_version for entry in read_ledger(path)] == ["1", "2"]


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    """A store with three registered versions: making its tables takes seconds, so it is made once."""
    made = store_at(tmp_path_factory.mktemp("workspace"))
    for version in ("a", "b", "c"):
        folder = made.workspace / f"saved-{version}"
        files = {"booster.txt": f"tree {version}\n".encode(), "model.json": b"{}"}
        write_manifest(folder, files, {"version": version})
        register(made, TrainingRecord("r1", version, folder, {}, {"metrics": {}, "versus": {}}, "sha", {}))
    return made


@pytest.fixture
def store(registered):
    """The same store with no champion, no ledger, no local copies and sound files."""
    if alias_version(registered, CHAMPION) is not None:
        move_alias(registered, CHAMPION, None)
    ledger_path(registered).unlink(missing_ok=True)
    shutil.rmtree(registered.workspace / "models", ignore_errors=True)
    for booster in (registered.workspace / "mlartifacts").rglob("booster.txt"):
        version = orjson.loads((booster.parent / "manifest.json").read_bytes())["version"]
        booster.write_text(f"tree {version}\n")
    return registered


def _promote(store, version, expected):
    promote(
        store,
        version,
        expected_champion=expected,
        reasons=("better",),
        headline={},
        run_id="r",
        at=AT,
    )


def _actions(store):
    return [(e.action, e.from_version, e.to_version) for e in read_ledger(ledger_path(store))]


def test_promotions_and_rollbacks_move_the_alias_and_leave_a_trail(store):
    _promote(store, "1", None)
    _promote(store, "2", "1")
    _promote(store, "3", "2")
    assert load_champion(store).model_version == "c"
    assert rollback(store, reason="complaints", run_id="r", at=AT) == "2"
    assert rollback(store, reason="more complaints", run_id="r", at=AT) == "1"
    assert load_champion(store).model_version == "a"
    assert _actions(store)[3:] == [("rollback", "3", "2"), ("rollback", "2", "1")]
    with pytest.raises(ModelContractError, match="no champion before version 1; there is nothing"):
        rollback(store, reason="again", run_id="r", at=AT)
    assert alias_version(store, CHAMPION) == "1"


def test_a_promotion_against_a_champion_that_has_moved_changes_nothing(store):
    _promote(store, "1", None)
    with pytest.raises(ModelContractError, match="expected champion none, found 1"):
        _promote(store, "2", None)
    assert alias_version(store, CHAMPION) == "1"
    assert len(_actions(store)) == 1


def test_a_rejected_challenger_is_noted_with_its_reason_and_the_champion_stays(store):
    _promote(store, "1", None)
    p, y = _world()
    evaluation = _evaluated(np.full(len(y), 0.4), y)
    decision = decide(evaluation, champion_p=p, **SOUND)
    reject(store, "2", reasons=decision.reasons, headline=headline(evaluation), run_id="r", at=AT)
    last = read_ledger(ledger_path(store))[-1]
    assert (last.action, last.to_version, last.candidate) == ("reject", "1", "2")
    assert "same probability" in last.reasons[0]
    assert last.headline["test_rows"] == len(y)
    assert alias_version(store, CHAMPION) == "1"


def test_a_version_whose_files_do_not_verify_is_not_promoted(store):
    _promote(store, "1", None)
    for booster in (store.workspace / "mlartifacts").rglob("booster.txt"):
        if booster.read_text() == "tree b\n":
            booster.write_text("tree x\n")
    with pytest.raises(ModelContractError, match=r"booster\.txt"):
        _promote(store, "2", "1")
    assert alias_version(store, CHAMPION) == "1"
    assert len(_actions(store)) == 1


def test_an_alias_moved_by_other_means_is_noted_and_accepted(store):
    _promote(store, "1", None)
    move_alias(store, CHAMPION, "3")
    assert "moved by other means" in reconcile(store, at=AT, run_id="r")
    assert _actions(store)[-1] == ("external", "1", "3")
    assert reconcile(store, at=AT, run_id="r") is None
    assert rollback(store, reason="not that one", run_id="r", at=AT) == "1"


_KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from models import promotion
from models.registry import store_at
point, workspace = sys.argv[1], Path(sys.argv[2])
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
whole = getattr(promotion, point.split("-")[1])
def die_after(*arguments):
    whole(*arguments)
    die()
setattr(promotion, point.split("-")[1], die if point.startswith("before") else die_after)
promotion.promote(store_at(workspace), "2", expected_champion="1", reasons=("better",), headline={},
                  run_id="killed", at=datetime(2025, 7, 1, tzinfo=UTC))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "champion", "after"),
    [
        ("before-append", "1", "1"),
        ("after-append", "1", "2"),
        ("before-move_alias", "1", "2"),
        ("after-move_alias", "2", "2"),
    ],
)
def test_a_promotion_killed_at_any_point_leaves_the_old_or_the_new_champion_and_is_reconciled(
    store, point, champion, after
):
    _promote(store, "1", None)
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", _KILLED, point, str(store.workspace)], cwd=root, check=False)
    assert done.returncode == -9
    assert alias_version(store, CHAMPION) == champion
    said = reconcile(store, at=AT, run_id="r")
    assert (said is not None) == (champion != after)
    assert alias_version(store, CHAMPION) == after
    assert reconcile(store, at=AT, run_id="r") is None
    _promote(store, "3", after)
    assert load_champion(store).model_version == "c"


@pytest.mark.slow
def test_a_cut_short_promotion_of_a_model_that_no_longer_verifies_is_undone(store):
    _promote(store, "1", None)
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", _KILLED, "before-move_alias", str(store.workspace)], cwd=root, check=False
    )
    for booster in store.workspace.rglob("booster.txt"):
        if booster.read_text() == "tree b\n":
            booster.write_text("tree x\n")
    assert "does not verify" in reconcile(store, at=AT, run_id="r")
    assert _actions(store)[-1] == ("undo", "2", "1")
    assert alias_version(store, CHAMPION) == "1"


def test_with_the_registry_away_nothing_is_promoted_and_nothing_is_noted(store):
    away = store_at(store.workspace, tracking_uri=f"sqlite:///{store.workspace / 'gone.db'}")
    _promote(store, "1", None)
    with pytest.raises(RegistryUnreachableError):
        _promote(away, "2", "1")
    assert len(_actions(store)) == 1
