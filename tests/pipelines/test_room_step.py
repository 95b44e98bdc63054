"""What a run learns about the room is told beside its evaluation, and travels with the registered model."""

import json
from pathlib import Path
from typing import Any

import pytest

from models.win_model import WinModel

Ran = tuple[Path, dict[str, Any], str]


@pytest.mark.slow
def test_a_run_says_how_well_it_knows_who_comes_next(ran: Ran) -> None:
    _, result, _ = ran
    told = json.loads(Path(result["paths"]["room"]).read_text())
    attendance = told["attendance"]
    assert attendance["deals"] > 20
    low, high = attendance["versus"]["deal_frequency"]["interval"]
    assert low < attendance["versus"]["deal_frequency"]["difference"] < high
    assert attendance["basis"] == "model"
    assert told["expected_roles"]["won_deals"] > 20
    assert told["expected_roles"]["alike_by"] == ["stage", "deal_age_days", "decision_structure"]


@pytest.mark.slow
def test_the_room_stands_in_the_registered_models_folder(ran: Ran) -> None:
    workspace, result, _ = ran
    rooms = list((workspace / "models").glob("*/room.json"))
    assert rooms
    models = [WinModel.load(room.parent) for room in rooms]
    assert all(model.room is not None and model.room.attendance is not None for model in models)
    assert not result["is_baseline"] or result["model_version"] not in {model.version for model in models}
