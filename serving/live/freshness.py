"""Whether what is shown is old: said on every page and in every answer after the set ages."""

from datetime import datetime, timedelta

from data.settings import Settings
from serving.published import Published

__all__ = ["run_notices"]


def run_notices(
    published: Published, trained_as_of: datetime | None, settings: Settings, now: datetime
) -> tuple[str, ...]:
    """What a reader should know about the age of the scores and of their model, a sentence each.

    trained_as_of: what the model was trained to; None for a baseline, or where it is unknown. now: UTC.
    """
    told = []
    age = now - published.as_of
    if age > timedelta(hours=settings.stale_after_hours):
        told.append(
            f"These figures stand at {published.as_of:%Y-%m-%d %H:%M} UTC, {_long(age)} ago. "
            "What happened since is not in them; `dealcast run` brings them up to date."
        )
    if trained_as_of is not None:
        age = now - trained_as_of
        if age > timedelta(days=settings.model_stale_after_days):
            told.append(
                f"The model {published.model_version} learnt from what was known at "
                f"{trained_as_of:%Y-%m-%d}, {_long(age)} ago. `dealcast run` trains a challenger."
            )
    return tuple(told)


def _long(age: timedelta) -> str:
    """An age in whole days, below two of them in hours.

    >>> _long(timedelta(hours=47.5)), _long(timedelta(days=9, hours=23))
    ('47 hours', '9 days')
    """
    hours = int(age.total_seconds() // 3600)
    return f"{hours} hours" if hours < 48 else f"{hours // 24} days"
