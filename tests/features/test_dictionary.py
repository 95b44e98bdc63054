"""The dictionary page tells of each feature what it is, what it tests and what it was found to be worth."""

from features.catalogue import catalogue
from features.dictionary import features_markdown


def line(page: str, feature: str) -> str:
    return next(row for row in page.splitlines() if row.startswith(f"| `{feature}` |"))


def document(*, notes: list[str]) -> dict:
    rows = [
        {"feature": "promise_slips", "filled": True, "share": 0.0321, "lower_bound": 0.001},
        {"feature": "promises_overdue", "filled": True, "share": 0.001, "lower_bound": -0.001},
        {"feature": "fomo_evidence", "filled": False, "share": 0.0, "lower_bound": 0.0},
    ]
    return {
        "notes": notes,
        "families": [{"name": "promises", "sentence": "worth 0.021 (0.012 to 0.030) of log-loss"}],
        "features": rows,
        "directions": {"features": [{"feature": "promise_slips", "verdict": "contradicts"}]},
    }


def test_each_feature_has_a_row_with_all_that_a_reviewer_asks_for() -> None:
    page = features_markdown({})
    for feature in catalogue():
        row = line(page, feature.name)
        for said in (feature.description, feature.expected, feature.sentence.replace("{value}", "…")):
            assert said.replace("|", "\\|") in row
        assert row.endswith("| not measured |")
    assert "Not yet tested" not in page


def test_worth_is_told_with_its_noise_and_the_learnt_direction() -> None:
    page = features_markdown({"data": {"acme": document(notes=[])}})
    assert line(page, "promise_slips").endswith("| acme 3.2 %*, contradicts |")
    assert line(page, "promises_overdue").endswith("| acme 0.1 % |")
    assert line(page, "fomo_evidence").endswith("| filled in no data that was measured |")
    assert line(page, "stage").endswith("| not measured |")
    assert "- acme: worth 0.021 (0.012 to 0.030) of log-loss." in page


def test_data_on_which_the_whole_model_is_noise_has_no_say_on_features() -> None:
    page = features_markdown({"data": {"maven": document(notes=["noise"])}})
    assert line(page, "promise_slips").endswith("| not measured |")
    assert "of log-loss (the whole model is noise there)." in page
