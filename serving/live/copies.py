"""The local, verified copies of models that runs were scored with."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from data.errors import ModelContractError
from models.manifest import verified_files

if TYPE_CHECKING:
    from models.win_model import WinModel

__all__ = ["described_in", "loaded_from"]


def loaded_from(models: Path, version: str) -> "tuple[WinModel | None, str | None]":
    """The verified local copy of a model, or why there is none."""
    if version.startswith("baseline"):
        return None, "the scores are a base rate, not a model's, so there is no model to ask"
    folder = models / version
    if Path(version).name != version or not folder.is_dir():
        return None, f"the model {version} has no copy in this workspace; score again with `dealcast score`"
    # LightGBM and what it brings take seconds to import: pages are served meanwhile
    from models.win_model import load_model

    try:
        return load_model(folder), None
    except ModelContractError:
        return None, f"the copy of the model {version} is damaged; score again with `dealcast score`"


def described_in(models: Path, version: str) -> Mapping[str, Any]:
    """The model's description; nobody should wait for LightGBM to read that."""
    folder = models / version
    if Path(version).name != version or not folder.is_dir():
        return {}
    try:
        described: Mapping[str, Any] = orjson.loads(verified_files(folder)[0]["model.json"])
        return described
    except (ModelContractError, ValueError, KeyError):
        return {}
