"""Facts that stand in prose are the facts of the code."""

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", _read("Makefile"), re.MULTILINE))


def test_the_changelog_has_an_entry_for_the_current_version() -> None:
    version = tomllib.loads(_read("pyproject.toml"))["project"]["version"]
    assert re.search(rf"^## \[{re.escape(version)}\]", _read("CHANGELOG.md"), re.MULTILINE)


def test_make_help_lists_every_target() -> None:
    phony = set(re.search(r"^\.PHONY: (.*)$", _read("Makefile"), re.MULTILINE)[1].split())
    listed = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert phony == _make_targets()
    assert {line.split()[1] for line in listed.splitlines() if line.startswith("  make ")} == phony


def test_make_alone_prints_the_help() -> None:
    first = subprocess.run(["make", "--silent"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "make demo" in first.stdout


def test_every_make_command_in_the_docs_exists() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
    assert named - _make_targets() == set()
    assert {"demo", "test"} <= named


def test_the_check_runs_the_tests_as_the_readme_says() -> None:
    assert re.search(r"^make test$", _read(".ci/run"), re.MULTILINE)
    assert re.search(r"`make test`|^make test$", _read("README.md"), re.MULTILINE)


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []
