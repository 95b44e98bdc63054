"""A published run in memory: its bytes are read and verified once, and nothing else is read afterwards."""

import bisect
import hashlib
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from data.errors import PublishError
from models.explain import Driver
from models.track_record import Bin
from serving.deals import Explanation, Reason
from serving.durable import file_sha256
from serving.live.copies import described_in, loaded_from
from serving.live.index import DealIndex, deal_index
from serving.live.memo import Memo
from serving.live.tables import decoded, row_starts
from serving.published import Published, open_published
from serving.renewals import renewal_versions

if TYPE_CHECKING:
    from models.win_model import WinModel

__all__ = ["HeldRun", "hold"]

T = TypeVar("T")
Row = dict[str, Any]

_ON_DISK = "records_"
"""How the files begin that are verified and left where they are; see `serving.records`."""
_SMALL = 4096
_LARGE = 12


@dataclass(frozen=True, eq=False)
class HeldRun(Published):
    """A published run whose tables stay in memory, so that it answers even when its folder has gone.

    The deals' records alone, which are many and seldom asked for, stay on the disk.

    Two HeldRuns are never equal unless they are one object. Everything is safe for threads; what it
    returns is shared and must not be changed.
    """

    models: Path
    _contents: dict[str, bytes] = field(repr=False)
    _told: "Callable[[HeldRun], tuple[str, ...]]" = field(default=lambda run: (), repr=False)
    _tables: dict[str, pa.Table] = field(default_factory=dict, repr=False)
    _small: Memo = field(default_factory=lambda: Memo(_SMALL), repr=False)
    _large: Memo = field(default_factory=lambda: Memo(_LARGE), repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def table(self, name: str) -> pa.Table:
        """The table in the file of that name. Raises PublishError if the run has no such file."""
        held = self._tables.get(name)
        if held is not None:
            return held
        if name.startswith(_ON_DISK) and self.has(name):
            return super().table(name)
        with self._lock:
            if name not in self._tables:
                if name not in self._contents:
                    raise PublishError(
                        f"{self.folder / name}: run {self.run_id} holds no such file. It was published by "
                        "another version of dealcast; publish again with `dealcast run`."
                    )
                self._tables[name] = decoded(name, self._contents[name])
                del self._contents[name]
            return self._tables[name]

    def has(self, name: str) -> bool:
        """Whether the run holds a file of that name."""
        return name in self.manifest["files"]

    @property
    def deals(self) -> DealIndex:
        """The open deals in ranked order."""
        return self.memo(
            "deal index",
            lambda: deal_index(self.table("win_deals.parquet"), self.table("win_scores.parquet")),
        )

    def place_of(self, opportunity_id: str) -> int | None:
        """The deal's place in the published files, which are sorted by id; None for an unknown deal."""
        rank = self.rank_of(opportunity_id)
        return None if rank is None else int(self.deals.published[rank])

    def rank_of(self, opportunity_id: str) -> int | None:
        """The deal's place in `deals`, from 0; None for an unknown deal."""
        ranks = self.memo("ranks", lambda: {one: rank for rank, one in enumerate(self.deals.ids)})
        return ranks.get(opportunity_id)

    def rows(self, name: str, subject_id: str, key: str = "opportunity_id") -> list[Row]:
        """The subject's rows in a table that is sorted by its key; none if the run has no such table."""
        if not self.has(name):
            return []
        table = self.table(name)
        subjects, starts = self.memo(("starts", name, key), lambda: row_starts(table, key))
        place = bisect.bisect_left(range(len(subjects)), subject_id, key=lambda at: subjects[at].as_py())
        if place == len(subjects) or subjects[place].as_py() != subject_id:
            return []
        first, last = int(starts[place]), int(starts[place + 1])
        rows: list[Row] = table.slice(first, last - first).to_pylist()
        return rows

    def explain(self, opportunity_id: str) -> Explanation | None:
        """Why the deal has its probability, as `serving.deals.explain_deal`; None for an unknown deal."""
        rank = self.rank_of(opportunity_id)
        if rank is None:
            return None
        deals = self.deals
        reasons = [
            Reason(one["feature"], one["log_odds"], one["sentence"])
            for one in self.rows("win_reasons.parquet", opportunity_id)
        ]
        return Explanation(
            deal=deals.score(rank),
            as_of=self.as_of,
            model_version=self.model_version,
            base_log_odds=float(deals.base_log_odds[rank]),
            log_odds=float(deals.log_odds[rank]),
            evidence=deals.evidence[rank],
            drivers=tuple(
                Driver(one["family"], one["title"], one["log_odds"])
                for one in self.rows("win_drivers.parquet", opportunity_id)
            ),
            up=tuple(one for one in reasons if one.log_odds > 0),
            down=tuple(one for one in reasons if one.log_odds < 0),
        )

    def memo(self, key: Hashable, make: Callable[[], T], *, large: bool = False) -> T:
        """What `make` gives, kept under the key while the run is held and the memory for it lasts.

        large: values of megabytes, such as a forecast's draws, of which only a dozen are kept.
        """
        return (self._large if large else self._small).get(key, make)

    def model(self) -> "WinModel | None":
        """The model that made the scores; None where `model_problem` says why there is none."""
        return self._model_of(self.model_version)[0]

    @property
    def model_problem(self) -> str | None:
        """Why the model cannot be asked, None if it can."""
        return self._model_of(self.model_version)[1]

    def renewal_model(self) -> "WinModel | None":
        """The model that scored the contracts; None for a base rate, or if its copy is absent."""
        versions = [one for one in renewal_versions(self) if not one.startswith("baseline")]
        return self._model_of(versions[0])[0] if len(versions) == 1 else None

    @property
    def described(self) -> Mapping[str, Any]:
        """What the model's verified copy says of it (model.json), without LightGBM; empty where absent."""
        return self.memo("described", lambda: described_in(self.models, self.model_version))

    @property
    def trained_as_of(self) -> datetime | None:
        """The UTC instant that the model was trained to; None where its copy does not tell."""
        at = self.described.get("trained", {}).get("as_of")
        return None if at is None else datetime.fromisoformat(at)

    @property
    def track_record(self) -> tuple[Bin, ...]:
        """How past deals ended by their probability; see `models.track_record`. Empty where unknown."""
        return tuple(Bin(**held) for held in self.described.get("record", ()))

    @property
    def families(self) -> Mapping[str, str]:
        """The family of each feature that the model reads; empty where unknown."""
        columns = self.described.get("encoder", {}).get("columns", ())
        return {column["name"]: column["family"] for column in columns}

    def notices(self) -> tuple[str, ...]:
        """What every page and answer says beside the figures: that they, or their model, are old."""
        return self._told(self)

    def warm(self) -> None:
        """Make what first requests would wait for: every table, the index, where rows begin, the model."""
        for name in self.manifest["files"]:
            if not name.startswith(_ON_DISK):
                self.table(name)
        if len(self.deals):
            self.explain(str(self.deals.ids[0]))
        self.model()

    def _model_of(self, version: str) -> "tuple[WinModel | None, str | None]":
        return self.memo(("model", version), lambda: loaded_from(self.models, version), large=True)


def hold(
    workspace: Path,
    run_id: str | None = None,
    *,
    told: Callable[[HeldRun], tuple[str, ...]] = lambda run: (),
) -> HeldRun:
    """The published run, by default the one that the pointer names, read and verified byte for byte.

    told: what `notices` says of it. Raises PublishError that names the file if nothing was published, or a
    byte differs from the manifest.
    """
    contents: dict[str, bytes] = {}

    def read(path: Path) -> str:
        if path.name.startswith(_ON_DISK):
            return file_sha256(path)
        contents[path.name] = path.read_bytes()
        return hashlib.sha256(contents[path.name]).hexdigest()

    opened = open_published(workspace, run_id, digest=read)
    return HeldRun(
        run_id=opened.run_id,
        folder=opened.folder,
        manifest=opened.manifest,
        models=workspace / "models",
        _contents=contents,
        _told=told,
    )
