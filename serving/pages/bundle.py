"""The library that draws the charts, made once from the installed vl-convert and kept in the workspace.

Making it starts a JavaScript engine (1 to 5 seconds, 120 MB), so a process of its own does it. Without it
the pages show their charts as tables.
"""

import gzip
import hashlib
import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

__all__ = ["bundle_name", "chart_bundle", "make_bundle"]

_EXPORT = "window.vegaEmbed = vegaEmbed;"
_PATIENCE_SECONDS = 120
_FOLDER = "cache"


@cache
def bundle_name() -> str:
    """The file's name; it changes with what decides the content, so that browsers may keep it for long."""
    made_of = f"{version('vl-convert-python')} {_EXPORT}"
    return f"charts-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.js"


def chart_bundle(workspace: Path) -> Path | None:
    """The gzipped bundle in WORKSPACE/cache, made if it is not there; None if it cannot be made here."""
    path = workspace / _FOLDER / f"{bundle_name()}.gz"
    if path.is_file():
        return path
    try:
        path.parent.mkdir(exist_ok=True)
        subprocess.run(
            [
                sys.executable,
                "-P",
                __file__,
                str(path),
            ],  # the file alone: the package would import the server
            check=True,
            timeout=_PATIENCE_SECONDS,
            capture_output=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return path


def make_bundle(path: Path) -> None:
    """Write the gzipped bundle to the path, whole or not at all."""
    import vl_convert  # an engine that only this process should hold

    content = gzip.compress(vl_convert.javascript_bundle(_EXPORT).encode(), mtime=0)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(part).replace(path)


if __name__ == "__main__":
    make_bundle(Path(sys.argv[1]))
