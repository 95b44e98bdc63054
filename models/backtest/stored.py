"""The shocks that the last backtest measured, kept in the workspace for later runs."""

from datetime import datetime
from pathlib import Path

import orjson

from data.errors import ModelContractError
from models.forecast.shocks import Shocks

__all__ = ["SHOCKS_FILE", "read_shocks", "write_shocks"]

SHOCKS_FILE = "shocks.json"
_AS_OF = "as_of"


def write_shocks(workspace: Path, shocks: Shocks, as_of: datetime) -> Path:
    """Keep the shocks of a backtest that knew what came before as_of; the file is replaced whole."""
    path = workspace / SHOCKS_FILE
    beside = path.with_suffix(".json.new")
    held = {_AS_OF: as_of.isoformat(), **shocks.to_dict()}
    beside.write_bytes(orjson.dumps(held, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    beside.replace(path)
    return path


def read_shocks(workspace: Path, as_of: datetime) -> Shocks | None:
    """The shocks of the last backtest, as a run at `as_of` may know them.

    None where there was none, or where it looked beyond `as_of`, or does not say how far it looked.
    Raises ModelContractError if the file holds anything else.
    """
    path = workspace / SHOCKS_FILE
    try:
        held = orjson.loads(path.read_bytes())
        made = held.pop(_AS_OF, None)
        shocks = Shocks.from_dict(held)
        return shocks if made is not None and datetime.fromisoformat(made) <= as_of else None
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, TypeError, AttributeError, ValueError) as error:
        raise ModelContractError(
            f"{path}: expected the shocks that a backtest wrote, found {error}. Delete the file, or run "
            "`dealcast backtest` again."
        ) from error
