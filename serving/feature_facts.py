"""The catalogue as a run published it: what each feature is called, measures, and whose records it reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from serving.published import Published

__all__ = [
    "CATALOGUE",
    "NEIGHBOURS",
    "RENEWAL_CATALOGUE",
    "FeatureFact",
    "RecordsOf",
    "feature_facts",
]

CATALOGUE = "win_catalogue.parquet"
"""One row per feature of `win_features`, in the same order; columns as the fields of `FeatureFact`."""
RENEWAL_CATALOGUE = "renewal_catalogue.parquet"
"""The same of `renewal_features`."""
NEIGHBOURS = "win_neighbours.parquet"
"""opportunity_id, owner_id: who owns other deals of its account, or of people in its buying group; sorted."""

RecordsOf = Literal["deal", "account", "seller", "contract", "everybody"]
"""Whose records a value is made of. deal: its own, and who its customer is. account: other deals, contracts
and use of its account, and what its people do elsewhere. seller: the other deals of its owner. contract: its
terms and use, and who its customer is. everybody: an aggregate over all."""


@dataclass(frozen=True)
class FeatureFact:
    """A feature as readers know it. title: of its family; actionable: a seller can move it."""

    feature: str
    family: str
    title: str
    kind: str
    unit: str
    description: str
    expected: str
    of: RecordsOf
    actionable: bool


def feature_facts(run: Published, file: str = CATALOGUE) -> Mapping[str, FeatureFact]:
    """The run's catalogue by feature; empty for a run that published none."""
    if file not in run.manifest["files"]:
        return {}
    return {row["feature"]: FeatureFact(**row) for row in run.table(file).to_pylist()}
