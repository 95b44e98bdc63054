"""Which past forecasts are replayed, and by which models."""

from dataclasses import dataclass
from datetime import datetime

from data.errors import ModelContractError, UsageError
from models.backtest.origins import choose_origins
from models.renewal.model import RenewalModel
from models.win_model import WinModel
from pipelines.champion import champion_or_none
from pipelines.job import Job
from pipelines.renewal_champion import renewal_champion
from pipelines.steps import View

__all__ = ["Champions", "Plan", "months_of"]

_MOST_MONTHS = 12
_LEVELS = ("region", "segment", "product")


@dataclass(frozen=True)
class Plan:
    """Which past forecasts are replayed: how many, months from one to the next, months that each runs.

    refit: models are fitted anew at each origin; else the champion as it stands, at origins it did not see.
    by: levels beside the total.
    """

    origins: int = 6
    every: int = 1
    horizon: int = 6
    refit: bool = True
    by: tuple[str, ...] = ("region", "segment")

    def __post_init__(self) -> None:
        if self.origins < 1 or self.every < 1 or not 1 <= self.horizon <= _MOST_MONTHS:
            raise UsageError(
                f"backtest: expected one origin or more, one month or more between them and a horizon of 1 "
                f"to {_MOST_MONTHS} months, found {self.origins}, {self.every} and {self.horizon}."
            )
        unknown = [level for level in self.by if level not in _LEVELS]
        if unknown:
            raise UsageError(
                f"--by: expected levels among {', '.join(_LEVELS)}, found {', '.join(unknown)}. Leave it out."
            )


def months_of(option: str, text: str) -> int:
    """Months from a text such as 6m. Raises UsageError that names the option for anything else.

    >>> months_of("--horizon", "6m")
    6
    """
    number = text.strip().lower().removesuffix("m")
    if not number.isascii() or not number.isdigit():
        raise UsageError(f"{option}: expected months such as 6m, found {text!r}.")
    return int(number)


@dataclass(frozen=True)
class Champions:
    """The models that are taken as they stand; none where models are fitted anew at each origin."""

    refit: bool
    win: WinModel | None = None
    renewal: RenewalModel | None = None

    @classmethod
    def of(cls, job: Job, plan: Plan) -> "Champions":
        """Those that serve now. Raises ModelContractError without a champion, where one is asked for."""
        if plan.refit:
            return cls(True)
        win, _ = champion_or_none(job)
        renewal, _ = renewal_champion(job)
        if win is None or win.kind == "baseline":
            raise ModelContractError(
                "backtest --as-were: expected a champion, found none that can be loaded. Run `dealcast run` "
                "first, or leave --as-were out, which fits models anew at each instant."
            )
        return cls(False, win, renewal)

    def origins(self, view: View, plan: Plan) -> tuple[datetime, ...]:
        """The instants to stand at. Raises UsageError if the champion has looked past them all."""
        every = choose_origins(view.calendar, count=plan.origins, every=plan.every, horizon=plan.horizon)
        if self.win is None:
            return every
        seen = _trained_until(self.win)
        unseen = tuple(origin for origin in every if origin >= seen)
        if not unseen:
            raise UsageError(
                f"backtest --as-were: champion {self.win.version} learnt from what was known up to "
                f"{seen:%Y-%m-%d}; a forecast from before that would look ahead, and the latest that can be "
                f"judged {plan.horizon} months ahead starts on {every[-1]:%Y-%m-%d}. Train as of an earlier "
                "instant (dealcast train --as-of), ask for a shorter --horizon, or leave --as-were out."
            )
        return unseen

    def no_renewals(self, at: datetime) -> str | None:
        """Why renewals cannot be replayed at an instant; None if they can."""
        if self.refit:
            return None
        if self.renewal is None:
            return f"{at:%Y-%m-%d}: no renewals were forecast: there is no renewal champion"
        seen = _trained_until(self.renewal.chance)
        ahead = f"{at:%Y-%m-%d}: no renewals were forecast: their champion learnt from up to {seen:%Y-%m-%d}"
        return ahead if seen > at else None


def _trained_until(model: WinModel) -> datetime:
    """Up to where a model's labels were known."""
    return datetime.fromisoformat(model.trained["as_of"])
