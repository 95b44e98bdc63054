"""No sum or difference of what finance sees rests on few deals."""

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.access.actor import Actor
from serving.access.cells import hidden_jointly, hidden_keys, light_cut
from serving.access.gate import Seen
from serving.access.policy import MIN_CELL, Scope
from serving.access.suppress import LEVELS, hidden_cells, is_hidden, seen_figures, seen_terms, suppress
from serving.forecast import BOOKINGS_FILE, SUMMARY_FILE
from serving.live import HeldRun, hold
from tests.serving.forecast_runs import deal, published, tables

RUN_ID = "20261121T000000Z-00000a"
FINANCE = Actor("f", "Fin", frozenset({"finance"}), "sign-in")


def finance(run: HeldRun, minimum: int = MIN_CELL) -> Seen:
    return Seen(run, FINANCE, Scope("forecast", None, minimum))


def test_a_small_cell_takes_another_with_it() -> None:
    assert hidden_keys({"n": 2, "s": 9, "w": 7, "e": 0}, 5) == {"n", "w"}
    assert hidden_keys({"n": 5, "s": 9}, 5) == frozenset()
    assert hidden_keys({"n": 1, "s": 2, "w": 8}, 5) == {"n", "s", "w"}
    assert hidden_keys({"n": 3, "s": 2, "w": 8}, 5) == {"n", "s"}
    assert hidden_keys({"n": 3}, 5) == {"n"}
    assert hidden_keys({}, 5) == frozenset()
    assert suppress({"n": 1.0, "s": 2.0, "w": 3.0, "x": 4.0}, {"n": 2, "s": 9, "w": 7}, 5) == {
        "n": None, "s": 2.0, "w": None, "x": None,
    }  # fmt: skip


def test_a_cell_that_another_level_lays_bare_is_hidden_too() -> None:
    # the six northern deals are the five of retail and one more: north less retail is that one
    first = ["north"] * 6 + ["south"] * 10
    second = ["retail"] * 5 + ["energy"] * 11
    hidden = hidden_jointly(first, second, 5)
    assert hidden[1] == {"retail", "energy"} or hidden[0] == {"north", "south"}
    assert learnt(first, second, hidden) >= 5


def shown_sums(keys: list[str], hidden: Iterable[str]) -> list[np.ndarray]:
    """Which rows each shown figure of a level is a sum of, the total less them all included."""
    held = np.array(keys)
    shown = sorted(set(keys) - set(hidden))
    return [(held == key).astype(float) for key in shown]


def learnt(first: list[str], second: list[str], hidden: tuple[Iterable[str], Iterable[str]]) -> int:
    """The fewest rows that any sum or difference of shown figures rests on, by trying every way to add them.

    Sums of rows in a cell of both levels are the unknowns. The values that add up to nothing but what a few
    cells hold exist only if those cells' rows of the null space of the figures are linearly dependent.
    """
    total = [np.ones(len(first))]
    figures = np.array(total + shown_sums(first, hidden[0]) + shown_sums(second, hidden[1]))
    cells = sorted(set(zip(first, second, strict=True)))
    place = [cells.index(cell) for cell in zip(first, second, strict=True)]
    rows = np.bincount(place)
    by_cell = np.zeros((len(figures), len(cells)))
    by_cell[:, place] = figures
    free = np.linalg.svd(by_cell)[2][np.linalg.matrix_rank(by_cell) :]
    fewest = sum(rows)
    for size in range(1, min(MIN_CELL, len(cells)) + 1):
        for some in combinations(range(len(cells)), size):
            if (held := int(rows[list(some)].sum())) < fewest and np.linalg.matrix_rank(
                free[:, some], tol=1e-9
            ) < size:
                fewest = held
    return int(fewest)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")), min_size=5, max_size=60),
)
def test_no_sum_or_difference_over_both_levels_rests_on_fewer_than_the_minimum(
    rows: list[tuple[str, str]],
) -> None:
    first, second = [one for one, _ in rows], [other for _, other in rows]
    assert learnt(first, second, hidden_jointly(first, second, MIN_CELL)) >= MIN_CELL


def test_the_attack_finds_what_hiding_small_cells_alone_would_give_away() -> None:
    first = ["north"] * 6 + ["south"] * 10
    second = ["retail"] * 5 + ["energy"] * 11
    assert learnt(first, second, ((), ())) == 1
    first, second = ["a", "b", "b"] * 5, ["x"] * 15
    assert learnt(["only"] * 3 + first, ["x"] * 3 + second, ((), ())) == 3
    assert learnt(["only"] * 3 + first, ["x"] * 3 + second, (("only",), ())) == 3


def test_where_cells_are_large_and_well_mixed_nothing_is_hidden() -> None:
    first, second = ["n", "s"] * 30, ["r", "e", "b"] * 20
    assert hidden_jointly(first, second, MIN_CELL) == (frozenset(), frozenset())


def test_a_light_cut_is_found_and_none_is_made_up() -> None:
    ring = np.array([[0, 4, 0, 3], [4, 0, 6, 0], [0, 6, 0, 9], [3, 0, 9, 0]])
    assert light_cut(ring, 7) is None
    side = light_cut(ring, 8)
    assert side is not None
    assert side.tolist() in ([True, False, False, False], [False, True, True, True])
    apart = np.array([[0, 9, 0, 0], [9, 0, 0, 0], [0, 0, 0, 2], [0, 0, 2, 0]])
    assert light_cut(apart, 5) is not None
    assert light_cut(apart[:2, :2], 5) is None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> HeldRun:
    """Twelve deals in the north, three in the south, one of which has no amount; seven in the west."""
    places = ["north"] * 12 + ["south"] * 3 + ["west"] * 7
    deals = [
        deal(f"D{n:02}", 0.3 + 0.02 * n, None if n == 14 else 100.0 + n, region=place)
        for n, place in enumerate(places)
    ]
    workspace = tmp_path_factory.mktemp("w")
    published(workspace, RUN_ID, tables(deals))
    return hold(workspace)


def test_every_published_figure_of_a_hidden_key_is_empty_in_every_period_and_part(run: HeldRun) -> None:
    seen = finance(run)
    assert hidden_cells(seen) == {"region": {"south", "west"}, "segment": frozenset()}
    rows = seen_figures(seen, run.table(BOOKINGS_FILE).to_pylist())
    assert len(rows) == run.table(BOOKINGS_FILE).num_rows
    for row in rows:
        of_deals = row["part"] in ("open_deals", "bookings")
        expected = of_deals and (row["level"] == "owner" or row["key"] in ("south", "west"))
        assert row["hidden"] == expected
        assert (row["mean"] is None) == expected == (row["p50"] is None)


def test_whoever_sees_single_deals_sees_every_figure(run: HeldRun) -> None:
    ops = Seen(run, FINANCE, Scope("forecast", None))
    rows = seen_figures(ops, run.table(BOOKINGS_FILE).to_pylist())
    assert not any(row.pop("hidden") for row in rows)
    assert rows == run.table(BOOKINGS_FILE).to_pylist()


def test_no_difference_of_published_means_gives_a_hidden_cell_back(run: HeldRun) -> None:
    table = run.table(BOOKINGS_FILE).to_pylist() + run.table(SUMMARY_FILE).to_pylist()
    truth = {(r["part"], r["level"], r["key"], r["period"]): r["mean"] for r in table}
    rows = {
        (r["part"], r["level"], r["key"], r["period"]): r["mean"]
        for r in seen_figures(finance(run), table)
        if r["mean"] is not None
    }
    secrets = [mean for key, mean in truth.items() if key not in rows and key[2] in ("south", "west")]
    assert len(secrets) > 10
    named = list(rows.values())
    known = np.array(sorted({*named, *(a - b for a in named for b in named)}))
    # one shown figure less another; and what is left of a total after all that is shown of a level
    left = []
    for (part, level, key, period), mean in rows.items():
        if level != "total" or key != "total":
            continue
        for at in LEVELS:
            shown = [m for (p, lv, _, per), m in rows.items() if (p, lv, per) == (part, at, period)]
            left.append(mean - sum(shown))
    known = np.sort(np.concatenate([known, left]))
    for secret in secrets:
        place = np.searchsorted(known, secret)
        near = known[max(place - 1, 0) : place + 1]
        assert not np.isclose(near, secret, rtol=1e-9, atol=1e-9).any()


def test_a_scenario_shows_deals_by_no_level_but_the_one_it_changes(run: HeldRun) -> None:
    seen = Seen(run, FINANCE, Scope("scenario", None, MIN_CELL))
    rows = run.table(BOOKINGS_FILE).to_pylist()

    def levels(changed: set[str] | None) -> set[str]:
        return {
            row["level"]
            for row in seen_figures(seen, rows, changed=changed)
            if row["part"] == "open_deals" and not row["hidden"]
        }

    assert levels(None) == {"total"}
    assert levels({"total"}) == levels(set()) == {"total", "region", "segment"}
    assert levels({"region"}) == {"total", "region"}
    assert levels({"total", "segment"}) == {"total", "segment"}
    assert levels({"region", "segment"}) == {"total"}
    assert levels({"product"}) == {"total"}
    assert is_hidden(seen, "bookings", "region", "south", changed={"region"})


def test_too_few_deals_in_all_hide_the_total_as_well(tmp_path: Path) -> None:
    published(tmp_path, RUN_ID, tables([deal("D1"), deal("D2")]))
    seen = finance(hold(tmp_path))
    assert is_hidden(seen, "open_deals", "total", "total")
    assert is_hidden(seen, "bookings", "region", "north")
    assert not is_hidden(seen, "renewals", "total", "total")


def term(name: str, amount: float, items: int | None, part: str = "bookings") -> dict[str, object]:
    return {
        "part": part, "term": name, "title": name, "amount": amount, "items": items, "largest_id": "D1",
        "largest_amount": amount, "sentence": f"{name}: the largest Deal D1.", "currency": "EUR",
    }  # fmt: skip


def test_a_change_made_by_few_deals_is_told_with_others_and_names_no_deal(run: HeldRun) -> None:
    rows = [
        term("before", 900.0, None),
        term("won", -100.0, 2),
        term("lost", -50.0, 6),
        term("probability", 30.0, 40),
        term("not_yet_created", 5.0, None),
        term("after", 785.0, None),
        term("decided", -1.0, 1, part="renewals"),
    ]
    seen = seen_terms(finance(run), rows)
    assert [(row["term"], row["amount"], row["items"]) for row in seen] == [
        ("before", 900.0, None),
        ("other_terms", -150.0, 8),
        ("probability", 30.0, 40),
        ("not_yet_created", 5.0, None),
        ("after", 785.0, None),
        ("decided", -1.0, 1),
    ]
    told = [row for row in seen if row["part"] == "bookings" and row["term"] not in ("before", "after")]
    assert [row["sentence"] for row in told] == [
        "Down 150 EUR: other changes (8 deals).",
        "Up 30 EUR: probability (40 deals).",
        "Up 5 EUR: not_yet_created.",
    ]
    assert {row["largest_id"] for row in told} == {None}
    assert seen_terms(Seen(run, FINANCE, Scope("forecast", None)), rows) == rows


def test_a_change_of_few_deals_in_all_is_not_told_to_finance(run: HeldRun, tmp_path: Path) -> None:
    others = [term("before", 5.0, None, part="renewals"), term("after", 6.0, None, part="renewals")]
    ends = [term("before", 900.0, None), term("after", 800.0, None)]
    few = [*ends, term("won", -90.0, 1), term("lost", -10.0, 3), *others]
    assert seen_terms(finance(run), few) == others
    assert len(seen_terms(finance(run), [*few, term("probability", 0.0, 1)])) == 5
    published(tmp_path, RUN_ID, tables([deal("D1"), deal("D2")]))
    many = [*ends, term("won", -90.0, 6), term("lost", -10.0, 7), *others]
    assert seen_terms(finance(hold(tmp_path)), many) == others
    assert len(seen_terms(finance(run), many)) == 6
