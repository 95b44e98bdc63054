"""The worked example of docs/contributing.md, run as it stands there."""

import re
from pathlib import Path

import pytest

from data.warehouse import memory_tables
from features import catalogue as catalogue_module
from features.catalogue import catalogue
from features.dictionary import features_markdown
from features.evidence import evidence
from features.families import momentum
from features.feature import Feature
from features.snapshots import Calendar
from tests.features.worlds import bare, day, frame_of

PAGE = Path(__file__).parents[2] / "docs" / "contributing.md"
NAME = "workshops_90d"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> tuple[Feature, str]:
    """The page's entry, standing in its family's module, and the page's test."""
    entry, test = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    feature: Feature = eval(entry, vars(momentum))
    monkeypatch.setattr(momentum, "FEATURES", (*momentum.FEATURES, feature))
    return feature, test


def test_the_pages_own_test_passes(example: tuple[Feature, str]) -> None:
    names = {"bare": bare, "day": day, "frame_of": frame_of, "Calendar": Calendar, "WEEK_S": 7 * 86_400}
    exec(example[1], names)
    (test,) = (value for name, value in names.items() if name.startswith("test_"))
    test()  # type: ignore[operator]


def test_the_entry_alone_brings_everything_else(example: tuple[Feature, str]) -> None:
    feature, _ = example
    assert feature in catalogue()
    assert f"`{NAME}`" in features_markdown()
    assert feature.tell(2).removesuffix(".") in PAGE.read_text()
    rows = bare() | {
        "activities": [
            {"activity_id": "v1", "opportunity_id": "o1", "kind": "workshop", "occurred_at": day(1)}
        ]
    }
    behind = evidence(memory_tables(rows), feature, "o1", day(30)).to_pyarrow()
    assert behind["row_id"].to_pylist() == ["v1"]


def test_nothing_but_the_family_module_names_it() -> None:
    assert NAME not in {feature.name for feature in catalogue()}
    assert catalogue_module.STREAMS["activities"].source == "activities"
