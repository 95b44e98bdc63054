"""Rules of the source tree that no linter knows."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("data", "features", "models", "serving", "pipelines")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
CLOCK = re.compile(
    r"datetime\.(now|utcnow|today)\b|date\.today\b|time\.time\b|ibis\.(now|today)\b|\bcurrent_(timestamp|date|time)\b"
)
# Spelt in pieces, so that this file does not trip over itself.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:" + "|".join(("work", "tmp", "root", "home", "Users")) + r")/\w")
REGISTRY_HOST = re.compile("|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(org|com)")))


def _tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=False, capture_output=True, text=True
    ).stdout
    if not listing:
        pytest.skip("not a git checkout, so there is no list of tracked files")
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


def _found(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{n}: {line.strip()[:100]}"
            for n, line in enumerate(lines, 1)
            if pattern.search(line)
        ]
    return found


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_imports_run_one_way_through_the_rooms() -> None:
    """import-linter holds the arrows of docs/design.md; its report names a wrong one."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    assert _found(MACHINE_PATH, _tracked()) == []


def test_no_tracked_file_names_a_package_registry() -> None:
    assert _found(REGISTRY_HOST, _tracked()) == []


def test_nothing_loads_or_writes_pickles() -> None:
    offenders = {str(path.relative_to(ROOT)): _imported(path) & PICKLES for path in MODULES}
    assert {name: found for name, found in offenders.items() if found} == {}


def test_modules_stay_under_four_hundred_lines() -> None:
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES
    }
    assert {name: size for name, size in sizes.items() if size > 400} == {}


def test_every_module_with_content_lists_its_public_names() -> None:
    def lists_names(tree: ast.Module) -> bool:
        targets = [
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        ]
        return "__all__" in targets

    trees = {path: ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in MODULES}
    lacking = [
        str(path.relative_to(ROOT))
        for path, tree in trees.items()
        if path.name not in ("__init__.py", "__main__.py") and tree.body and not lists_names(tree)
    ]
    assert lacking == []


def test_features_never_ask_the_clock() -> None:
    assert _found(CLOCK, sorted((ROOT / "features").rglob("*.py"))) == []


def test_features_compute_nothing_themselves() -> None:
    """The edge executes; a feature module only returns expressions.

    `features.program` is such an edge itself: the others' expressions, compiled once, on its own database.
    """
    modules = sorted(set((ROOT / "features").rglob("*.py")) - {ROOT / "features" / "program.py"})
    assert _found(re.compile(r"\.execute\("), modules) == []


def test_only_pipelines_knows_the_orchestrator_and_the_command_line() -> None:
    inner = [path for path in MODULES if path.relative_to(ROOT).parts[0] != "pipelines"]
    offenders = {str(path.relative_to(ROOT)): _imported(path) & {"prefect", "typer"} for path in inner}
    assert {name: found for name, found in offenders.items() if found} == {}
