"""Fixtures that every floor's tests share."""

from __future__ import annotations

import importlib
import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from small_disk import small_disk
from task_models import save_task_model

slow = [HealthCheck.too_slow]  # as anything is on a busy machine
settings.register_profile("shared machine", deadline=None, print_blob=True, suppress_health_check=slow)
settings.load_profile("shared machine")

ROOT = Path(__file__).resolve().parents[1]


class CheckoutIsNoPackage:
    """Keeps pytest from importing the checkout, a package's folder, under the name that the folder happens to have."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Dir | None:
        return pytest.Dir.from_parent(parent, path=path) if path == ROOT else None


def pytest_configure(config: pytest.Config) -> None:
    # A run in the background (CI, nohup) ignores Ctrl-C, and so would every process that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(CheckoutIsNoPackage())  # a conftest's own hook is not asked about folders above it


@pytest.fixture(scope="session", autouse=True)
def own_locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Device locks of this process's own: its tests wait for no others on this machine, and none wait for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QPARETO_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield


@pytest.fixture(scope="session", autouse=True)
def short_timings() -> Iterator[None]:
    """Studies that are run in this process time for moments only.

    Nothing counts as a disturbance: other tests run beside them, and what was disturbed is kept for no later test.
    """
    from qpareto.objectives import clock
    from qpareto.objectives.latency.paired import LatencyBudget
    from qpareto.objectives.latency.spread import BUILDS
    from qpareto.objectives.latency.telemetry import HostLoad
    from qpareto.search.run import prepare

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "LatencyBudget", partial(LatencyBudget, min_pairs=20, warmup_seconds=0.1, repeats=0))
        patch.setattr(prepare, "HostLoad", partial(HostLoad, limit=1.0))
        # of two, an interval would be twelve times its deviation; what is told of recorded studies stays as it is
        patch.setattr(clock, "timings_of_spread", lambda *, chooses_kernels: BUILDS if chooses_kernels else 3)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_modelopt() -> Iterator[None]:
    """ModelOpt takes 5 s to load: what this process calibrates, one child process calibrates after the other."""
    from qpareto.objectives.isolation.child import run_in_child
    from qpareto.objectives.quantization import calibrate, float_range

    with pytest.MonkeyPatch.context() as patch:
        for module in (calibrate, float_range):
            patch.setattr(module, "run_in_child", partial(run_in_child, kept="ModelOpt"))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of models and COCO images that lies beside some checkouts, never inside one."""
    folder = ROOT.parent / "shared"
    if not (folder / "models").is_dir():
        pytest.skip("needs ../shared (models and COCO images), which lies beside a developer's checkout only")
    return folder


@pytest.fixture(scope="session")
def task_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes, once for all tests, an untrained model of a task; its .onnx, with the .pt beside it."""
    pytest.importorskip("ultralytics", reason="needs Ultralytics: pip install 'qpareto[yolo]'")
    from qpareto.objectives.isolation.child import run_in_child

    folder = tmp_path_factory.mktemp("task-models")

    def made(task: str) -> Path:
        if not (folder / f"{task}.onnx").exists():
            run_in_child(save_task_model, task, folder, timeout_s=300, log_path=folder / f"{task}.log")
        return folder / f"{task}.onnx"

    return made


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart's trained detector (model.onnx), the smallest thing whose mAP means something, on some pictures.

    eval/images (40), eval/instances.json and calib/images (4) as pictures.py draws them; cache/ is shared by all tests.
    """
    folder, quickstart = tmp_path_factory.mktemp("shapes"), ROOT / "studies" / "quickstart"
    (folder / "model.onnx").symlink_to(quickstart / "shapes-yolo11n.onnx")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.syspath_prepend(quickstart)  # a script, which imports shapes.py from its own folder
        pictures: Any = importlib.import_module("pictures")
        drawn = pictures.save_pictures(pool, folder / "eval" / "images", "eval", 40)
        pictures.save_pictures(pool, folder / "calib" / "images", "calib", 4)
    (folder / "eval" / "instances.json").write_text(json.dumps(pictures.coco_instances(drawn)))
    return folder


@pytest.fixture
def nearly_full_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a real file system of 1 MiB with so many KiB left. Needs the right to mount one: root on Linux."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(small_disk(tmp_path / "disk", mib=1))
        except PermissionError as error:
            pytest.skip(f"needs the right to mount a small disk ({error})")

        def fill(left_kib: int) -> Path:
            (folder / "filler").write_bytes(bytes((1024 - left_kib) << 10))
            return folder

        yield fill
