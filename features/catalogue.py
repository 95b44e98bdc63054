"""The catalogue: all families put together, in one order."""

from collections import Counter

from data.errors import DealcastError
from features.families import (
    alike,
    commercial,
    influence,
    journey,
    momentum,
    motive,
    promises,
    qualification,
    stakeholders,
    touchpoints,
)
from features.families.custom import CustomField, custom_features
from features.feature import Feature
from features.streams import (
    activity,
    acts,
    changes,
    consumption,
    firsts,
    history,
    moments,
    owners,
    people,
    spiral,
    sponsors,
    vetoes,
)
from features.streams import motive as motive_streams
from features.streams import promises as promise_streams
from features.streams import qualification as qualification_streams
from features.streams.stream import Stream

__all__ = ["STREAMS", "catalogue"]

_FAMILIES = (
    stakeholders,
    influence,
    touchpoints,
    momentum,
    journey,
    motive,
    qualification,
    promises,
    alike,
    commercial,
)

STREAMS: dict[str, Stream] = {
    stream.name: stream
    for module in (
        people,
        vetoes,
        sponsors,
        firsts,
        owners,
        activity,
        acts,
        moments,
        qualification_streams,
        consumption,
        changes,
        promise_streams,
        history,
        spiral,
        motive_streams,
    )
    for stream in module.STREAMS
}


def catalogue(custom: tuple[CustomField, ...] = ()) -> tuple[Feature, ...]:
    """Every feature: the built-in families, then one for each of the user's own fields.

    Raises DealcastError where two features share a name.
    """
    features = tuple(feature for family in _FAMILIES for feature in family.FEATURES)
    features += custom_features(custom)
    repeated = [name for name, n in Counter(feature.name for feature in features).items() if n > 1]
    if repeated:
        raise DealcastError(f"Two features are named {repeated[0]!r}; rename one of your own fields.")
    return features
