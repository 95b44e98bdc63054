"""What users ask of a forecast, read from the command's texts."""

import pytest

from data.errors import UsageError
from models.forecast.scenario import Churned, DealLost, DealMoved, DealWon, PriceChange, Renewed, UsageGrowth
from pipelines.what_if import asked_of, change_told, changes_of, months_asked


def test_levels_and_periods_may_be_asked_for_in_any_order() -> None:
    assert asked_of("month,region , Owner").levels == ("region", "owner")
    assert asked_of("month,region").periods == ("month",)
    assert asked_of("region").periods == ("quarter",)
    assert asked_of("quarter,month").periods == ("month", "quarter")


def test_an_unknown_level_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"--by: expected some of region, .*found 'country'"):
        asked_of("region,country")


def test_a_horizon_is_a_number_of_months() -> None:
    assert (months_asked(None), months_asked("12m"), months_asked("6")) == (None, 12, 6)
    for wrong in ("0m", "a year", "12w"):
        with pytest.raises(UsageError, match=r"--horizon: expected months such as 12m"):
            months_asked(wrong)


def test_each_change_of_a_scenario_is_read() -> None:
    assert changes_of(
        won=["D1", "D2=2026-03"], lost=["D3"], move=["D4=2026-05", "D5=+30d", "D6=-2w"], renewed=["K1"],
        churned=["K2"], price=["1.05", "region:EMEA=0.9"], usage=["0.8", "account:A=1=1.2"],
    ) == (
        DealWon("D1"), DealWon("D2", "2026-03"), DealLost("D3"), DealMoved("D4", month="2026-05"),
        DealMoved("D5", days=30), DealMoved("D6", days=-14), Renewed("K1"), Churned("K2"), PriceChange(1.05),
        PriceChange(0.9, "region", "EMEA"), UsageGrowth(0.8), UsageGrowth(1.2, "account", "A=1"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("won", "D1=March"), ("move", "D1"), ("move", "=2026-03"), ("move", "D1=30d"), ("price", "dear"),
        ("price", "planet:Mars=1"), ("usage", "region:=1"), ("usage", "-1"), ("usage", "101"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_by_the_name_of_its_option(option: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"--{option}: expected"):
        changes_of(**{option: [text]})


@pytest.mark.parametrize(
    "options", [{"won": ["D1=2026-03"], "lost": ["D1"]}, {"renewed": ["D1"], "churned": ["K2", "D1"]}]
)
def test_a_scenario_that_contradicts_itself_is_refused(options: dict[str, list[str]]) -> None:
    with pytest.raises(UsageError, match="expected one of the two for 'D1', found both"):
        changes_of(**options)


def test_each_change_of_a_scenario_is_told_in_words() -> None:
    changes = changes_of(
        won=["D1", "D2=2026-03"], lost=["D3"], move=["D4=2026-05", "D5=+30d"], renewed=["K1"], churned=["K2"],
        price=["1.05"], usage=["account:A1=0.8"],
    )  # fmt: skip
    assert [change_told(change) for change in changes] == [
        "deal D1 is won", "deal D2 is won in 2026-03", "deal D3 is lost", "deal D4 closes in 2026-05",
        "deal D5 closes 30 days later", "contract K1 renews", "contract K2 ends with its term",
        "prices × 1.05", "use × 0.8 of account A1",
    ]  # fmt: skip
