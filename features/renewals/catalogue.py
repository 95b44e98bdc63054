"""The catalogue of the features of contracts."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from data.errors import DealcastError
from features.families.custom import CustomField, custom_features
from features.feature import Feature, Formula, Measure
from features.renewals.families import contract, origin, people, promises, use

__all__ = ["renewal_catalogue"]

_FAMILIES = (use, contract, people, promises, origin)
_OF_ACCOUNT, _LATEST = "account_contracts", "the account's latest contract"


def renewal_catalogue(custom: Iterable[CustomField] = ()) -> tuple[Feature, ...]:
    """Every feature of a contract: the built-in families, then the own fields of contracts and accounts.

    custom: as `features.families.custom.custom_fields` finds them; those of other tables are left aside.
    Raises DealcastError where two features share a name.
    """
    features = tuple(feature for family in _FAMILIES for feature in family.FEATURES)
    fields = tuple(field for field in custom if field.table in ("contracts", "accounts"))
    features += tuple(_of_contract(feature) for feature in custom_features(fields))
    repeated = [name for name, n in Counter(feature.name for feature in features).items() if n > 1]
    if repeated:
        raise DealcastError(f"Two features are named {repeated[0]!r}; rename one of your own fields.")
    return features


def _of_contract(feature: Feature) -> Feature:
    """A field of contracts as a fact of the contract looked at, where deals see the account's latest one."""
    value = feature.value
    if isinstance(value, Measure):
        value = _aimed(value)
    elif isinstance(value, Formula):
        value = Formula(value.compute, tuple(_aimed(part) for part in value.parts))
    return replace(feature, value=value, description=feature.description.replace(_LATEST, "the contract"))


def _aimed(measure: Measure) -> Measure:
    return replace(measure, stream="terms") if measure.stream == _OF_ACCOUNT else measure
