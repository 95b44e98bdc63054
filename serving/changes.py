"""What changed on a deal since an earlier run, and which deals moved most, from the published files."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from data.errors import UsageError
from features.feature import FAMILIES
from models.change import KINDS, ChangeKind
from models.change_words import OTHER, SMALL, Term, beside_before, headline
from serving.change_chain import Standing, chain_of, largest_first, standing
from serving.published import Published, published_runs

__all__ = ["DealChange", "Hide", "Part", "check_earlier", "deal_change"]

Hide = Callable[[str, Iterable[str]], Collection[str]]
"""Of a deal's features (its id, their names), those that a reader may not see."""

_KINDS: dict[ChangeKind, str] = {
    "model": "Another model",
    "corrected": "Corrected records",
    "time": "Time passing",
    "event": "New events",
}
_FIRST = {False: "scored for the first time", True: "no earlier score is there to compare with"}
_TITLES = {name: family.title for name, family in FAMILIES.items()} | {
    "model": "Another model",
    OTHER: "Other records",
}


@dataclass(frozen=True)
class Part:
    """The terms of one family, or of one kind, summed; `title` is its name in sellers' words.

    log_odds and points (percentage points of probability) add up to the deal's difference.
    """

    name: str
    title: str
    log_odds: float
    points: float


@dataclass(frozen=True)
class DealChange:
    """A deal's probability in two runs, and the difference taken apart.

    points: 100 · (p_after − p_before), percentage points. terms: add up to the difference, in log-odds to
    1e-6 and in points; largest first; empty where only the whole can be told. drivers: the same by family
    (`model` for a model's, `other` for what the reader may not see). kinds: the same by kind of change.
    sentences: of the terms that name a value. note: what a reader should know. Where no earlier run scored
    the deal, there is no `since` and no difference.
    """

    opportunity_id: str
    run_id: str
    as_of: datetime
    model_version: str
    since_run_id: str | None
    since_as_of: datetime | None
    since_model_version: str | None
    p_before: float | None
    p_after: float
    log_odds_before: float | None
    log_odds_after: float
    points: float | None
    headline: str
    sentences: tuple[str, ...]
    terms: tuple[Term, ...]
    drivers: tuple[Part, ...]
    kinds: tuple[Part, ...]
    note: str | None


def deal_change(
    run: Published, opportunity_id: str, *, since: str | None = None, hide: Hide | None = None
) -> DealChange:
    """What changed on the deal up to this run, since the run before or since the published run named.

    Over several runs the terms are added up; a deal that was not scored in between starts where it first was.
    hide: the features that the reader may not see, whose terms are summed up. Raises UsageError for a
    deal that this run did not score, or a `since` that is no run published before it.
    """
    now = standing(run, opportunity_id)
    if now is None:
        raise UsageError(
            f"{opportunity_id!r} is not among the deals that were open at {run.as_of:%Y-%m-%d %H:%M} UTC "
            f"(run {run.run_id}). `dealcast deals` lists the open deals."
        )
    if since is not None:
        check_earlier(run, since)
    chain = chain_of(run, now, opportunity_id, since)
    terms = chain.terms if hide is None else _seen(chain.terms, opportunity_id, hide)
    first = chain.first
    points = None if first is None else 100 * (now.p - first.p)
    return DealChange(
        opportunity_id=opportunity_id,
        run_id=now.run_id,
        as_of=now.as_of,
        model_version=now.model_version,
        since_run_id=first.run_id if first else None,
        since_as_of=first.as_of if first else None,
        since_model_version=first.model_version if first else None,
        p_before=first.p if first else None,
        p_after=now.p,
        log_odds_before=first.log_odds if first else None,
        log_odds_after=now.log_odds,
        points=points,
        headline=_FIRST[chain.is_broken] if points is None else headline(terms, points),
        sentences=tuple(said for term in terms if term.is_told and (said := beside_before(term))),
        terms=terms,
        drivers=_parts(terms, lambda term: term.family or term.kind, lambda name: _TITLES.get(name, name)),
        kinds=_parts(terms, lambda term: term.kind, lambda kind: _KINDS[kind]),
        note=_note(first, since, is_broken=chain.is_broken),
    )


def check_earlier(run: Published, since: str) -> None:
    """Raise UsageError unless `since` is a run published before this one."""
    earlier = [one for one in published_runs(run.folder.parent.parent) if one < run.run_id]
    if since not in earlier:
        known = f"The latest: {', '.join(earlier[:3])}." if earlier else "There is none."
        raise UsageError(f"since: expected a run published before {run.run_id}, found {since!r}. {known}")


def _note(first: Standing | None, since: str | None, *, is_broken: bool) -> str | None:
    if first is None:
        return "No earlier run that is still there scored the deal: there is nothing to compare with."
    if is_broken:
        return "A run between the two is gone, or tells no changes: only the whole difference is known."
    if since is not None and first.run_id != since:
        return f"Not scored throughout since run {since}: compared with run {first.run_id}."
    return None


def _seen(terms: Sequence[Term], opportunity_id: str, hide: Hide) -> tuple[Term, ...]:
    """The terms that a reader may see, and one of each kind for the others.

    Where anything is hidden, so are the small terms, since they may be of what is hidden.
    """
    named = {term.feature for term in terms if term.feature is not None and term.feature != SMALL}
    hidden = set(hide(opportunity_id, sorted(named)))
    if not hidden:
        return tuple(terms)
    hidden.add(SMALL)
    seen = [term for term in terms if term.feature not in hidden]
    for kind in KINDS:
        away = [term for term in terms if term.kind == kind and term.feature in hidden]
        if away:
            log_odds, points = sum(one.log_odds for one in away), sum(one.points for one in away)
            seen.append(Term(kind, OTHER, OTHER, log_odds, points))
    return largest_first(seen)


def _parts(
    terms: Iterable[Term], name: Callable[[Term], str], title: Callable[[Any], str]
) -> tuple[Part, ...]:
    """The terms summed by a name of theirs, largest first."""
    sums: dict[str, tuple[float, float]] = {}
    for term in terms:
        log_odds, points = sums.get(name(term), (0.0, 0.0))
        sums[name(term)] = (log_odds + term.log_odds, points + term.points)
    parts = [Part(one, title(one), *summed) for one, summed in sums.items()]
    return tuple(sorted(parts, key=lambda part: (-abs(part.log_odds), part.name)))
