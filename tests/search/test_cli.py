"""The command line's contracts: what scripts may rely on, help that works, results on stdout and talk on stderr."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import typer
from onnx import numpy_helper

from command_line import IN_A_PROCESS, Outcome, qpareto
from networks import NetworkWriter
from qpareto.objectives.engines import engine_kind
from qpareto.search.cli import app
from qpareto.search.study_file.spec import StudySpec

GROUP: Any = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)
PATHS = [(name,) for name in COMMANDS] + [("study", name) for name in GROUP.commands["study"].commands]
SERVERS = [("dashboard",), ("study", "proxy")]  # they serve until they are stopped
EXAMPLE_STUDY = "studies/quickstart/quickstart.yaml"
QUICKSTART = {  # what examples name, and what stands for it among the assets
    "studies/quickstart/shapes-yolo11n.onnx": "model.onnx",
    "studies/quickstart/data/eval/images": "eval",
    "studies/quickstart/data/eval/instances.json": "instances.json",
    "studies/quickstart/data/calib/images": "calib",
}
MEASURED = {"map50_95", "map50", "latency_ms", "latency_p95_ms", "latency_ratio", "latency_ratio_ci", "engine_bytes"}
MEASURED |= {"mask", "int8_layers", "calibration", "device"}


def example_of(*command: str) -> list[str]:
    """The arguments of the example that ends a help, as somebody would copy it: one line."""
    *_, title, line = qpareto(*command, "--help").out.rstrip().splitlines()
    assert title.strip() == "Example:"
    program, *arguments = shlex.split(line.partition(">")[0])
    assert program == "qpareto"
    return arguments


def printed(outcome: Outcome) -> Any:
    assert outcome.code == 0, outcome
    return json.loads(outcome.out)


def unquantizable_network(path: Path) -> Path:
    """One convolution, too small for ModelOpt."""
    net = NetworkWriter()
    joined = net.conv("images", "/model.0", inputs=3, outputs=12, kernel=1)
    net.weights.append(numpy_helper.from_array(np.array([1, 12, -1], np.int64), "shape"))
    return net.write(path, net.node("Reshape", [joined, "shape"], "/model.0/Reshape"))


def test_the_commands_are_those_that_are_promised() -> None:
    studys = ["confirm", "dashboard", "export", "front", "launch", "report", "run", "study", "verify", "worker"]
    assert sorted([*studys, "doctor", "init", "layers", "measure", "schema"]) == COMMANDS
    assert sorted(PATHS)[-4:] == [("study", "move"), ("study", "proxy"), ("verify",), ("worker",)]


@pytest.mark.parametrize("command", PATHS, ids=" ".join)
def test_every_command_says_what_it_does_and_so_does_every_option(command: tuple[str, ...]) -> None:
    *above, name = command
    found = GROUP
    for each in command:
        found = found.commands[each]
    assert found.help
    assert found.help.endswith(".")
    assert all(getattr(parameter, "help", None) for parameter in found.params)
    summary = re.search(rf"^ +{name} +(.+)$", qpareto(*above, "--help").out, re.MULTILINE)
    assert summary is not None
    assert summary[1].endswith("."), "not cut, nor gone on with in a second line"
    assert len(summary[1]) <= 60
    assert found.help.startswith(summary[1].rstrip("."))


@pytest.mark.parametrize("command", [*PATHS, ("study",), ()], ids=" ".join)
def test_h_is_help_and_cuts_no_words_at_80_columns(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = qpareto(*command, "-h").out
    assert shown == qpareto(*command, "--help").out
    told, _, _ = shown.partition("Example:")
    assert max(map(len, told.splitlines())) <= 80
    found = GROUP
    for each in command:
        found = found.commands[each]
    words = " ".join(told.split())
    helps = [parameter.help for parameter in found.params if getattr(parameter, "help", None)]
    assert [text for text in helps if " ".join(text.split()) not in words] == []


@pytest.mark.parametrize("command", [path for path in PATHS if path not in SERVERS] + [()], ids=" ".join)
def test_the_example_that_ends_a_help_works(
    command: tuple[str, ...], finished_study: Path, assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # examples write where they stand
    monkeypatch.setenv("HOME", str(tmp_path))  # where the cache lies that no study file names
    ours = {EXAMPLE_STUDY: str(finished_study)} | {word: str(assets / name) for word, name in QUICKSTART.items()}
    name, *rest = (ours.get(word, word) for word in example_of(*command))
    assert name in (command or COMMANDS)
    if name == "verify":
        assert qpareto("export", finished_study, "-o", rest[0], "--trial", "0").code == 0
    own_trials = (
        ("--trials", "6") if name in ("run", "launch", "worker") else ()
    )  # the finished study has its trials: none is run
    of_any_model = ("--expect-map", "0") if name == "init" else ()  # the assets' has random weights
    outcome = qpareto(name, *rest, *own_trials, *of_any_model)
    assert outcome.code == 0, outcome
    assert outcome.out


def test_the_example_of_the_proxy_serves_a_study_until_it_is_stopped(finished_study: Path) -> None:
    *words, _, _ = example_of("study", "proxy")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*IN_A_PROCESS, *(str(finished_study) if word == EXAMPLE_STUDY else word for word in words)]
    with subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.PIPE, text=True) as proxy:
        storage = f"storage=grpc://127.0.0.1:{port}"
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.2)
            found = printed(qpareto("front", finished_study, "--set", storage, "--json"))
        finally:
            proxy.terminate()
    assert found == printed(qpareto("front", finished_study, "--json"))


def test_the_example_of_the_dashboard_serves_a_study_until_it_is_stopped(finished_study: Path) -> None:
    pytest.importorskip("optuna_dashboard", reason="needs the extra dashboard")
    *words, _, _ = example_of("dashboard")
    command = [*IN_A_PROCESS, *(str(finished_study) if word == EXAMPLE_STUDY else word for word in words)]
    with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as dashboard:
        assert dashboard.stdout is not None
        try:
            with urlopen(dashboard.stdout.readline().strip(), timeout=60) as page:
                assert page.status == 200
        finally:
            dashboard.send_signal(signal.SIGINT)
    assert dashboard.returncode == 0


def test_the_examples_name_a_study_that_this_project_has() -> None:
    assert (Path(__file__).resolve().parents[2] / EXAMPLE_STUDY).is_file()


def test_no_command_at_all_shows_the_help() -> None:
    assert "Usage: qpareto [OPTIONS] COMMAND" in qpareto().err


def test_measure_prints_one_object_with_the_promised_keys(study_file: Path) -> None:
    outcome = qpareto("measure", study_file, "--mask", "all", "--calibration", "max:2", "--json")
    found = printed(outcome)
    assert found.keys() >= MEASURED
    low, high = found["latency_ratio_ci"]
    assert low <= found["latency_ratio"] <= high
    assert (found["calibration"], len(found["int8_layers"])) == ("max:2", 7)
    assert found["int8_layers"][0] == "/model.0/conv/Conv"
    assert outcome.err == ""


def test_a_mask_file_holds_one_layer_name_a_line(study_file: Path, tmp_path: Path) -> None:
    names = [row["name"] for row in printed(qpareto("layers", study_file, "--json"))][2:5]
    (tmp_path / "mask.txt").write_text("\n".join(names))
    found = qpareto("measure", study_file, "--mask", tmp_path / "mask.txt", "--calibration", "max:2", "--json")
    assert printed(found)["int8_layers"] == names


def test_keep_leaves_the_quantized_onnx_the_engine_and_a_manifest(study_file: Path, tmp_path: Path) -> None:
    keep = tmp_path / "kept"
    found = printed(qpareto("measure", study_file, "--mask", "none", "--keep", keep, "--json"))
    assert found["calibration"] is None
    assert sorted(path.name for path in keep.iterdir()) == ["README.md", "engine", "manifest.json", "quantized.onnx"]
    assert json.loads((keep / "manifest.json").read_text())["measurement"] == found


def test_layers_prints_a_list_with_the_promised_keys(study_file: Path) -> None:
    found = printed(qpareto("layers", study_file, "--json"))
    assert len(found) == 7
    assert {"name", "op", "block", "macs", "quantizable"} <= found[0].keys()
    assert found[0] == found[0] | {"op": "Conv", "block": "model.0", "macs": 442368, "quantizable": True}


def test_front_prints_a_list_with_the_promised_keys(finished_study: Path) -> None:
    found = printed(qpareto("front", finished_study, "--json"))
    keys = {"trial", "map50_95", "latency_ms", "latency_ratio", "mask", "calibration", "baseline"}
    assert all(keys <= point.keys() for point in found)
    assert [point["latency_ms"] for point in found] == sorted(point["latency_ms"] for point in found)


def test_front_all_adds_every_baseline_by_its_name(finished_study: Path) -> None:
    found = printed(qpareto("front", finished_study, "--json", "--all"))
    names = {point["baseline"] for point in found}
    assert {"float", "modelopt-max", "modelopt-entropy", "ultralytics"} <= names


def test_front_draws_a_plot_on_request(finished_study: Path, tmp_path: Path) -> None:
    outcome = qpareto("front", finished_study, "--plot", tmp_path / "front.html")
    assert outcome.code == 0
    assert "plotly" in (tmp_path / "front.html").read_text()


def test_export_prints_the_bare_folder_and_says_why_on_stderr(finished_study: Path, tmp_path: Path) -> None:
    arguments = ("export", finished_study, "--trial", "1", "--no-confirm", "-o")
    outcome = qpareto(*arguments, tmp_path / "best")
    assert (outcome.code, outcome.out) == (0, f"{tmp_path / 'best'}\n")
    assert outcome.err.startswith("Trial 1 modelopt-max, as asked; mAP50-95 ")  # whether INT8 pays hangs on the timing
    found = printed(qpareto(*arguments, tmp_path / "other", "--format", "triton", "--json"))
    assert (tmp_path / "other" / "triton" / "best" / "config.pbtxt").is_file()
    assert found["folder"] == str(tmp_path / "other")
    assert MEASURED | {"trial", "chosen", "figures"} <= found.keys()


def test_export_without_a_choice_takes_the_engine_that_the_answer_names(finished_study: Path, tmp_path: Path) -> None:
    said = qpareto("front", finished_study).out
    found = printed(qpareto("export", finished_study, "--no-confirm", "-o", tmp_path / "best", "--json"))
    named = re.search(r"-o best --(?:trial (\d+)|reference)$", said, re.MULTILINE)
    assert named is not None
    if named[1]:  # this machine's timing decides
        assert found["trial"] == int(named[1])
    else:
        assert found["int8_layers"] == []


def test_run_prints_its_front_as_json_and_its_progress_on_stderr(study_file: Path) -> None:
    outcome = qpareto("run", study_file, "--trials", "1", "--json")
    assert [point["trial"] for point in printed(outcome)] == [0]
    assert outcome.err.startswith("trial 0: mAP50-95")
    assert outcome.err.count("\n") == 1


def test_run_begins_no_trial_once_its_time_is_up(study_file: Path) -> None:
    assert printed(qpareto("run", study_file, "--timeout", "0s", "--json")) == []


@pytest.mark.parametrize("timeout", ["30", "m", "-1s", "1d"])
def test_a_time_without_a_unit_is_refused(study_file: Path, timeout: str) -> None:
    assert "write a number with s, m or h" in qpareto("run", study_file, f"--timeout={timeout}").sentence


def test_set_replaces_a_key_of_the_study_file(study_file: Path) -> None:
    assert "search.trials" in qpareto("run", study_file, "--set", "search.trials=none").sentence


def test_doctor_tells_of_every_engine_kind() -> None:
    found = printed(qpareto("doctor", "--json"))
    assert found["openvino"]["can_build"] is True
    assert "openvino" in qpareto("doctor").out


def test_doctor_can_be_asked_of_one_kind() -> None:
    assert list(printed(qpareto("doctor", "--engine", "openvino", "--json"))) == ["openvino"]
    assert "'abacus'" in qpareto("doctor", "--engine", "abacus").sentence


def test_doctor_tells_the_quota_of_a_container_where_engines_run_on_its_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qpareto.search.api.machine.quota_of_process", lambda: 1.5)
    found = printed(qpareto("doctor", "--json"))
    assert found["openvino"]["details"]["cpu quota"].startswith("1.5 cores for this container: with more than 1 thread")
    assert "cpu quota" not in found["tensorrt"]["details"]


def test_doctor_takes_a_model_for_the_self_test_alone(tmp_path: Path) -> None:
    assert "--self-test" in qpareto("doctor", "--model", tmp_path / "m.onnx").sentence


def test_the_self_test_outside_of_a_checkout_asks_for_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "run this in a checkout of qpareto, or name a detector" in qpareto("doctor", "--self-test").sentence


def test_the_self_test_prints_a_line_a_check_and_fails_as_a_whole_if_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    model = unquantizable_network(tmp_path / "m.onnx")
    outcome = qpareto("doctor", "--self-test", "--engine", "openvino", "--model", model)
    assert outcome.code == 1
    named, *_, quantized = outcome.out.splitlines()
    assert named.startswith("passed   openvino: names its device and versions  (0.0 s, ")
    assert quantized.startswith("failed   openvino: calibrates and quantizes the model  (ModelOpt quantized no layer")
    assert any((tmp_path / "temporary").glob("qpareto-self-test-*/logs")), "what the failed step left is kept"


@pytest.mark.skipif(engine_kind("tensorrt").availability().can_build, reason="needs a machine without TensorRT")
def test_the_self_test_of_what_is_not_here_is_one_skipped_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = unquantizable_network(tmp_path / "m.onnx")
    (check,) = printed(qpareto("doctor", "--self-test", "--engine", "tensorrt", "--model", model, "--json"))
    assert check.keys() == {"engine", "name", "outcome", "detail"}
    assert (check["engine"], check["outcome"]) == ("tensorrt", "skipped")
    assert "pip install" in check["detail"]
    assert list(tmp_path.iterdir()) == [model]


def test_schema_is_the_json_schema_of_study_files() -> None:
    assert printed(qpareto("schema")) == StudySpec.model_json_schema()


def test_tables_in_a_pipe_have_no_colours_and_are_not_squeezed(finished_study: Path) -> None:
    done = subprocess.run([*IN_A_PROCESS, "front", finished_study], check=True, capture_output=True, text=True)
    assert "\x1b" not in done.stdout
    assert "modelopt-entropy" in done.stdout
    assert done.stderr == ""


def test_a_reader_that_goes_away_is_no_error(finished_study: Path) -> None:
    command = f"{shlex.join(IN_A_PROCESS)} front {finished_study} --json | head -n 1"
    done = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[\n", "")


def test_a_bug_keeps_its_traceback(study_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qpareto.search.api.candidate.scorer_of_spec", None)
    with pytest.raises(TypeError):
        qpareto("measure", study_file, "--mask", "none")
