"""The committed locks: pinned, hashed, without addresses, and in step with each other."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKS = ("bootstrap", "run", "dev")
PIN = re.compile(r"^[a-z0-9][a-z0-9._-]*==[A-Za-z0-9.!+]+( ; [^\\#]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def _lines(lock: str) -> list[str]:
    return (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8").splitlines()


def _pins(lock: str) -> dict[str, set[str]]:
    """The pinned requirements of a lock by package name, markers included."""
    pins: dict[str, set[str]] = {}
    for line in _lines(lock):
        if not line.startswith(" "):
            pins.setdefault(line.split("==")[0], set()).add(line.rstrip("\\ "))
    return pins


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_nothing_but_pins_and_hashes(lock: str) -> None:
    strange = [line for line in _lines(lock) if not PIN.match(line) and not HASH.match(line)]
    assert strange == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    lines = _lines(lock)
    bare = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if PIN.match(line) and not HASH.match(following)
    ]
    assert bare == []


def test_the_test_environment_is_the_running_one_plus_tools() -> None:
    run, dev = _pins("run"), _pins("dev")
    assert {name: pins for name, pins in run.items() if dev.get(name) != pins} == {}


@pytest.mark.parametrize(
    ("table", "lock"), [(("dependencies",), "run"), (("optional-dependencies", "dev"), "dev")]
)
def test_a_lock_satisfies_what_pyproject_asks_for(table: tuple[str, ...], lock: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project
    for key in table:
        wanted = wanted[key]
    pins = {name: {Requirement(pin) for pin in found} for name, found in _pins(lock).items()}
    unmet = []
    for requirement in map(Requirement, wanted):
        versions = [str(pin.specifier).removeprefix("==") for pin in pins.get(requirement.name.lower(), ())]
        if not versions or not all(requirement.specifier.contains(v, prereleases=True) for v in versions):
            unmet.append(f"{requirement}: locked {versions or 'nothing'}; run `make lock`")
    assert unmet == []


def test_an_old_python_gets_a_message_that_names_the_remedy(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && { echo Python 3.9.2; exit 0; }\nexit 1\n')
    old.chmod(0o755)
    checkout = tmp_path / "checkout"
    (checkout / "requirements").mkdir(parents=True)
    for name in ("install.sh", "run.lock", "dev.lock", "bootstrap.lock"):
        source = ROOT / "requirements" / name
        (checkout / "requirements" / name).write_bytes(source.read_bytes())
    (checkout / "pyproject.toml").write_text("")
    done = subprocess.run(
        ["sh", str(checkout / "requirements/install.sh"), "run"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.9.2" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (checkout / ".venv").exists()
