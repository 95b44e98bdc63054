import pytest

from serving.grade import grade_of, stage_bases, trend_of


def letter(p: float, base: float) -> str:
    held = grade_of(p, base)
    assert held is not None
    return held.letter


def test_a_deal_with_the_chance_of_its_stage_is_a_c() -> None:
    held = grade_of(0.3, 0.3)
    assert held is not None
    assert (held.letter, held.base_p) == ("C", 0.3)
    assert held.meaning == "about what deals at its stage have"


def test_grades_follow_the_odds_not_the_points() -> None:
    # odds of 0.2 are 1:4; four times that is 1:1, one and a half times is 3:8
    assert letter(0.5, 0.2) == "A"
    assert letter(0.49, 0.2) == "B"
    assert letter(3 / 11 + 1e-9, 0.2) == "B"
    assert letter(0.27, 0.2) == "C"
    assert letter(1 / 7 - 1e-9, 0.2) == "D"
    assert letter(1 / 17 - 1e-9, 0.2) == "E"


def test_the_same_chance_is_worth_less_at_a_stage_where_more_is_usual() -> None:
    assert letter(0.4, 0.15) == "B"
    assert letter(0.4, 0.7) == "D"


def test_a_certain_deal_has_no_odds_and_no_grade() -> None:
    assert grade_of(1.0, 0.3) is None
    assert grade_of(0.3, 0.0) is None


def test_a_stage_with_few_deals_leans_on_all_deals() -> None:
    stages = ["early"] * 40 + ["late"]
    bases = stage_bases(stages, [0.2] * 40 + [0.8])
    mean = (40 * 0.2 + 0.8) / 41
    assert bases["late"] == pytest.approx((0.8 + 20 * mean) / 21)
    assert bases["early"] == pytest.approx((40 * 0.2 + 20 * mean) / 60)


def test_no_open_deals_have_no_bases() -> None:
    assert stage_bases([], []) == {}


def test_a_deal_scored_once_has_a_trend_without_points() -> None:
    held = trend_of([0.4])
    assert held is not None
    assert (held.direction, held.points, held.overall_points, held.runs) == ("steady", None, 0.0, 1)


def test_less_than_a_point_is_steady() -> None:
    up = trend_of([0.4, 0.42, 0.429])
    assert up is not None
    assert (up.direction, up.points) == ("steady", pytest.approx(0.9))
    assert up.overall_points == pytest.approx(2.9)
    assert trend_of([]) is None
