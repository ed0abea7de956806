"""ONNX Runtime's version, whatever its package is called."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from qpareto.objectives.libraries import onnxruntime_distribution, onnxruntime_version


def install(folder: Path, name: str, version: str) -> None:
    """The metadata of an installed package, as pip writes it."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where packages are looked for."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


@pytest.mark.parametrize("name", ["onnxruntime-gpu", "onnxruntime"])
def test_the_version_is_that_of_whichever_is_installed(site: Path, name: str) -> None:
    install(site, name, "1.24.9")
    assert onnxruntime_distribution() == (name, "1.24.9")
    assert onnxruntime_version() == "1.24.9"


def test_of_both_the_one_for_gpus_is_told(site: Path) -> None:
    install(site, "onnxruntime", "1.1.0")
    install(site, "onnxruntime-gpu", "1.2.0")
    assert onnxruntime_distribution() == ("onnxruntime-gpu", "1.2.0")


@pytest.mark.usefixtures("site")
def test_one_of_another_name_tells_its_version_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(__version__="1.3.0"))
    assert onnxruntime_version() == "1.3.0"
