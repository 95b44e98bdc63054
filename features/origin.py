"""How the deal behind each contract was won: what the renewal of that contract has to live with."""

from collections.abc import Mapping
from datetime import datetime

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import ModelContractError

__all__ = ["ORIGIN_FEATURES", "contract_origins"]

ORIGIN_FEATURES = (
    "has_mission_critical_need", "has_senior_backing", "avenues_tested", "lasting_motives", "fomo_evidence",
    "is_fomo_only", "promises_open", "promised_feature_dependence", "spiral_phase", "ways_out_seen",
    "is_single_threaded", "top_contact_share", "questions_agreed",
)  # fmt: skip
"""The features of the won deal that its contract keeps."""


def contract_origins(frame: pa.Table, tables: Mapping[str, ir.Table], as_of: datetime) -> pa.Table:
    """One row per contract recorded before as_of with an opportunity_id, by contract_id.

    frame: a feature frame (opportunity_id, as_of, features), its rows in any order. Columns: contract_id,
    opportunity_id, as_of of the deal's last snapshot at or before `as_of` while it was open, then the
    `ORIGIN_FEATURES` of that snapshot; nulls for a deal without one. Raises ModelContractError if the frame
    lacks a feature.
    """
    missing = [
        name for name in ("opportunity_id", "as_of", *ORIGIN_FEATURES) if name not in frame.column_names
    ]
    if missing:
        raise ModelContractError(
            f"Feature frame: expected the columns {', '.join(ORIGIN_FEATURES)}, found none named "
            f"{', '.join(missing)}. Build the frame with the whole catalogue."
        )
    contracts = tables["contracts"]
    contracts = contracts.filter((contracts.known_at < as_of) & contracts.opportunity_id.notnull())
    contracts = contracts.select("contract_id", "opportunity_id").order_by("contract_id")
    keys = contracts.to_pyarrow().combine_chunks()
    last = _last_snapshots(frame, as_of)
    at = pc.index_in(keys["opportunity_id"], value_set=last["opportunity_id"]).combine_chunks()
    won = {name: last[name].combine_chunks().take(at) for name in ("as_of", *ORIGIN_FEATURES)}
    return pa.table({"contract_id": keys["contract_id"], "opportunity_id": keys["opportunity_id"], **won})


def _last_snapshots(frame: pa.Table, as_of: datetime) -> pa.Table:
    """The latest row of each deal at or before as_of."""
    frame = frame.select(["opportunity_id", "as_of", *ORIGIN_FEATURES])
    frame = frame.filter(pc.field("as_of") <= pa.scalar(as_of, frame.schema.field("as_of").type))
    frame = frame.sort_by([("opportunity_id", "ascending"), ("as_of", "ascending")]).combine_chunks()
    ids = frame["opportunity_id"].to_numpy(zero_copy_only=False)
    is_last = np.append(ids[1:] != ids[:-1], True) if len(ids) else np.zeros(0, dtype=bool)
    return frame.filter(pa.array(is_last))
