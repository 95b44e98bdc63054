"""The renewal model: whether a contract renews, for how much, and the folder that holds both."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from data.errors import ModelContractError
from models.arrays import FloatArray
from models.manifest import sha256_of, verified_files, write_manifest
from models.renewal.ratio import RatioModel
from models.win_model import OtherFormatError, WinModel, model_of

__all__ = ["RenewalModel"]

RATIO_FILE = "ratio.json"
_FORMAT = 1

_Three = tuple[FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True)
class RenewalModel:
    """P(renewed | contract snapshot), exactly explained, and the ratio of renewed to committed amount.

    chance: a model of subject "renewal", calibrated in log-odds; a baseline where there is too little to
    learn from. ratio: of what renews; see `models.renewal.ratio`.
    """

    chance: WinModel
    ratio: RatioModel

    @cached_property
    def version(self) -> str:
        """`renewal-` or `baseline-` and a digest of all that decides a prediction."""
        prefix = "renewal" if self.chance.kind == "lightgbm" else "baseline"
        return f"{prefix}-{sha256_of(self.chance.version.encode() + self._ratio_json())[:12]}"

    @property
    def is_baseline(self) -> bool:
        """Whether every contract gets the same rate."""
        return self.chance.kind == "baseline"

    @property
    def note(self) -> str:
        """What a user should know about this model (empty if nothing)."""
        return " ".join(filter(None, (self.chance.note, self.ratio.note)))

    def p_renew(self, frame: pa.Table) -> FloatArray:
        """Probability of renewal, one per row. Raises ModelContractError if a feature's column is absent."""
        return self.chance.p_win(frame)

    def median_if_renewed(self, frame: pa.Table) -> FloatArray:
        """The median of renewed ÷ committed amount if the contract renews, one per row."""
        return np.exp(self.ratio.middle(frame, self.chance.encoder.transform(frame)))

    def ratio_if_renewed(self, frame: pa.Table) -> _Three:
        """Mean, low and high (80 %) of renewed ÷ committed amount if the contract renews, one per row."""
        return self.ratio.given_renewal(frame, self.chance.encoder.transform(frame))

    def expected_ratio(self, frame: pa.Table) -> _Three:
        """Mean, low and high (80 %) of renewed ÷ committed amount with churn as 0, one per row."""
        encoded = self.chance.encoder.transform(frame)
        return self.ratio.expected(frame, encoded, self.p_renew(frame))

    def with_metrics(self, metrics: dict[str, Any]) -> "RenewalModel":
        """The same model with the evaluation's headline noted in it; its version stays."""
        return replace(self, chance=self.chance.with_metrics(metrics))

    def save(self, directory: Path) -> Path:
        """Write the chance model's files, ratio.json and manifest.json; returns the folder."""
        files = {**self.chance.files(), RATIO_FILE: self._ratio_json()}
        facts = {"version": self.version, "chance_version": self.chance.version}
        write_manifest(directory, files, facts)
        return directory

    @classmethod
    def load(cls, directory: Path) -> "RenewalModel":
        """The model in a folder, its files verified first.

        Raises ModelContractError naming the file that is absent, altered or of an unknown format.
        """
        contents, manifest = verified_files(directory)
        stored = orjson.loads(contents[RATIO_FILE]) if RATIO_FILE in contents else {}
        if stored.get("format") != _FORMAT:
            raise OtherFormatError(
                f"{directory / RATIO_FILE}: expected a ratio of format {_FORMAT}, found "
                f"{stored.get('format', 'no such file')!r}. Train again with this version."
            )
        chance = model_of(contents, str(manifest.get("chance_version")), directory)
        model = cls(chance, RatioModel.from_dict(stored["ratio"]))
        if manifest.get("version") != model.version:
            raise ModelContractError(
                f"{directory / 'manifest.json'}: expected version {model.version}, found "
                f"{manifest.get('version')!r}. Restore the model's folder from the registry, or train again."
            )
        return model

    def _ratio_json(self) -> bytes:
        document = {"format": _FORMAT, "ratio": self.ratio.as_dict()}
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
