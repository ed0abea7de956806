"""The package as installed: what it holds, and how little of it is needed to start."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

import qpareto

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "modelopt", "openvino", "optuna", "cv2", "onnx", "ultralytics", "plotly", "pydantic")
HELP = """
import sys
from qpareto.search.cli import main
sys.argv = ["qpareto", "--help"]
try:
    main()
except SystemExit as stop:
    assert stop.code == 0
"""


def listed_packages() -> list[str]:
    found: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    return found


@pytest.mark.parametrize("code", ["import qpareto", HELP], ids=["import", "help"])
def test_starting_imports_nothing_heavy(code: str) -> None:
    report = "\nimport sys; print('loaded:', *sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code + report], check=True, capture_output=True, text=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert loaded[0] == "loaded:"
    assert "qpareto" in loaded
    assert not set(HEAVY) & set(loaded)


def test_every_folder_of_the_package_is_in_the_hand_written_list() -> None:
    floors = [path.parent for path in ROOT.glob("*/__init__.py")]
    folders = {path.parent for floor in floors for path in floor.rglob("__init__.py")}
    names = {".".join(("qpareto", *folder.relative_to(ROOT).parts)) for folder in folders}
    assert {"qpareto", *names} == set(listed_packages())


def test_every_folder_with_code_is_a_package() -> None:
    floors = [path.parent for path in ROOT.glob("*/__init__.py")]
    bare = {path.parent for floor in floors for path in floor.rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in bare)


def test_every_listed_package_is_installed() -> None:
    assert [name for name in listed_packages() if find_spec(name) is None] == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(qpareto.__file__).parent / "py.typed").is_file()


def test_only_the_engines_know_the_libraries_that_engines_are_built_with() -> None:
    rooms = [*ROOT.glob("search/**/*.py"), *ROOT.glob("spaces/**/*.py"), *ROOT.glob("objectives/**/*.py")]
    strangers = [path for path in rooms if "engines" not in path.relative_to(ROOT).parts]
    assert len(strangers) > 30
    imported = re.compile(r"^\s*(?:import|from) (tensorrt|tensorrt_rtx|openvino|cuda)\b", re.MULTILINE)
    assert [str(path) for path in strangers if imported.search(path.read_text(encoding="utf-8"))] == []
    named = re.compile(r"tensorrt|\brtx\b|openvino", re.IGNORECASE)
    told = [path.relative_to(ROOT) for path in strangers if named.search(_code_of(path))]
    # But for the default engine's name, and what Ultralytics and Triton call the kinds that are shipped to them.
    assert [str(path) for path in told if path.parent != Path("search", "ship")] == [
        "search/study_file/engine_section.py"
    ]


def _code_of(path: Path) -> str:
    """A module without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(value=...)
    return ast.unparse(tree)
