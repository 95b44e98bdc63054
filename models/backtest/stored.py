"""The shocks that the last backtest measured, kept in the workspace for later runs."""

from pathlib import Path

import orjson

from data.errors import ModelContractError
from models.forecast.shocks import Shocks

__all__ = ["SHOCKS_FILE", "read_shocks", "write_shocks"]

SHOCKS_FILE = "shocks.json"


def write_shocks(workspace: Path, shocks: Shocks) -> Path:
    """Keep the shocks; the file is replaced whole."""
    path = workspace / SHOCKS_FILE
    beside = path.with_suffix(".json.new")
    beside.write_bytes(orjson.dumps(shocks.to_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    beside.replace(path)
    return path


def read_shocks(workspace: Path) -> Shocks | None:
    """The shocks of the last backtest; None where there was none.

    Raises ModelContractError if the file holds anything else.
    """
    path = workspace / SHOCKS_FILE
    try:
        return Shocks.from_dict(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, TypeError, AttributeError) as error:
        raise ModelContractError(
            f"{path}: expected the shocks that a backtest wrote, found {error}. Delete the file, or run "
            "`dealcast backtest` again."
        ) from error
