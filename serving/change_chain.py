"""The terms of a deal's change over one run or several, added up along the chain of runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from data.errors import PublishError
from models.change import KINDS, points_per_log_odds
from models.change_words import Term
from serving.change_table import CHANGES
from serving.deals import rows_of
from serving.published import Published, glance

__all__ = ["Chain", "Standing", "chain_of", "largest_first", "standing", "terms_of"]

_DEALS = "win_deals.parquet"
_SCORES = "win_scores.parquet"


@dataclass(frozen=True)
class Standing:
    """A deal's score in a run."""

    run_id: str
    as_of: datetime
    model_version: str
    p: float
    log_odds: float


@dataclass(frozen=True)
class Chain:
    """How a deal came from its score in an earlier run, `first`, to that of a run.

    terms: add up to the difference; largest first. is_broken: a run between the two is gone or holds no
    changes, so that only the whole can be told. first: None where there is no score to compare with.
    """

    first: Standing | None
    terms: tuple[Term, ...] = ()
    is_broken: bool = False


def standing(run: Published, opportunity_id: str) -> Standing | None:
    """The deal's score in the run; None if it has none."""
    rows: list[dict[str, Any]] = rows_of(run.table(_SCORES), opportunity_id)
    if not rows:
        return None
    return Standing(run.run_id, run.as_of, run.model_version, rows[0]["p_win"], rows[0]["log_odds"])


def terms_of(run: Published, opportunity_id: str) -> tuple[Term, ...]:
    """The terms of the deal's change since the run before, largest first; none for a deal new since then."""
    if CHANGES not in run.manifest["files"]:
        return ()
    return tuple(
        Term(**{name: value for name, value in row.items() if name != "opportunity_id"})
        for row in rows_of(run.table(CHANGES), opportunity_id)
    )


def chain_of(run: Published, now: Standing, opportunity_id: str, since: str | None) -> Chain:
    """The way of the deal to its score `now` in this run.

    since: the run to begin at, by default the one before. A deal that was not scored there, or not in every
    run from there on, begins at the first run after that gap.
    """
    links: list[Published] = []
    current = run
    while (before := current.manifest["about"].get("previous_run_id")) is not None:
        if _previous_p(current, opportunity_id) is None:
            return _added_up(links, now, opportunity_id)
        if CHANGES not in current.manifest["files"]:
            return _broken(run, since or before, opportunity_id)
        links.append(current)
        if since in (None, before):
            return _added_up(links, now, opportunity_id)
        try:
            current = glance(run.folder.parent.parent, before)
        except PublishError:
            break
    return Chain(None) if since is None else _broken(run, since, opportunity_id)


def largest_first(terms: Iterable[Term]) -> tuple[Term, ...]:
    """The terms by size; ties by kind and feature."""
    return tuple(
        sorted(terms, key=lambda one: (-abs(one.log_odds), KINDS.index(one.kind), one.feature or ""))
    )


def _broken(run: Published, since: str, opportunity_id: str) -> Chain:
    try:
        first = standing(glance(run.folder.parent.parent, since), opportunity_id)
    except PublishError:
        first = None
    return Chain(first, is_broken=True)


def _added_up(links: Sequence[Published], now: Standing, opportunity_id: str) -> Chain:
    """The chain over these runs, newest first; each holds the change since the run before it."""
    if not links:
        return Chain(None)
    terms = _summed([terms_of(link, opportunity_id) for link in links])
    first = _before(links[-1], opportunity_id, now.log_odds - sum(term.log_odds for term in terms))
    return Chain(first, _in_points(terms, first, now) if len(links) > 1 else terms)


def _before(link: Published, opportunity_id: str, log_odds: float) -> Standing:
    """The deal's score in the run before the link, from what the link itself holds."""
    about = link.manifest["about"]
    as_of = datetime.fromisoformat(about["previous_as_of"])
    p = _previous_p(link, opportunity_id)
    return Standing(
        about["previous_run_id"], as_of, about["previous_model_version"], float(p or 0.0), log_odds
    )


def _previous_p(run: Published, opportunity_id: str) -> float | None:
    """The deal's probability in the run before this one; None where it had none."""
    rows: list[dict[str, Any]] = rows_of(run.table(_DEALS), opportunity_id)
    return rows[0]["previous_p_win"] if rows else None


def _summed(links: Sequence[Sequence[Term]]) -> tuple[Term, ...]:
    """The terms of the links, newest first, by kind, feature and family."""
    found: dict[tuple[str, str | None, str | None], Term] = {}
    for link in reversed(links):
        for term in link:
            key = (term.kind, term.feature, term.family)
            found[key] = _joined(found[key], term) if key in found else term
    return largest_first(found.values())


def _joined(earlier: Term, later: Term) -> Term:
    log_odds, points = earlier.log_odds + later.log_odds, earlier.points + later.points
    return replace(later, log_odds=log_odds, points=points, value_before=earlier.value_before)


def _in_points(terms: Iterable[Term], first: Standing, last: Standing) -> tuple[Term, ...]:
    """The terms with their points over the whole way."""
    each = points_per_log_odds(
        *(np.array([value]) for value in (first.p, last.p, first.log_odds, last.log_odds))
    )
    return tuple(replace(term, points=term.log_odds * float(each[0])) for term in terms)
