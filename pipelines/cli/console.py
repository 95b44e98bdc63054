"""What every command shares: results to standard output, all else to standard error, one exit-code map."""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import orjson
import typer
from rich.console import Console, RenderableType
from rich.text import Text

from data.errors import DealcastError
from pipelines.environment import quiet_libraries
from serving.text import printable

__all__ = ["LOG_FILE", "Output", "reporting"]

LOG_FILE = "dealcast.log"
_FAILED = 1
_INTERRUPTED = 130
_PLAIN_WIDTH = 150


@dataclass
class Output:
    """Where a command writes: results to `out`, words about the work to `err`."""

    as_json: bool
    stdout: TextIO
    out: Console
    err: Console
    workspace: Path | None = None

    def result(self, value: Any, shown: RenderableType | None = None) -> None:
        """The command's result: one JSON object with --json, else what is shown to people."""
        if self.as_json:
            option = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z
            self.stdout.write(orjson.dumps(value, default=str, option=option).decode() + "\n")
            self.stdout.flush()
        elif shown is not None:
            self.out.print(shown)

    def warn(self, lines: list[str]) -> None:
        """Warnings, each on a line of its own."""
        for line in lines:
            self.err.print(
                Text.assemble(("warning: ", "yellow"), printable(line, longest=2000)), soft_wrap=True
            )


@contextlib.contextmanager
def reporting(*, as_json: bool, debug: bool, workspace: Path | None = None) -> Iterator[Output]:
    """Run a command's body, and turn what goes wrong into a message and an exit code.

    What a library prints to standard output goes to standard error, so that a result stands alone.
    workspace: where the traceback of an unexpected error is kept.
    """
    quiet_libraries()
    with _results_apart() as stdout:
        output = Output(as_json, stdout, _console(stdout), _console(sys.stderr), workspace)
        try:
            yield output
        except DealcastError as error:
            if debug:
                traceback.print_exc(file=sys.stderr)
            _fail(output, str(error), error.exit_code)
        except typer.Exit:
            raise
        except BrokenPipeError:
            _stop_writing(stdout)
            raise typer.Exit(_FAILED) from None
        except KeyboardInterrupt:
            _fail(output, "interrupted; what was published before stays in place.", _INTERRUPTED)
        except Exception as error:
            if debug:
                traceback.print_exc(file=sys.stderr)
            _fail(output, _unexpected(error, output.workspace), _FAILED)


@contextlib.contextmanager
def _results_apart() -> Iterator[TextIO]:
    """A stream to standard output for results alone; what else is written there goes to standard error.

    Also below Python: DuckDB draws its progress on file descriptor 1.
    """
    stdout = sys.stdout
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        if sys.__stdout__ is None or stdout is not sys.__stdout__:
            yield stdout
            return
        stdout.flush()
        results = stack.enter_context(os.fdopen(os.dup(1), "w", encoding="utf-8"))
        os.dup2(2, 1)
        try:
            yield results
        finally:
            results.flush()
            os.dup2(results.fileno(), 1)


def _console(stream: TextIO) -> Console:
    """A console that never guesses markup in CRM text, and does not fold tables where nobody looks."""
    console = Console(file=stream, markup=False, highlight=False, emoji=False)
    return (
        console
        if console.is_terminal
        else Console(file=stream, markup=False, highlight=False, emoji=False, width=_PLAIN_WIDTH)
    )


def _stop_writing(stream: TextIO) -> None:
    """Send the rest to nowhere: whoever read the results, such as `head`, has gone."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _fail(output: Output, message: str, exit_code: int) -> None:
    lines = [printable(line, longest=2000) for line in message.splitlines()]
    output.err.print(Text.assemble(("error: ", "bold red"), "\n".join(lines)), soft_wrap=True)
    if output.as_json:
        output.result({"status": "failed", "error": message, "exit_code": exit_code})
    raise typer.Exit(exit_code)


def _unexpected(error: BaseException, workspace: Path | None) -> str:
    """A short message for an error that nobody foresaw, with the place of its traceback."""
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    if workspace is None or not workspace.is_dir():
        return f"this should not have happened: {what}. Run the command again with --debug to see where."
    log = workspace / LOG_FILE
    with log.open("a", encoding="utf-8") as file:
        file.write(f"--- {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {' '.join(sys.argv)}\n")
        traceback.print_exception(error, file=file)
    return f"this should not have happened: {what}. The traceback is in {log}."
