"""The command that serves the pages and the JSON API."""

import sys
import threading
import webbrowser
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.console import Output, reporting
from pipelines.cli.options import AsJson, Config, Debug, Workspace, settings_of

if TYPE_CHECKING:
    from fastapi import FastAPI

    from data.settings import Settings
    from serving.live import Live

__all__ = ["serve", "serve_workspace"]

_DRAIN_SECONDS = 5
_KEEP_ALIVE_SECONDS = 15


def serve(
    workspace: Workspace = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on; 0: any free one.")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the link in the browser.")] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Print a fresh link for the server that runs already, and end.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Serve the published scores: pages for people, JSON under /api/v1 for programs.

    Listens on this machine alone, and prints a link that lets you in once; Enter gives another. Follows new
    runs as they are published. Ctrl-C ends it.

    Example: dealcast serve --workspace demo --open
    """
    with reporting(as_json=as_json, debug=debug) as output:
        settings = settings_of(config, workspace=workspace, serve_host=host, serve_port=port)
        if link:
            _print_link(settings, output)
        else:
            serve_workspace(settings, output, open_browser=open_browser)


def serve_workspace(settings: "Settings", output: Output, *, open_browser: bool) -> None:
    """Serve until interrupted. Raises UsageError if the workspace, the host or the port will not do."""
    _check_workspace(settings)
    output.workspace = settings.workspace
    from serving.web.bind import address_of, bound_socket, check_bind

    check_bind(settings)
    bound = bound_socket(settings.serve_host, settings.serve_port)
    with bound:
        from serving.app import create_app
        from serving.live import Live
        from serving.web.log import LOG_FILE, log_to

        handler = log_to(settings.workspace / LOG_FILE)
        live = Live(settings.workspace)
        app = create_app(settings, live=live)
        url = settings.public_url or address_of(bound)
        link = _link(app, url)
        told = _told(live, url, link)
        output.result(told, _shown(told))
        output.warn(list(told["notices"]))
        if open_browser:
            webbrowser.open(link or url)
        if link and sys.stdin is not None and sys.stdin.isatty():
            threading.Thread(target=_more_links, args=(app, url, output), daemon=True).start()
        try:
            # Ctrl-C ends it as the event loop has it: by an interrupt, or by a plain return
            with suppress(KeyboardInterrupt):
                _run(app, bound, behind_proxy=settings.public_url is not None)
            output.err.print("Stopped.")
        finally:
            handler.close()


def _run(app: "FastAPI", bound: Any, *, behind_proxy: bool) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=behind_proxy,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[bound])


def _print_link(settings: "Settings", output: Output) -> None:
    """A link that the server in another terminal honours: both keep their links in the workspace."""
    _check_workspace(settings)
    from serving.access.access import Access
    from serving.store import Store

    url = settings.public_url or f"http://{settings.serve_host}:{settings.serve_port}"
    found = Access(settings, Store(settings.workspace)).new_link(url)
    from rich.text import Text

    output.result({"status": "done", "link": found}, Text(found))


def _check_workspace(settings: "Settings") -> None:
    from data.errors import UsageError

    if not settings.workspace.is_dir():
        raise UsageError(
            f"setting 'workspace': no folder {str(settings.workspace)!r} here. `dealcast demo` makes one to "
            "look at; `dealcast run --source DIR --mapping NAME --workspace DIR` makes one of your data."
        )


def _link(app: "FastAPI", url: str) -> str | None:
    """A one-time link; None where people sign in."""
    from serving.web.bind import has_sign_in

    return None if has_sign_in(app.state.settings) else str(app.state.access.new_link(url))


def _more_links(app: "FastAPI", url: str, output: Output) -> None:
    from rich.text import Text

    for _ in sys.stdin:
        output.out.print(Text(f"  {_link(app, url)}"), soft_wrap=True)


def _told(live: "Live", url: str, link: str | None) -> dict[str, Any]:
    """Where to open it, and what is shown there."""
    from serving.live import NothingPublishedError

    told: dict[str, Any] = {"status": "serving", "url": url, "link": link}
    try:
        run = live.run()
    except NothingPublishedError as error:
        return {**told, "run_id": None, "problem": live.state().problem or str(error), "notices": ()}
    return {
        **told,
        "run_id": run.run_id,
        "as_of": run.as_of,
        "model_version": run.model_version,
        "deals": len(run.deals),
        "notices": run.notices(),
    }


def _shown(told: dict[str, Any]) -> Any:
    from rich.text import Text

    if told["run_id"] is None:
        what = f"Nothing to show yet: {told['problem']}"
    else:
        what = (
            f"Run {told['run_id']}: {told['deals']:,} open deals as of {told['as_of']:%Y-%m-%d %H:%M} UTC, "
            f"model {told['model_version']}"
        )
    hint = "It opens once; Enter gives another." if told["link"] else "People sign in there."
    return Text.assemble(
        f"{what}\n\n  ", (told["link"] or told["url"], "bold"), f"\n\n{hint} Ctrl-C ends.",
        no_wrap=True, overflow="ignore",
    )  # fmt: skip
