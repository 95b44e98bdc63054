"""Checks by name: fields that only the close can fill, and open deals at a stage that says closed."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from data.banned import banned_name, is_closed_word
from features.feature import Feature
from models.arrays import deal_codes
from models.audit.findings import Finding, finding
from models.audit.separation import share_bounds
from models.baselines import column_texts

__all__ = ["closed_stage_findings", "name_findings", "own_name"]

_TABLES = r"^(opportunities|accounts|contacts|contracts)_(?=x_)"
_MAX_CLOSED_SHARE = 0.01
_SAY_THE_SAME = {"stage": ("stage_position", "crm_stage_probability")}


def own_name(feature: Feature) -> str | None:
    """The name of the user's own field behind a feature, None for a feature of the catalogue.

    A feature is named `<table>_x_<field>`, or `x_<field>_history`.
    """
    if feature.family != "custom":
        return None
    return re.sub(_TABLES, "", feature.name).removesuffix("_history")


def name_findings(feature: Feature) -> list[Finding]:
    """A field that by its name is settled at the close, or shows the present state of the deal.

    Present state is no leak where its history is mapped; the outcome is one either way.
    """
    own = own_name(feature)
    kind = banned_name(own or feature.name)
    if kind is None or (kind == "present" and (own is None or feature.name.endswith("_history"))):
        return []
    said = {
        "end": "is the name of a field that is settled when a deal closes",
        "present": "is the name of a summary that the CRM keeps up to date, so it shows today, not as_of",
    }[kind]
    return [finding(feature.name, "banned_name", 1.0, 1.0, 0.0, f"{own or feature.name!r} {said}")]


def closed_stage_findings(frame: pa.Table, features: Sequence[Feature]) -> list[Finding]:
    """Histories whose value at snapshots of open deals says that the deal has closed.

    The close is then recorded later than the stage that tells of it. For `stage` the columns that
    follow from it are named too.
    """
    present = {feature.name for feature in features}
    deal = deal_codes(frame)
    n_deals = len(np.unique(deal))
    found = []
    for feature in features:
        if feature.kind != "category" or not n_deals:
            continue
        texts = column_texts(frame, feature.name).astype(str)
        levels = [level for level in np.unique(texts) if is_closed_word(level)]
        if not levels:
            continue
        closed = np.isin(texts, levels)
        n_closed = len(np.unique(deal[closed]))
        bound = share_bounds(n_closed, n_deals)[0]
        if bound <= _MAX_CLOSED_SHARE:
            continue
        shown = ", ".join(repr(level[:40]) for level in levels[:3])
        said = (
            f"{int(closed.sum())} snapshots of {n_closed} deals (of {n_deals}), open then, stand at {shown}"
        )
        for name in (feature.name, *_SAY_THE_SAME.get(feature.name, ())):
            if name in present:
                share = n_closed / n_deals
                found.append(finding(name, "closed_stage", share, bound, _MAX_CLOSED_SHARE, said))
    return found
