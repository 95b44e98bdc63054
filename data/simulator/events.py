"""What is worth noting in a deal's weeks: moments, signals, promises, each with its wording."""

from dataclasses import dataclass

import numpy as np

from data.simulator.calendar import Diary
from data.simulator.columns import Values, glue, pick
from data.simulator.deals import DAY, WEEK, Deals
from data.simulator.journey import MOMENTS, SIGNALS, Path
from data.simulator.phrases import COMPETITORS, FEATURE_CODES, PHRASES
from data.simulator.rng import Ints
from data.simulator.world import FEATURES

__all__ = ["PROMISE_CODES", "Events", "fragments", "make_events"]

CODES = tuple(PHRASES)
PROMISE_CODES = ("promised", "rescheduled", "delivered", "withdrawn")
_FIRST_PHRASE = np.cumsum([0, *(len(lines) for lines in PHRASES.values())])
_LINES = tuple(line for lines in PHRASES.values() for line in lines)


@dataclass(frozen=True)
class Events:
    """One row per notable fact, sorted by path row; code indexes the keys of PHRASES.

    feature, due_s: of promises, else -1. text: the sentence in which it is told.
    """

    row: Ints
    code: Ints
    occurred_s: Ints
    feature: Ints
    due_s: Ints
    text: Values

    def named(self, names: tuple[str, ...]) -> np.ndarray:
        """Which events have one of these codes."""
        return np.isin(self.code, [CODES.index(name) for name in names])


def make_events(rng: np.random.Generator, deals: Deals, path: Path, diary: Diary) -> Events:
    """Every moment, signal and promise event of the path, in order of its rows."""
    rows, codes = [], []

    def note(row: Ints, code: Ints) -> None:
        rows.append(row)
        codes.append(code)

    begun = np.flatnonzero(path.age == 0)
    note(begun, np.array([CODES.index(name) for name in MOMENTS])[deals.entry[path.deal[begun]]])
    moved = np.flatnonzero(path.moved >= 0)
    note(moved, np.array([CODES.index(name) for name in MOMENTS])[path.moved[moved]])
    row, signal = np.nonzero(path.signals)
    note(row, np.array([CODES.index(name) for name in SIGNALS])[signal])
    promised = np.flatnonzero(path.promise >= 0)
    note(promised, np.array([CODES.index(name) for name in PROMISE_CODES])[path.promise[promised]])
    faces = np.flatnonzero((path.spiral >= 2) & (_previous(path, path.spiral) < 2))
    note(faces, np.full(len(faces), CODES.index("new_faces")))
    junior = np.flatnonzero(path.junior & (rng.random(len(path.deal)) < 0.5))
    note(junior, np.full(len(junior), CODES.index("junior_only")))

    row, code = np.concatenate(rows), np.concatenate(codes)
    order = np.argsort(row, kind="stable")
    row, code = row[order], code[order]
    about_feature = np.isin(code, [CODES.index(name) for name in FEATURE_CODES])
    feature = np.where(about_feature, path.feature[row], -1)
    dated = np.isin(code, [CODES.index("promised"), CODES.index("rescheduled")])
    ahead = (path.due[row] - path.age[row]) * WEEK
    due = np.where(dated, (diary.week_s[row] + 4 * DAY + ahead) // DAY * DAY, -1)
    occurred = diary.times(rng, row)
    return Events(row, code, occurred, feature, due, fragments(rng, code, feature, ahead // WEEK))


def fragments(rng: np.random.Generator, code: Ints, feature: Ints, weeks_ahead: Ints) -> Values:
    """A sentence for each event, assembled from the phrase tables."""
    n = len(code)
    line = _FIRST_PHRASE[code] + np.floor(rng.random(n) * np.diff(_FIRST_PHRASE)[code]).astype(np.int64)
    whole = [text.replace("{due}", "\x00").partition("{}") for text in _LINES]
    head = [before + mark for before, mark, _ in whole]
    middle = [mark for _, mark, _ in whole]
    has_filler = np.array([mark == "{}" for mark in middle])[line]
    competitor = rng.integers(0, len(COMPETITORS), n)
    filler = np.where(feature >= 0, feature, len(FEATURES) + competitor)
    filler = np.where(has_filler, filler, -1)
    before = pick([text.removesuffix("{}").partition("\x00")[0] for text in head], line)
    tail = [after.partition("\x00") for _, _, after in whole]
    has_due = np.array([mark == "\x00" for _, mark, _ in tail])[line]
    due = pick(_DUE, np.where(has_due, _due_wording(rng, weeks_ahead), -1))
    return glue(
        before,
        pick((*FEATURES, *COMPETITORS), filler),
        pick([text for text, _, _ in tail], line),
        due,
        pick([text for _, _, text in tail], line),
    )


_DUE = (
    "within weeks", "next month", "in two months", "with the next release", "by the end of the quarter",
    "in about ten weeks",
)  # fmt: skip


def _due_wording(rng: np.random.Generator, weeks_ahead: Ints) -> Ints:
    """How people say so many weeks: exact enough, or by the release calendar."""
    plain = np.select([weeks_ahead <= 3, weeks_ahead <= 6, weeks_ahead <= 9], [0, 1, 2], default=5)
    return np.where(rng.random(len(weeks_ahead)) < 0.4, rng.integers(3, 5, len(weeks_ahead)), plain)


def _previous(path: Path, values: Ints) -> Ints:
    """The value a week earlier in the same deal, 0 in its first week."""
    before = np.concatenate([[0], values[:-1]])
    return np.where(path.age == 0, 0, before)
