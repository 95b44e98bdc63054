"""Errors a user can act on.

    DealcastError                 exit 1: a check failed, or the work cannot be done
    ├── UsageError                exit 2: an argument or setting is wrong
    ├── SourceError               raw files or a mapping cannot be read
    ├── DataContractError         rows break the canonical contract beyond the set share
    ├── WarehouseBusyError        another process holds the workspace
    ├── LeakageError              a feature knows the outcome
    ├── ModelContractError        a model or its input is not what its manifest says
    └── PublishError              published files are missing, or differ from their manifest

Every message names the file, table, column, row or setting, what was found, what was expected
and what to do.
"""

__all__ = [
    "DataContractError",
    "DealcastError",
    "LeakageError",
    "ModelContractError",
    "PublishError",
    "SourceError",
    "UsageError",
    "WarehouseBusyError",
]


class DealcastError(Exception):
    """Root of the errors that reach a user as a message, without a traceback."""

    exit_code = 1


class UsageError(DealcastError):
    """An argument or a setting is wrong."""

    exit_code = 2


class SourceError(DealcastError):
    """A raw file or a mapping cannot be read as it stands."""


class DataContractError(DealcastError):
    """Rows break the canonical contract beyond the share that is tolerated."""


class WarehouseBusyError(DealcastError):
    """Another process holds the workspace; `holder` describes it."""

    def __init__(self, message: str, holder: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.holder = holder or {}


class LeakageError(DealcastError):
    """A feature knows the outcome it should predict."""


class ModelContractError(DealcastError):
    """A model's files, or the rows given to it, are not what its manifest says."""


class PublishError(DealcastError):
    """Published files are missing, or differ from their manifest."""
