"""The win model: probability, explanation, and a folder that holds it all.

A booster in LightGBM's own text, and in JSON what goes with it: features, levels, norms, calibration,
windows, track record; and what was learnt about the room and about when deals close. Every file is
vouched for by sha256, checked before LightGBM sees a byte, because a damaged text can end the process
instead of raising.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import lightgbm as lgb
import numpy as np
import orjson
import pyarrow as pa

from data.errors import ModelContractError
from features.feature import Feature
from models.arrays import BoolArray, FloatArray
from models.calibration import Calibration, sigmoid
from models.encoding import Encoder
from models.linear import LinearPart
from models.manifest import sha256_of, verified_files, write_manifest
from models.room.room import Room
from models.timing.close_timing import CloseTiming
from models.track_record import Bin
from models.typical import Typical, typical_of, typical_values

__all__ = ["OtherFormatError", "WinModel", "baseline_model", "load_model", "model_of"]

BOOSTER_FILE = "booster.txt"
MODEL_FILE = "model.json"
ROOM_FILE = "room.json"
TIMING_FILE = "timing.json"
_TOLERANCE = 1e-6
_FORMAT = 4


class OtherFormatError(ModelContractError):
    """A whole model, but of a format that another version of dealcast writes."""


@dataclass(frozen=True)
class WinModel:
    """P(won | snapshot) and its exact explanation in log-odds.

    subject: what is predicted, "win" of a deal or "renewal" of a contract. kind: "lightgbm", or
    "baseline": one constant probability, said to be that. linear: the model's linear
    half, whose mean with the trees in log-odds is the score; None for trees alone. base: the constant's
    log-odds (baseline only). trained: the training windows, parameters and counts, as plain values.
    note: what a user should know about this model (empty if nothing). room: who should be in the room and who
    will come next, learnt on the same deals; None for a baseline. timing: when deals close, learnt on the
    same deals; None where it was not learnt (renewals have their dates). metrics: a place for the
    evaluation's headline; it changes no prediction and is no part of the version.
    """

    kind: Literal["lightgbm", "baseline"]
    encoder: Encoder
    booster_text: str
    calibration: Calibration
    base: float
    trained: dict[str, Any]
    typical: Typical
    record: tuple[Bin, ...]
    linear: LinearPart | None = None
    note: str = ""
    room: Room | None = None
    timing: CloseTiming | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    subject: Literal["win", "renewal"] = "win"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Features in the order of the contributions' columns."""
        return self.encoder.names

    @property
    def families(self) -> dict[str, str]:
        """The family of each feature."""
        return {column.name: column.family for column in self.encoder.columns}

    @cached_property
    def version(self) -> str:
        """`win-`, `renewal-` or `baseline-` and a digest of all that decides it, room and timing too."""
        prefix = self.subject if self.kind == "lightgbm" else "baseline"
        parts = (self.booster_text.encode(), _json(self._described()), self._room_json(), self._timing_json())
        return f"{prefix}-{sha256_of(b''.join(parts))[:12]}"

    def log_odds(self, frame: pa.Table) -> FloatArray:
        """Calibrated log-odds of winning, one per row, finite.

        Raises ModelContractError if a feature's column is absent or of another type.
        """
        return self.log_odds_of(self.encoder.transform(frame))

    def p_win(self, frame: pa.Table) -> FloatArray:
        """Probability of winning, one per row."""
        return sigmoid(self.log_odds(frame))

    def p_won_by(self, frame: pa.Table, days: FloatArray) -> FloatArray:
        """Probability of being won within so many days of the snapshot, (n, m).

        Never decreasing in the days, 0 at day 0 and `p_win` in the limit. Raises ModelContractError for
        days below 0, or if the model holds no timing.
        """
        if self.timing is None:
            raise ModelContractError(
                f"Model {self.version}: expected what was learnt about when deals close, found no "
                f"{TIMING_FILE}. Train again."
            )
        return self.p_win(frame)[:, None] * self.timing.share_closed(frame, days)

    def contributions(self, frame: pa.Table) -> tuple[float, FloatArray]:
        """The base and each feature's contribution (n, k), in log-odds.

        base + a row's sum is its log_odds: checked here to 1e-6, else ModelContractError.
        """
        return self.contributions_of(self.encoder.transform(frame))

    def log_odds_of(self, matrix: FloatArray) -> FloatArray:
        """`log_odds` of rows that are encoded already, (n, k) or a single row (k,); no data frame."""
        rows = np.atleast_2d(matrix)
        if self.kind == "baseline" or not rows.shape[0]:
            return np.full(rows.shape[0], self.base)
        raw = np.asarray(self._booster.predict(rows, raw_score=True, num_threads=1), dtype=np.float64)
        if self.linear is not None:
            raw = (raw + self.linear.intercept + self.linear.contributions(rows).sum(axis=1)) / 2
        return self.calibration.apply(raw)

    def contributions_of(self, matrix: FloatArray) -> tuple[float, FloatArray]:
        """`contributions` of rows that are encoded already, (n, k) or a single row (k,)."""
        rows = np.atleast_2d(matrix)
        if self.kind == "baseline":
            return self.base, np.zeros((rows.shape[0], len(self.feature_names)))
        # the base is the same for every row; an empty frame asks for it with a row of its own
        asked = rows if rows.shape[0] else np.full((1, rows.shape[1]), np.nan)
        shap = np.asarray(self._booster.predict(asked, pred_contrib=True, num_threads=1), dtype=np.float64)
        if self.linear is not None:
            shap[:, :-1] += self.linear.contributions(asked)
            shap[:, -1] += self.linear.intercept
            shap /= 2
        base = float(self.calibration.apply(shap[:1, -1])[0])
        parts = self.calibration.slope * shap[: rows.shape[0], :-1]
        _check_additive(base, parts, self.log_odds_of(rows))
        return base, parts

    def typical_for(self, stage: str | None) -> dict[str, Any]:
        """What won deals look like at a stage, by feature; overall where the stage saw too few."""
        return typical_of(self.typical, stage)

    def with_metrics(self, metrics: dict[str, Any]) -> "WinModel":
        """The same model with the evaluation's headline noted in it."""
        return replace(self, metrics=metrics)

    def with_room(self, room: Room | None) -> "WinModel":
        """The same model with what was learnt about the room; its version is another."""
        return replace(self, room=room)

    def with_timing(self, timing: CloseTiming | None) -> "WinModel":
        """The same model with what was learnt about when deals close; its version is another."""
        return replace(self, timing=timing)

    def save(self, directory: Path) -> Path:
        """Write booster.txt (not for a baseline), model.json, room.json and timing.json (if learnt).

        And manifest.json, which vouches for them. Returns the folder.
        """
        write_manifest(directory, self.files(), {"version": self.version})
        return directory

    def files(self) -> dict[str, bytes]:
        """The files that hold the model, by name; the manifest that vouches for them is the caller's."""
        files = {MODEL_FILE: _json({**self._described(), "metrics": self.metrics})}
        if self.kind == "lightgbm":
            files[BOOSTER_FILE] = self.booster_text.encode()
        if self.room is not None:
            files[ROOM_FILE] = self._room_json()
        if self.timing is not None:
            files[TIMING_FILE] = self._timing_json()
        return files

    @classmethod
    def load(cls, directory: Path) -> "WinModel":
        """The model in a folder, its files verified first; see `load_model`."""
        return load_model(directory)

    @cached_property
    def _booster(self) -> lgb.Booster:
        booster = lgb.Booster(model_str=self.booster_text)
        if booster.num_feature() != len(self.feature_names):
            raise ModelContractError(
                f"{BOOSTER_FILE}: expected {len(self.feature_names)} features as in {MODEL_FILE}, "
                f"found {booster.num_feature()}. The files are of two models; train again."
            )
        return booster

    def _room_json(self) -> bytes:
        return b"" if self.room is None else self.room.to_json()

    def _timing_json(self) -> bytes:
        return b"" if self.timing is None else self.timing.to_json()

    def _described(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "kind": self.kind,
            "subject": self.subject,
            "encoder": self.encoder.as_dict(),
            "linear": None if self.linear is None else self.linear.as_dict(),
            "calibration": asdict(self.calibration),
            "base": self.base,
            "trained": self.trained,
            "typical": self.typical,
            "record": [asdict(held) for held in self.record],
            "note": self.note,
        }


def load_model(directory: Path) -> WinModel:
    """The model saved in a folder.

    Raises ModelContractError naming the file that is absent, altered or of an unknown format, before
    any of it is used.
    """
    contents, manifest = verified_files(directory)
    return model_of(contents, str(manifest.get("version")), directory)


def model_of(contents: Mapping[str, bytes], version: str, directory: Path) -> WinModel:
    """The model in files whose bytes are vouched for (`WinModel.files`), of the version that was noted.

    directory: where they lie, for messages. Raises ModelContractError as `load_model` does.
    """
    path = directory / MODEL_FILE
    stored = orjson.loads(contents[MODEL_FILE]) if MODEL_FILE in contents else {}
    if "format" in stored and stored["format"] != _FORMAT:
        raise OtherFormatError(
            f"{path}: expected a model of format {_FORMAT}, found format {stored['format']!r}, written by "
            "another version of dealcast. Train again with this version."
        )
    if "format" not in stored or (stored["kind"] == "lightgbm") != (BOOSTER_FILE in contents):
        raise ModelContractError(
            f"{path}: expected a model of format {_FORMAT} and its {BOOSTER_FILE}, found files "
            f"{sorted(contents)}. Train again with this version."
        )
    model = WinModel(
        kind=stored["kind"],
        encoder=Encoder.from_dict(stored["encoder"]),
        booster_text=contents.get(BOOSTER_FILE, b"").decode(),
        calibration=Calibration(**stored["calibration"]),
        linear=None if stored["linear"] is None else LinearPart.from_dict(stored["linear"]),
        base=stored["base"],
        trained=stored["trained"],
        typical=stored["typical"],
        record=tuple(Bin(**held) for held in stored["record"]),
        note=stored["note"],
        room=Room.from_json(contents[ROOM_FILE]) if ROOM_FILE in contents else None,
        timing=CloseTiming.from_json(contents[TIMING_FILE]) if TIMING_FILE in contents else None,
        metrics=stored["metrics"],
        subject=stored["subject"],
    )
    if version != model.version:
        raise ModelContractError(
            f"{directory / 'manifest.json'}: expected version {model.version}, found "
            f"{version!r}. Restore the model's folder from the registry, or train again."
        )
    return model


def baseline_model(
    frame: pa.Table,
    y: FloatArray,
    *,
    weight: FloatArray,
    features: Sequence[Feature],
    reason: str,
    trained: dict[str, Any] | None = None,
) -> WinModel:
    """One probability for every deal: the smoothed share of deals won (a half if none has closed).

    y: 1 won, 0 lost, NaN unknown, one per row of the frame; weight likewise. reason: why there is no
    better model, kept as its note. Contributions are zero for each feature.
    """
    known: BoolArray = ~np.isnan(y)
    won, total = float(weight[known] @ y[known]), float(weight[known].sum())
    share = (won + 1) / (total + 2)
    encoder = Encoder.fit(frame, y, rows=known, weight=weight, features=features)
    return WinModel(
        kind="baseline",
        encoder=encoder,
        booster_text="",
        calibration=Calibration(1.0, 0.0),
        base=float(np.log(share / (1 - share))),
        trained=trained or {},
        typical=typical_values(frame, encoder, rows=known & (y == 1)),
        record=(),
        note=reason,
    )


def _check_additive(base: float, parts: FloatArray, log_odds: FloatArray) -> None:
    gap = np.abs(base + parts.sum(axis=1) - log_odds)
    if gap.size and not gap.max() <= _TOLERANCE:
        raise ModelContractError(
            f"Explanation: expected base plus contributions to equal the log-odds to {_TOLERANCE:g}, found a "
            f"gap of {gap.max():g} in row {int(gap.argmax())}. Do not publish this model; train again."
        )


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
