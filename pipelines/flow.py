"""The run as a Prefect flow: the same steps, each a task that a Prefect server shows.

Importing this module imports Prefect, which reads its settings then: see `pipelines.environment`.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from prefect import Task, flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from rich.console import Console

from data.settings import load_settings
from models.registry import RegistryUnreachableError
from pipelines.champion import register_model
from pipelines.job import Job, RunResult
from pipelines.progress import Progress
from pipelines.run import STEPS, Do, held, new_job, win_run

__all__ = ["run_flow"]

T = TypeVar("T")


def _may_recover(_task: Any, _run: Any, state: Any) -> bool:
    """Whether to try again: the registry may come back; a failed check will not mend itself."""
    return isinstance(state.result(raise_on_failure=False), RegistryUnreachableError)


def _as_task(step: Callable[..., Any], words: str) -> Task[..., Any]:
    retries = 2 if step is register_model else 0
    return task(
        step, name=words, retries=retries, retry_delay_seconds=5, retry_condition_fn=_may_recover,
        cache_policy=NO_CACHE, persist_result=False,
    )  # fmt: skip


TASKS = {step: _as_task(step, words) for step, words in STEPS.items()}


@flow(name="dealcast-run", persist_result=False, validate_parameters=False)
def run_flow(arguments: dict[str, Any], config: str | None = None, run_id: str | None = None) -> RunResult:
    """Files to published scores, every step a task.

    arguments: settings given by the caller, over environment and file. config: the settings file.
    run_id: of a caller that holds the workspace; without one, the flow takes the workspace itself.
    """
    settings = load_settings(Path(config) if config else None, **arguments)
    with Progress(Console(file=sys.stderr, markup=False, highlight=False)) as progress:
        do = _by_tasks(progress)
        if run_id is not None:
            result = win_run(Job(settings, run_id), do)
        else:
            result = held(new_job(settings), lambda job: win_run(job, do), progress)
    result = replace(result, seconds=progress.seconds)
    create_markdown_artifact(_in_markdown(result), key="dealcast-run", description="What the run did")
    return result


def _by_tasks(progress: Progress) -> Do:
    """A doer that runs each step as its Prefect task; what the step says is also in the task's log."""

    def do(step: Callable[..., T], /, *given: Any) -> T:
        with progress.stage(STEPS[step]) as say:

            def tell(line: str) -> None:
                say(line)
                get_run_logger().info(line)

            result: T = TASKS[step](*given, tell)
            return result

    return do


def _in_markdown(result: RunResult) -> str:
    facts = {
        "run": result.run_id,
        "status": result.status,
        "as of": result.as_of,
        "model": result.model_version,
        "open deals": result.open_deals,
    }
    lines = [f"- {name}: {value}" for name, value in facts.items() if value is not None]
    return "\n".join([result.message, "", *lines, *(f"- warning: {line}" for line in result.warnings)])
