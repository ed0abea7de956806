"""Records what commands print, for commands.md and other pages.

PYTHONPATH=tests python docs/record_outputs.py FOLDER [--quick]

Commands that read a study do so on YOLO11n's recorded one (benchmarks/search/recorded, tests/recorded_study.py): the
figures are the same wherever this runs. Commands that measure do so on a quickstart: 10 minutes on two quiet cores, and
whatever else runs shows in the figures; --quick leaves them out. FOLDER must not be there yet. What is printed goes to
docs/outputs/, and `python docs/reference.py` puts it into the pages.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path

from recorded_study import recorded_study

ROOT = Path(__file__).resolve().parent.parent
OUTPUTS = ROOT / "docs" / "outputs"
QUICKSTART = "studies/quickstart"
STUDY = f"{QUICKSTART}/quickstart.yaml"
QPARETO = [sys.executable, "-c", "import sys; from qpareto.search.cli import main; sys.argv[0] = 'qpareto'; main()"]

EVAL = f"{QUICKSTART}/data/eval"
RECORDING = "yolo11n-coco-cpu.yaml"
READING = {  # name of the file -> the command, on the recorded study
    "front": f"qpareto front {RECORDING}",
    "front-wide": f"qpareto front {RECORDING} --wide",
    "front-require": f"qpareto front {RECORDING} --require map_drop=0.01 --require latency_ratio=0.75",
    "report": f"qpareto report {RECORDING} -o report.html",
    "schema": "qpareto schema",
    "study-move": f"qpareto study move {RECORDING} sqlite:///moved.db",
    "study-proxy": f"qpareto study proxy {RECORDING} --port 13000",
    "dashboard": f"qpareto dashboard {RECORDING} --port 8765",
}
MEASURING = {  # the same, on the quickstart, in this order
    "doctor": "qpareto doctor",
    "init": f"qpareto init {QUICKSTART}/shapes-yolo11n.onnx --images {EVAL}/images --annotations {EVAL}/instances.json "
    f"--calibration {QUICKSTART}/data/calib/images",
    "layers": f"qpareto layers {STUDY} --sensitivity",
    "run": f"qpareto run {STUDY}",
    "export": f"qpareto export {STUDY} -o best",
    "verify": "qpareto verify best",
    "measure": f"qpareto measure {STUDY} --mask all --calibration max:64",
    "launch": f"qpareto launch {STUDY} --workers 2 --trials 42",
    "worker": f"qpareto worker {STUDY} --trials 43",
    "confirm": f"qpareto confirm {STUDY}",
}
RECORDED = READING | MEASURING
SERVING = ("study-proxy", "dashboard")  # which run until they are stopped
SERVED_S = 15.0  # until such a one is stopped
KEPT = {"layers": (14, 0), "run": (14, 12), "schema": (14, 0), "launch": (8, 8), "worker": (4, 8), "confirm": (6, 8)}
WIDTH = 80  # columns that a sentence is wrapped at, as a terminal would; a table is as wide as it is


def main(folder: Path, *, quick: bool) -> None:
    folder.mkdir(parents=True)
    folder = folder.resolve()
    OUTPUTS.mkdir(exist_ok=True)
    recorded_study(folder)
    _record(READING, folder)
    if quick:
        return
    study = folder / QUICKSTART
    study.mkdir(parents=True)
    for name in ("quickstart.yaml", "shapes-yolo11n.onnx"):
        shutil.copy(ROOT / QUICKSTART / name, study)
    pictures = [sys.executable, str(ROOT / QUICKSTART / "pictures.py"), "--out", str(study / "data")]
    subprocess.run(pictures, check=True, stdout=subprocess.DEVNULL)
    _record(MEASURING, folder)
    printed_by(f"qpareto export {STUDY} -o best-triton --format triton --no-confirm", folder)
    shutil.copy(folder / "best-triton" / "triton" / "best" / "config.pbtxt", OUTPUTS)


def _record(commands: Mapping[str, str], folder: Path) -> None:
    for name, command in commands.items():
        begun = time.monotonic()
        printed = printed_by(command, folder, serves=name in SERVING)
        print(f"{time.monotonic() - begun:6.1f} s  {command}", flush=True)
        (OUTPUTS / f"{name}.txt").write_text(as_kept(name, printed, folder), encoding="utf-8")


def as_kept(name: str, printed: str, folder: Path) -> str:
    """The text of a file: the command, and what it printed in this folder."""
    lines = _as_shown(printed, folder, *KEPT.get(name, (10**6, 0)))
    return "\n".join([f"$ {RECORDED[name]}", *lines, ""])


def printed_by(command: str, folder: Path, *, serves: bool = False) -> str:
    """Stdout and stderr of a command together.

    Args:
        serves: it runs until it is stopped, here after some seconds.

    Raises:
        SystemExit: it failed.
    """
    environment = os.environ | {"HOME": str(folder / "home"), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    words = [*QPARETO, *shlex.split(command)[1:]]
    process = subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if serves:
        time.sleep(SERVED_S)
        process.terminate()
    text, _ = process.communicate()
    if process.returncode != 0 and not serves:
        raise SystemExit(f"{command} ended with {process.returncode}:\n{text}")
    return text


def _as_shown(text: str, folder: Path, head: int, tail: int) -> list[str]:
    """Its first and last lines, sentences wrapped, without the folder's place."""
    lines = [line.rstrip() for line in text.replace(f"{folder}/", "").strip("\n").splitlines()]
    if len(lines) > head + tail:
        lines = [*lines[:head], "...", *lines[len(lines) - tail :]]
    wrapped: list[str] = []
    for line in lines:
        is_sentence = "  " not in line and not line.startswith((" ", "─", "$"))
        wrapped += textwrap.wrap(line, WIDTH) if is_sentence and len(line) > WIDTH else [line]
    return wrapped


if __name__ == "__main__":
    main(Path(sys.argv[1]), quick="--quick" in sys.argv[2:])
