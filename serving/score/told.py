"""From the tables that a run publishes about deals to one value per deal."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from models.explain import Driver
from serving.deals import Reason
from serving.publish import Publication
from serving.room import MOMENTS, PROMISES, QUALIFICATION, ROLES, SPIRAL, DealRoom
from serving.score.answer import ScoredDeal
from serving.timing import TIMING, curve_of_row

__all__ = ["told_deals"]

Row = dict[str, Any]


def told_deals(made: Publication) -> tuple[ScoredDeal, ...]:
    """The deals of a publication, sorted by opportunity_id."""
    drivers, reasons = _by_deal(made.drivers), _by_deal(made.reasons)
    room = {
        name: _by_deal(made.beside[name]) if name in made.beside else {}
        for name in (ROLES, PROMISES, SPIRAL, QUALIFICATION, MOMENTS)
    }
    curves = _by_deal(made.beside[TIMING]) if TIMING in made.beside else {}
    told = []
    for score, parts, values, facts in zip(
        made.scores.to_pylist(), made.contributions.to_pylist(), made.features.to_pylist(),
        made.deals.to_pylist(), strict=True,
    ):  # fmt: skip
        deal = score["opportunity_id"]
        said = [Reason(one["feature"], one["log_odds"], one["sentence"]) for one in reasons.get(deal, ())]
        curve = curves.get(deal)
        told.append(
            ScoredDeal(
                opportunity_id=deal,
                p_win=score["p_win"],
                log_odds=score["log_odds"],
                base_log_odds=score["base_log_odds"],
                contributions={name: part for name, part in parts.items() if name != "opportunity_id"},
                features={name: value for name, value in values.items() if name != "opportunity_id"},
                drivers=tuple(
                    Driver(one["family"], one["title"], one["log_odds"]) for one in drivers.get(deal, ())
                ),
                up=tuple(one for one in said if one.log_odds > 0),
                down=tuple(one for one in said if one.log_odds < 0),
                evidence=facts["evidence"],
                p_won_by=None if curve is None else curve_of_row(curve[0]),
                room=_room(room, deal),
            )
        )
    return tuple(told)


def _room(room: Mapping[str, Mapping[str, list[Row]]], deal: str) -> DealRoom:
    def rows(name: str) -> tuple[Row, ...]:
        return tuple(room[name].get(deal, ()))

    return DealRoom(rows(ROLES), rows(PROMISES), rows(SPIRAL), rows(QUALIFICATION), rows(MOMENTS))


def _by_deal(table: pa.Table) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in table.to_pylist():
        found[row["opportunity_id"]].append(row)
    return found
