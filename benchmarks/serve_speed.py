"""The server from memory: against MLflow's on the same booster and row, and with 100,000 open deals.

    python benchmarks/serve_speed.py endpoints WORKSPACE
    python benchmarks/serve_speed.py large WORKSPACE DIR --deals 100000

`endpoints`: one published deal and one row of ready features (with contributions) against `mlflow models
serve` of the bare booster on the same row; flat out over one connection, then at 50 requests a second.
`large`: the workspace's run, repeated until it has so many deals, published into DIR; then how long the
server takes to start, its memory, the first byte of the Deals page and list, and a pointer that is moved
under load. Servers and load are processes of their own; CPU times are the servers'.
"""

import argparse
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from models.win_model import load_model
from serving.live import HeldRun, hold
from serving.publish import Publication, publish
from serving.run_id import new_run_id, run_started_at

BENCHMARKS = Path(__file__).parent
BIN = Path(sys.executable).parent
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def dealcast_server(workspace: Path) -> Iterator[tuple[int, str, dict[str, str], float]]:
    """pid, address, headers of somebody who came in, and seconds until the first answer."""
    env = {**os.environ, "DEALCAST_RATE_LIMIT_PER_MINUTE": "100000000"}
    command = [BIN / "dealcast", "serve", "-w", workspace, "--port", "0", "--json"]
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env) as process:
        try:
            assert process.stdout is not None
            text = b""
            for line in process.stdout:
                text += line
                if line == b"}\n":
                    break
            told = orjson.loads(text)
            entered = httpx.get(told["link"], timeout=60)
            cookie = entered.headers["set-cookie"].partition(";")[0]
            headers = {"Cookie": cookie, "Origin": told["url"], "Content-Type": "application/json"}
            assert httpx.get(f"{told['url']}/api/v1/deals", headers=headers, timeout=60).status_code == 200
            yield process.pid, told["url"], headers, time.perf_counter() - begun
        finally:
            process.terminate()


@contextmanager
def mlflow_server(model: Path) -> Iterator[tuple[int, str]]:
    """MLflow's own server over the model; its pid and its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [BIN / "mlflow", "models", "serve", "-m", model, "-p", str(port), "--env-manager", "local"]
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{BIN}:{os.environ['PATH']}"}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, start_new_session=True
    ) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(300):
                try:
                    if httpx.get(f"{url}/ping").status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.3)
            yield process.pid, url
        finally:
            os.killpg(process.pid, 15)


def loaded(one: dict[str, Any], pids: tuple[int, ...] = ()) -> dict[str, Any]:
    """What the load measured, with the server's CPU ms a request."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(one, file)
        file.flush()
        before = sum(map(cpu_seconds, pids))
        done = subprocess.run(
            [sys.executable, BENCHMARKS / "load.py", file.name], capture_output=True, text=True, check=True
        )
        told = json.loads(done.stdout)
        told["cpu_ms"] = round((sum(map(cpu_seconds, pids)) - before) * 1000 / max(told["requests"], 1), 2)
    return told


def cpu_seconds(pid: int) -> float:
    """Of the process and its children."""
    found = 0.0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            found += (int(fields[11]) + int(fields[12])) / TICKS
        except FileNotFoundError:
            continue
    return found


def family(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    children = [int(one) for one in listed.read_text().split()] if listed.exists() else []
    return [pid, *(found for child in children for found in family(child))]


def memory_gb(pid: int, field: str = "VmRSS") -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1e6


def bare_model(run: HeldRun, folder: Path) -> Path:
    """The run's booster alone, saved as MLflow's own flavour: it takes the encoded row."""
    import lightgbm as lgb
    import mlflow.lightgbm

    booster = lgb.Booster(model_str=load_model(run.models / run.model_version).booster_text)
    if not folder.exists():
        mlflow.lightgbm.save_model(booster, folder, pip_requirements=["lightgbm"])
    return folder


WHOLE = """
import mlflow, pyarrow as pa
from models.win_model import load_model

class Whole(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        from pathlib import Path
        self.model = load_model(Path(context.artifacts["model"]))
        self.kinds = {column.name: column.kind for column in self.model.encoder.columns}

    def predict(self, context, model_input, params=None):
        types = {"category": pa.string(), "flag": pa.bool_(), "count": pa.int64(), "number": pa.float64()}
        columns = {
            name: pa.array(
                [None if value != value else value for value in model_input[name].tolist()], types[kind]
            )
            for name, kind in self.kinds.items()
        }
        return self.model.p_win(pa.table(columns))

mlflow.models.set_model(Whole())
"""
"""The model as MLflow serves it where the row is what a user has: texts, flags and gaps; no contributions."""


def whole_model(run: HeldRun, row: pa.Table, folder: Path) -> Path:
    """Our model behind MLflow's own form: models from code, with a signature of the row."""
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    kinds = {"string": "string", "bool": "boolean", "int64": "double", "double": "double"}
    specs = [
        ColSpec(kinds[str(column.type)], column.name, required=False)
        for column in row.schema
        if column.name != "opportunity_id"
    ]
    code = folder.parent / "whole_model.py"
    code.write_text(WHOLE)
    mlflow.pyfunc.save_model(
        folder, python_model=str(code), artifacts={"model": str(run.models / run.model_version)},
        signature=ModelSignature(Schema(specs)), pip_requirements=["lightgbm"],
    )  # fmt: skip
    return folder


def endpoints(workspace: Path, seconds: float) -> None:
    run = hold(workspace)
    model = run.model()
    assert model is not None, run.model_problem
    deal = str(run.deals.ids[0])
    row = run.table("win_features.parquet").slice(run.place_of(deal), 1)
    plain = {name: value for name, value in row.to_pylist()[0].items() if name != "opportunity_id"}
    encoded = model.encoder.transform(row)[0]
    asked = {
        "GET a deal": {"url": f"/api/v1/deals/{deal}", "method": "GET"},
        "POST ready features": {
            "url": "/api/v1/score", "method": "POST", "body": orjson.dumps({"features": [plain]}).decode(),
        },
    }  # fmt: skip
    print(f"booster: {len(model.feature_names)} features, {model.trained.get('rounds')} trees")
    with dealcast_server(workspace) as (pid, url, headers, _):
        time.sleep(8)  # the model's libraries load behind the first answers
        for name, one in asked.items():
            request = {**one, "url": url + one["url"], "headers": headers, "seconds": seconds}
            show(name, "1 connection", loaded({**request, "connections": 1}, (pid,)))
            show(name, "8 connections", loaded({**request, "connections": 8}, (pid,)))
            show(name, "50 a second", loaded({**request, "connections": 16, "rate": 50}, (pid,)))
    # the bare booster takes the encoded row; missing values as 0, since a null becomes text, which it refuses
    encoded_row = [0.0 if value != value else value for value in encoded.tolist()]
    bare = {"columns": list(model.feature_names), "data": [encoded_row]}
    whole = {"columns": list(plain), "data": [list(plain.values())]}
    with tempfile.TemporaryDirectory() as folder:
        mlflow_endpoint("MLflow, same row", whole_model(run, row, Path(folder) / "whole"), whole, seconds)
        mlflow_endpoint("MLflow, bare booster", bare_model(run, Path(folder) / "bare"), bare, seconds)


def mlflow_endpoint(name: str, model: Path, split: dict[str, Any], seconds: float) -> None:
    with mlflow_server(model) as (pid, url):
        request = {
            "url": f"{url}/invocations", "method": "POST", "seconds": seconds,
            "headers": {"Content-Type": "application/json"},
            "body": orjson.dumps({"dataframe_split": split}).decode(),
        }  # fmt: skip
        first = httpx.post(request["url"], content=request["body"], headers=request["headers"], timeout=120)
        assert first.status_code == 200, first.text
        for connections in (1, 8):
            how = "1 connection" if connections == 1 else f"{connections} connections"
            show(name, how, loaded({**request, "connections": connections}, (pid,)))


def show(name: str, how: str, told: dict[str, Any]) -> None:
    print(
        f"{name:22s} {how:14s} {told['per_second']:8.1f}/s  p50 {told['p50_ms']:7.2f}  "
        f"p99 {told['p99_ms']:7.2f} ms  CPU {told['cpu_ms']:6.2f} ms  failures {told['failures']}",
        flush=True,
    )


def enlarged(run: HeldRun, deals: int) -> Publication:
    """The run with its deals repeated under new ids, so that every table is as wide and long as in life."""
    copies = -(-deals // len(run.deals))
    tables = {}
    for name in run.manifest["files"]:
        table = run.table(name)
        if table.column_names[0] == "opportunity_id" and name.startswith("win_"):
            ids = table["opportunity_id"].to_pylist()
            column = pa.array([f"{copy:05d}-{one}" for copy in range(copies) for one in ids])
            table = pa.concat_tables([table] * copies).set_column(0, "opportunity_id", column)
        tables[name] = shaken(name, table.combine_chunks())
    named = {
        name: tables.pop(f"win_{name}.parquet")
        for name in ("scores", "contributions", "features", "drivers", "reasons", "deals")
    }
    return Publication(
        as_of=run.as_of, model_version=run.model_version, data_version=run.manifest["data_version"],
        **named, further=tables, about=run.manifest["about"],
    )  # fmt: skip


def shaken(name: str, table: pa.Table) -> pa.Table:
    """The wide tables with noise, since copies would compress to nothing; contributions still add up."""
    if name not in ("win_features.parquet", "win_contributions.parquet"):
        return table
    random = np.random.default_rng(7)
    for place, column in enumerate(table.schema):
        if column.type != pa.float64() or (name == "win_contributions.parquet" and place % 2 == 0):
            continue
        noise = random.normal(0, 0.01, table.num_rows)
        table = table.set_column(place, column.name, add(table[place], noise))
        if name == "win_contributions.parquet" and place + 1 < table.num_columns:
            following = table.schema.names[place + 1]
            table = table.set_column(place + 1, following, add(table[place + 1], -noise))
        elif name == "win_contributions.parquet":
            table = table.set_column(place, column.name, add(table[place], -noise))
    return table


def add(column: pa.ChunkedArray, noise: np.ndarray) -> pa.ChunkedArray:
    return pc.add(column, pa.array(noise))


def large(workspace: Path, folder: Path, deals: int, seconds: float) -> None:
    source = hold(workspace)
    if not (folder / "published").exists():
        shutil.copytree(workspace / "models", folder / "models")
        publish(folder, source.run_id, enlarged(source, deals))
    on_disk = sum(file.stat().st_size for file in (folder / "published").rglob("*")) / 1e6
    with dealcast_server(folder) as (pid, url, headers, start):
        cpu = cpu_seconds(pid)
        print(
            f"{deals:,} deals, {on_disk:.0f} MB published: first answer after {start:.1f} s, {cpu:.1f} CPU s"
        )
        for path, accept in (("/deals", "text/html"), ("/api/v1/deals", "application/json")):
            first, later = first_bytes(url + path, {**headers, "Accept": accept})
            print(f"{path}: first byte after {first:.0f} ms, then {later:.0f} ms")
        wait_until_still(pid)
        print(f"memory: {memory_gb(pid):.2f} GB, at most {memory_gb(pid, 'VmHWM'):.2f} GB")
        for path in ("/deals", "/api/v1/deals", "/api/v1/deals?sort=-amount"):
            _, later = first_bytes(url + path, {**headers, "Accept": "text/html, application/json"})
            print(f"{path}: first byte after {later:.0f} ms once everything is loaded")
        switch(folder, pid, url, headers, seconds)


def first_bytes(url: str, headers: dict[str, str]) -> tuple[float, float]:
    """Milliseconds to the first byte: of the first request, and the median of ten later ones."""
    times = []
    with httpx.Client(timeout=120) as client:
        for _ in range(11):
            begun = time.perf_counter()
            with client.stream("GET", url, headers=headers) as answer:
                assert answer.status_code == 200, answer.read()
                next(answer.iter_raw())
                times.append((time.perf_counter() - begun) * 1000)
    return times[0], sorted(times[1:])[5]


def wait_until_still(pid: int) -> None:
    """Until what loads behind the first answers is loaded."""
    while True:
        before = cpu_seconds(pid)
        time.sleep(2)
        if cpu_seconds(pid) - before < 0.1:
            return


def switch(folder: Path, pid: int, url: str, headers: dict[str, str], seconds: float) -> None:
    """Publish the same deals as another run while a deal is asked for 50 times a second."""
    held = hold(folder)
    following = new_run_id(run_started_at(held.run_id).replace(year=2030))
    deal = str(held.deals.ids[0])
    request = {
        "url": f"{url}/api/v1/deals/{deal}", "method": "GET", "headers": headers, "connections": 16,
        "rate": 50, "seconds": seconds * 4,
    }  # fmt: skip
    show("GET a deal", "before", loaded({**request, "seconds": seconds}, (pid,)))
    target = folder / "published" / following
    shutil.copytree(held.folder, target)
    manifest = orjson.dumps({**held.manifest, "run_id": following})
    (target / "manifest.json").write_bytes(manifest)
    (target / "manifest.json.sha256").write_text(hashlib.sha256(manifest).hexdigest())
    threading.Timer(seconds, lambda: (folder / "published" / "CURRENT").write_text(following)).start()
    show("GET a deal", "while moving", loaded(request, (pid,)))
    wait_until_still(pid)
    now = httpx.get(f"{url}/api/v1/deals/{deal}", headers=headers).json()["run_id"]
    most, after = memory_gb(pid, "VmHWM"), memory_gb(pid)
    print(f"run moved: {now == following}; memory at most {most:.2f} GB, then {after:.2f} GB")
    (folder / "published" / "CURRENT").write_text(held.run_id)
    shutil.rmtree(target)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["endpoints", "large"])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--deals", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=6)
    given = parser.parse_args()
    if given.what == "endpoints":
        endpoints(given.workspace, given.seconds)
    else:
        large(given.workspace, given.folder, given.deals, given.seconds)


if __name__ == "__main__":
    main()
