"""The step that sets learnt beside expected directions, and writes what it found into the run's folder."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from features.feature import Feature
from models.arrays import known_outcomes
from models.censoring import window_weights
from models.directions import directions_document, learnt_directions, write_directions
from models.win_model import WinModel
from pipelines.job import Job
from pipelines.learning import Labelled

__all__ = ["directions_of"]


def directions_of(job: Job, rows: Labelled, features: Sequence[Feature], model: WinModel) -> dict[str, Any]:
    """What directions.json holds, on the rows that the model was fitted on; it is written too."""
    known = rows.split.train.known
    found = learnt_directions(
        model,
        rows.frame.filter(pa.array(known)),
        features,
        y=known_outcomes(rows.labels)[known],
        weight=window_weights(rows.labels, rows.split.train)[known],
        seed=job.settings.seed,
    )
    document = directions_document(found, model_version=model.version)
    write_directions(document, job.run_dir)
    return document
