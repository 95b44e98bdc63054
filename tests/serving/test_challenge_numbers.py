"""The challenger's number: a corrected value scored by the real model, or a factor's part taken out."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.errors import UsageError
from models.split import time_split
from models.training import train_win
from models.win_model import WinModel
from serving.challenges.numbers import checked_correction, numbers_corrected, numbers_set_aside
from serving.live import HeldRun, hold
from serving.publish import publish
from serving.scoring import score_deals
from tests.models.conftest import World, make_world
from tests.serving.access_world import AS_OF, FIRST, publication


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(deals=200)


@pytest.fixture(scope="module")
def modelled(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[WinModel, pa.Table, HeldRun]:
    """A small model, the frame of three deals that it scored, and the run that published them."""
    split = time_split(world.labels, as_of=world.as_of, step_days=7)
    model = train_win(world.frame, world.labels, split, world.features, seed=7, n_trials=0)
    newest = world.frame.filter(pc.equal(world.frame["as_of"], pc.max(world.frame["as_of"]))).slice(0, 3)
    ids = newest["opportunity_id"]
    facts = publication().deals.slice(0, 3).set_column(0, "opportunity_id", ids)
    made = score_deals(
        model, newest, facts=facts.drop_columns(["previous_p_win", "evidence", "top_reason"]),
        features={one.name: one for one in world.features}, as_of=AS_OF, data_version="f" * 64,
    )  # fmt: skip
    workspace = tmp_path_factory.mktemp("modelled")
    publish(workspace, FIRST, made)
    model.save(workspace / "models" / model.version)
    return model, newest, hold(workspace)


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("meetings", 9),
        ("champion_met", True),
        ("champion_met", False),
        ("region", "north"),
        ("days_in_stage", 30.0),
        ("stage", "c"),
    ],
)
def test_a_corrected_value_is_scored_by_the_real_model(
    modelled: tuple[WinModel, pa.Table, HeldRun], feature: str, value: object
) -> None:
    model, frame, run = modelled
    place = frame.schema.get_field_index(feature)
    corrected = frame.set_column(place, feature, pa.array([value] * 3, frame.schema.field(feature).type))
    for rank, published_at in enumerate(run.deals.published.tolist()):
        numbers = numbers_corrected(run, rank, feature, value)
        assert numbers.p_model == pytest.approx(float(run.deals.p_win[rank]), abs=1e-12)
        assert numbers.log_odds_model == pytest.approx(float(model.log_odds(frame)[published_at]), abs=1e-12)
        expected = float(model.log_odds(corrected)[published_at])
        assert numbers.log_odds_challenged == pytest.approx(expected, abs=1e-9)


def test_a_factor_set_aside_leaves_base_and_the_other_contributions(
    modelled: tuple[WinModel, pa.Table, HeldRun],
) -> None:
    model, frame, run = modelled
    base, parts = model.contributions(frame)
    place = model.feature_names.index("meetings")
    for rank, published_at in enumerate(run.deals.published.tolist()):
        others = base + parts[published_at].sum() - parts[published_at, place]
        assert numbers_set_aside(run, rank, "meetings").log_odds_challenged == pytest.approx(others, abs=1e-9)


def test_a_corrected_category_must_be_one_that_the_model_knows(
    modelled: tuple[WinModel, pa.Table, HeldRun],
) -> None:
    run = modelled[2]
    assert checked_correction(run, "stage", "a") == "a"
    assert checked_correction(run, "champion_met", "Yes") is True
    assert checked_correction(run, "meetings", "12") == 12
    with pytest.raises(UsageError, match=r"stage: expected one of a, b, c, found 'z'"):
        checked_correction(run, "stage", "z")
    with pytest.raises(UsageError, match=r"meetings: expected a whole number from 0, found '2\.5'"):
        checked_correction(run, "meetings", "2.5")
    with pytest.raises(UsageError, match="champion_met: expected true or false, found 'maybe'"):
        checked_correction(run, "champion_met", "maybe")
