"""The factors of a deal that a viewer may see, and what the others sum to.

Whoever sees every deal sees every factor. Others do not see what rests on records of deals outside their
scope: it is summed into one number, so that base and contributions still add up to the score.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from serving.access.gate import Seen
from serving.access.hidden import hidden_features, seen_factors
from serving.feature_facts import feature_facts
from serving.live import HeldRun

__all__ = ["Factors", "FeatureTold", "factors_of", "told_of", "values_of", "visible_features", "words"]

_CONTRIBUTIONS, _FEATURES = "win_contributions.parquet", "win_features.parquet"


@dataclass(frozen=True)
class FeatureTold:
    """A published feature. title: its name in words. family: the group it belongs to. unit: "" for none."""

    title: str
    family: str
    unit: str


@dataclass(frozen=True)
class Factors:
    """visible: log-odds by feature. other: the sum of those that are not shown. n_other: how many."""

    visible: dict[str, float]
    other: float
    n_other: int


def factors_of(seen: Seen, rank: int) -> Factors:
    """The contributions to the score of the deal at that place of the ranking."""
    held = row_of(seen.run, _CONTRIBUTIONS, rank)
    visible, other = seen_factors(seen, seen.run.deals.ids[rank], held)
    return Factors(visible, other, len(held) - len(visible))


def visible_features(seen: Seen, rank: int, names: Collection[str]) -> frozenset[str]:
    """Those of the features that the viewer may see on the deal."""
    return frozenset(names) - hidden_features(seen, seen.run.deals.ids[rank], names)


def told_of(run: HeldRun) -> Mapping[str, FeatureTold]:
    """What people call each published feature of deals, by name."""
    return run.memo("features told", lambda: _told(run))


def values_of(run: HeldRun, rank: int) -> dict[str, Any]:
    """The deal's published features by name, as the model sees them; None where missing."""
    return row_of(run, _FEATURES, rank)


def row_of(run: HeldRun, name: str, rank: int) -> dict[str, Any]:
    """The deal's row in a wide table with one row per deal, without its id."""
    # column by column: a slice of two hundred columns takes Arrow ten times as long
    columns = run.memo(("columns", name), lambda: _columns(run, name))
    place = int(run.deals.published[rank])
    return {name: column[place].as_py() for name, column in columns}


def _columns(run: HeldRun, name: str) -> list[tuple[str, Any]]:
    table = run.table(name)
    return [(one, table[one].combine_chunks()) for one in table.column_names if one != "opportunity_id"]


def _told(run: HeldRun) -> dict[str, FeatureTold]:
    listed, families = feature_facts(run), run.families
    names = [name for name in run.table(_CONTRIBUTIONS).column_names if name != "opportunity_id"]
    return {
        name: FeatureTold(words(name), listed[name].family, listed[name].unit)
        if name in listed
        else FeatureTold(words(name), families.get(name, "custom"), "")
        for name in names
    }


def words(name: str) -> str:
    """A feature's name as people write it.

    >>> words("days_since_two_way"), words("is_single_threaded")
    ('Days since two way', 'Single threaded')
    """
    plain = name.removeprefix("is_").removeprefix("has_").replace("_", " ")
    return plain[:1].upper() + plain[1:]
