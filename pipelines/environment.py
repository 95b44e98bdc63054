"""What other libraries read from the environment, set at the edge before they are imported."""

import os
from pathlib import Path

__all__ = ["quiet_libraries", "use_prefect_home"]

_TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "SCARF_NO_ANALYTICS": "true",
}
_SAFE_MODELS = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
_PREFECT = {
    "PREFECT_LOGGING_LEVEL": "INFO",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "PREFECT_CLI_PROMPT": "false",
}


def quiet_libraries() -> None:
    """Turn off telemetry and unpickling of every library, whatever the user's own settings are."""
    os.environ.update(_TELEMETRY_OFF | _SAFE_MODELS)


def use_prefect_home(workspace: Path) -> Path:
    """Prefect's folder: the user's own where configured, else one in the workspace.

    Its log lines go to the runs that it records; of those that reach a terminal only the gravest remain,
    since what a user must know is printed here in words.
    """
    for name, value in _PREFECT.items():
        os.environ.setdefault(name, value)
    home = os.environ.setdefault("PREFECT_HOME", str((workspace / "prefect").absolute()))
    return Path(home)
