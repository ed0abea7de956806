"""`make test` in a clone: what it hands to its tools does not depend on the clone's name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from mypy.find_sources import create_source_list
from mypy.options import Options

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("tests", "benchmarks", "studies/quickstart", "docs", "examples/sampler")


def variable(name: str, clone: Path) -> str:
    """What a variable of the Makefile is there."""
    show = ["make", "--silent", "-C", str(clone), "--no-print-directory", f"--eval=show: ; @echo $({name})", "show"]
    return subprocess.run(show, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("name", ["my-clone", "2nd", "qpareto"])
def test_mypy_finds_every_script_whatever_the_folder_of_the_clone_is_called(tmp_path: Path, name: str) -> None:
    clone = tmp_path / name
    for folder in SCRIPTS:
        shutil.copytree(ROOT / folder, clone / folder, ignore=lambda _, names: [n for n in names if "." in n[:-3]])
    for file in ("Makefile", "pyproject.toml", "__init__.py"):
        shutil.copy(ROOT / file, clone)
    options = Options()
    options.explicit_package_bases, options.namespace_packages = True, True
    options.mypy_path = variable("SCRIPT_PATH", clone).split(":")
    found = create_source_list(variable("SCRIPTS", clone).split(), options)
    assert len(found) > 100
    assert [source.path for source in found if source.module.partition(".")[0] == name] == []
