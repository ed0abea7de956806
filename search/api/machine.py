"""What can be asked of this machine: which engines it can build and run, and whether these keep their contract."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import StudyError
from ...objectives.engines import KINDS, engine_kind
from ...objectives.latency.cgroup import quota_of_process, threads_within
from ...objectives.promises.check import Check
from ...objectives.promises.selftest import self_test
from ...objectives.quantization.reading import model_of_file
from ...objectives.store import Store, disk_errors

QUICKSTART_MODEL = Path("studies/quickstart/shapes-yolo11n.onnx")  # in a checkout


def engines_here(kinds: Sequence[str] = tuple(KINDS)) -> dict[str, dict[str, Any]]:
    """What each kind of engine can do on this machine: the fields of `Availability`.

    Kinds that run on the CPU also tell how many cores the container's quota grants, if it has one.

    Raises:
        StudyFileError: there is no such kind.
    """
    found = {name: asdict(engine_kind(name).availability()) for name in kinds}
    quota = quota_of_process()
    for name, told in found.items():
        if quota is not None and engine_kind(name).runs_on_host_cpu:
            threads = threads_within(quota, os.cpu_count() or 1)
            told["details"] = {
                **told["details"],
                "cpu quota": f"{quota:g} cores for this container: with more than {threads} "
                f"thread{'' if threads == 1 else 's'} it is stopped for a part of each period",
            }
    return found


def self_test_of_engines(model: Path | None = None, *, kinds: Sequence[str] = tuple(KINDS)) -> Iterator[Check]:
    """Try the whole engine contract on this machine, one check after another; see `objectives/promises`.

    What it makes goes with it; if a check fails, it stays for whoever looks into it, logs included.

    Args:
        model: an .onnx; that of the quickstart if None.
        kinds: of engines.

    Raises:
        StudyError: no model is named, and this is no checkout.
        StudyFileError: there is no such kind.
        ModelError: the model cannot be read, or its head is not recognised.
        DiskError: temporary files cannot be written.
    """
    if model is None and not QUICKSTART_MODEL.is_file():
        raise StudyError(
            f"There is no {QUICKSTART_MODEL} here: run this in a checkout of qpareto, or name a detector "
            "with --model FILE."
        )
    with disk_errors(Path(tempfile.gettempdir())):
        store = Store(Path(tempfile.mkdtemp(prefix="qpareto-self-test-")))
    failed = False
    try:
        detector = model_of_file(model or QUICKSTART_MODEL, store)
        for kind in kinds:
            for check in self_test(kind, detector, store=store):
                failed |= check.outcome == "failed"
                yield check
    finally:
        if not failed:
            shutil.rmtree(store.root)
