"""How a family's module writes its entries: family and belief are said once."""

from dataclasses import dataclass

from features.feature import Expected, Feature, Formula, Kind, Learnt, Measure

__all__ = ["Entries"]


@dataclass(frozen=True)
class Entries:
    """Makes the features of one family; `belief` is the rationale of entries that name no other."""

    family: str
    belief: str

    def __call__(
        self, name: str, kind: Kind, unit: str, value: Measure | Formula | Learnt, description: str,
        expected: Expected, sentence: str, absent: str, rationale: str | None = None, *,
        certain: bool = False,
    ) -> Feature:  # fmt: skip
        """A feature of the family; see `Feature` for what each part means."""
        return Feature(
            name,
            self.family,
            kind,
            unit,
            description,
            rationale or self.belief,
            expected,
            sentence,
            absent,
            value,
            certain,
        )
