"""The `dealcast` command: one command per verb, each in a module that imports little until it runs."""

import typer

from pipelines.cli import (
    auditing,
    backtest,
    changing,
    forecasting,
    modelling,
    reading,
    running,
    segments,
    serving,
    upkeep,
    worth,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="dealcast",
    help="Which deals will be won, and why. Start with: dealcast demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_COMMANDS = (
    running.demo, upkeep.init, running.simulate, running.run, running.extract, auditing.audit,
    modelling.train, modelling.evaluate, modelling.score, reading.deals, reading.renewals,
    reading.explain, changing.changes, reading.evidence, forecasting.forecast, serving.serve,
    modelling.promote, modelling.rollback, segments.segments, worth.worth, backtest.backtest,
    upkeep.schedule, upkeep.doctor,
)  # fmt: skip

for command in _COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command that the arguments name."""
    app(prog_name="dealcast")
