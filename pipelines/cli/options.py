"""Options that several commands share, and the settings that they make."""

from pathlib import Path
from typing import Annotated, Any

import typer

from data.settings import Settings, load_settings

__all__ = [
    "AsJson", "AsOf", "AsOfPublished", "Config", "Debug", "Mapping", "Snapshots", "Source", "Workspace",
    "settings_of",
]  # fmt: skip

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Config = Annotated[Path | None, typer.Option("--config", help="Settings file; default: ./dealcast.toml.")]
Workspace = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Folder of the warehouse, models and published scores."),
]
Source = Annotated[Path | None, typer.Option("--source", help="Folder of CSV, CSV.gz or Parquet files.")]
Mapping = Annotated[str | None, typer.Option("--mapping", help="Mapping by name, or a folder of SELECTs.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="Date, or time with zone; default: just after the newest known row."),
]
AsOfPublished = Annotated[
    str | None,
    typer.Option("--as-of", help="Date, or time with zone; default: the instant of the published run."),
]
Snapshots = Annotated[
    str | None, typer.Option("--snapshots", help="Training calendar: auto, daily or weekly.")
]


def settings_of(config: Path | None, **arguments: Any) -> Settings:
    """The settings of a command: its arguments over the environment, the file and the defaults."""
    return load_settings(config, **arguments)
