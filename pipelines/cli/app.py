"""The `dealcast` command: one command per verb, each in a module that imports little until it runs."""

import typer

from pipelines.cli import reading, running

__all__ = ["app", "main"]

app = typer.Typer(
    name="dealcast",
    help="Which deals will be won, and why. Start with: dealcast demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (running.run, reading.deals, reading.explain, running.simulate, running.extract):
    app.command()(command)


def main() -> None:
    """Run the command that the arguments name."""
    app(prog_name="dealcast")
