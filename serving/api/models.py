"""The models: the one that serves beside the newest other one, what they rest on, what was decided."""

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from data.settings import Settings
from serving.access.gate import Seen, allow
from serving.api.model_parts import ModelsView, SubjectAnswer
from serving.api.model_reading import (
    backtest_answer,
    data_answer,
    decision_answer,
    model_answer,
    worth_answer,
)
from serving.api.stamped import answer, stamp
from serving.live import HeldRun
from serving.model_files import ModelFiles, model_files
from serving.renewals import SCORES, has_renewals, is_baseline, renewal_versions

__all__ = ["models_view", "router"]

router = APIRouter(tags=["models"])


def models_view(seen: Seen, settings: Settings) -> ModelsView:
    """Everything that the runs up to this one found out about their models."""
    run, files = seen.run, model_files(seen.run)
    about = run.manifest["about"]
    return ModelsView(
        **stamp(run),
        warnings=tuple(about.get("warnings", ())),
        subjects=tuple(_subject(files, name, *serving) for name, serving in _serving(run).items()),
        worth=worth_answer(files),
        backtest=backtest_answer(files),
        data=data_answer(files, run.run_id),
        mlflow_ui_url=settings.mlflow_ui_url,
        prefect_ui_url=settings.prefect_ui_url,
    )


@router.get("/models", response_model=ModelsView)
def get_models(request: Request, seen: Annotated[Seen, allow("models")]) -> Response:
    """Champion and challenger with their evaluation, the audit, worth of families, data and decisions."""
    return answer(models_view(seen, request.app.state.settings))


def _serving(run: HeldRun) -> dict[str, tuple[str | None, str | None]]:
    """By subject the version that serves, and why it is a baseline where it is one."""
    note = run.manifest["about"].get("note") or None
    versions = renewal_versions(run)
    told = run.table(SCORES)["evidence"][0].as_py() if has_renewals(run) and is_baseline(versions) else None
    return {"win": (run.model_version, note), "renewal": (versions[0] if versions else None, told)}


def _subject(files: ModelFiles, name: str, serving: str | None, note: str | None) -> SubjectAnswer:
    held = files.subject(name)
    champion = held.run_of(serving) if serving is not None else None
    challenger = held.newest_but(serving)
    return SubjectAnswer(
        subject=name,
        serving=serving,
        is_baseline=serving is not None and is_baseline((serving,)),
        note=note,
        champion=None if champion is None else model_answer(files, held, champion, serving=serving),
        challenger=None if challenger is None else model_answer(files, held, challenger, serving=serving),
        decisions=tuple(decision_answer(one) for one in reversed(held.decisions)),
    )
