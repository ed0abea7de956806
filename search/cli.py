"""The command line: parses and prints; every command is one call of a function below."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import QParetoError

if TYPE_CHECKING:
    from .results import Results
    from .spec import StudySpec


def _example(command: str) -> str:
    """The end of a command's help, to be copied: never wrapped, not even at the hyphen of an option."""
    return f"\b\nExample:\n  {command}"


app = typer.Typer(
    name="qpareto",
    help="Search for the best ways to quantize a detector for the machine it will run on.",
    epilog=_example("qpareto run studies/quickstart/quickstart.yaml"),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file (YAML).", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a key of the study file; may stand several times."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


class Talk(logging.Handler):
    """What the package logs, a line each on stderr, as it is at that moment: a progress bar puts itself there."""

    def emit(self, record: logging.LogRecord) -> None:
        _say(record.getMessage())


def main() -> None:
    """The `qpareto` command: a user's mistake is one line and exit code 1; a bug keeps its traceback."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what it says of corrupt images, we say
    log = logging.getLogger(__package__.partition(".")[0])
    log.setLevel(logging.INFO)
    log.handlers = [Talk()]
    try:
        app(prog_name="qpareto")
    except QParetoError as error:
        _say(str(error))
        sys.exit(1)


@app.command(epilog=_example("qpareto run studies/quickstart/quickstart.yaml --trials 40"))
def run(
    study: StudyFile,
    trials: Annotated[int | None, typer.Option(min=1, help="Finished trials the study is to have.")] = None,
    timeout: Annotated[str | None, typer.Option(help="Begin no trial after this long: 90s, 30m, 8h.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Run a study, or go on with it, until it has its trials; then show its front."""
    from .api import run_study
    from .show.terminal import progress

    spec = _spec(study, overrides)
    try:
        with progress(total=trials or spec.search.trials) as listener:
            results = run_study(spec, trials=trials, timeout_s=_seconds(timeout), listener=listener)
    except KeyboardInterrupt:
        _say("interrupted; what is finished is kept, and the same command goes on from here.")
        sys.exit(130)
    _show(results, as_json=as_json)


@app.command(
    epilog=_example("qpareto measure studies/quickstart/quickstart.yaml --mask all --calibration max:64 --json")
)
def measure(  # noqa: PLR0913, PLR0917 - one parameter an option
    study: StudyFile,
    mask: Annotated[str, typer.Option(help="none, all, a mask's WORD, or a FILE with one INT8 layer a line.")],
    calibration: Annotated[str | None, typer.Option(help="METHOD:SIZE, such as max:64; not needed for none.")] = None,
    keep: Annotated[Path | None, typer.Option(help="Leave quantized ONNX, engine and manifest here.")] = None,
    build_only: Annotated[
        bool, typer.Option("--build-only", help="Build the engine and measure nothing; no device is needed.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Time every layer of the engine instead: what runs in what, how long.")
    ] = False,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Measure one candidate completely, outside of any study."""
    from .api import build_candidate, measure_candidate, profile_candidate
    from .show.terminal import show_build, show_measurement, show_profile

    if (build_only or keep is not None) and profile:
        raise QParetoError("--profile only times layers: leave --build-only and --keep out.")
    if profile:
        times = profile_candidate(_spec(study, overrides), mask=mask, calibration=calibration)
        _print_json([asdict(time) for time in times]) if as_json else show_profile(times)
        return

    if build_only:
        built = build_candidate(_spec(study, overrides), mask=mask, calibration=calibration, keep=keep)
        _print_json(built) if as_json else show_build(built)
        return
    measurement = measure_candidate(_spec(study, overrides), mask=mask, calibration=calibration, keep=keep)
    _print_json(measurement.as_json()) if as_json else show_measurement(measurement)


@app.command(epilog=_example("qpareto layers studies/quickstart/quickstart.yaml --sensitivity"))
def layers(  # noqa: PLR0913, PLR0917 - one parameter an option
    model: Annotated[Path, typer.Argument(metavar="STUDY|MODEL", help="A study file or an .onnx.", show_default=False)],
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Also what INT8 does to the detections, layer by layer.")
    ] = False,
    calibration: Annotated[
        str | None, typer.Option(help="METHOD:SIZE of --sensitivity; the study's first method and largest size.")
    ] = None,
    images: Annotated[int, typer.Option(min=2, help="Calibration images that --sensitivity looks at.")] = 8,
    labels: Annotated[
        int | None, typer.Option(min=1, help="Also each block's mAP50-95 in INT8, on so many evaluation images.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw the sensitivity to this HTML file.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """List a model's layers in graph order, and which of them ModelOpt can run in INT8."""
    from .api import labelled_sensitivity_of_study, layers_of_study_or_model, sensitivity_of_study
    from .show.sensitivity import write_sensitivity_plot
    from .show.terminal import show_layers

    if not sensitivity and (plot or calibration or labels):
        raise QParetoError("--plot, --calibration and --labels belong to --sensitivity: add that, or leave them out.")
    rows = layers_of_study_or_model(model, overrides or [])
    if sensitivity:
        found = sensitivity_of_study(model, overrides or [], calibration=calibration, images=images).by_layer()
        rows = [row | {"sensitivity": found.get(row["name"])} for row in rows]
    if labels is not None:
        changes = labelled_sensitivity_of_study(model, overrides or [], calibration=calibration, labels=labels)
        rows = [row | {"block_map50_95_change": changes.get(row["block"])} for row in rows]
    if plot is not None:
        write_sensitivity_plot(rows, plot, title=model.stem)
    _print_json(rows) if as_json else show_layers(rows)


@app.command(epilog=_example("qpareto front studies/quickstart/quickstart.yaml --json"))
def front(
    study: StudyFile,
    plot: Annotated[Path | None, typer.Option(help="Also draw it to this HTML file.")] = None,
    with_others: Annotated[
        bool, typer.Option("--all", help="With --json: also baselines off the front, and trials stopped early.")
    ] = False,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Show a study's front, its baselines and its hypervolume."""
    from .api import results
    from .show.plots import write_front_plot

    spec = _spec(study, overrides)
    found = results(spec)
    if plot is not None:
        write_front_plot(found, plot, title=spec.name)
    _show(found, as_json=as_json, with_others=with_others)


@app.command(epilog=_example("qpareto confirm studies/quickstart/quickstart.yaml"))
def confirm(study: StudyFile, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Build and measure the front's engines once more, on images that the search never saw if `data.confirm` names any.

    `run` does so by itself at its end if it does.
    """
    from .api import confirm_study

    _show(confirm_study(_spec(study, overrides)), as_json=as_json)


@app.command(epilog=_example("qpareto export studies/quickstart/quickstart.yaml -o best --max-map-drop 0.01"))
def export(  # noqa: PLR0913, PLR0917 - one parameter an option
    study: StudyFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write; must not exist.")],
    trial: Annotated[int | None, typer.Option(help="This trial.")] = None,
    max_map_drop: Annotated[
        float | None, typer.Option(min=0.0, help="The fastest that loses at most this much mAP50-95.")
    ] = None,
    max_latency_ms: Annotated[float | None, typer.Option(help="The most accurate at or below this latency.")] = None,
    knee: Annotated[bool, typer.Option("--knee", help="The best bargain between the two.")] = False,
    reference: Annotated[bool, typer.Option("--reference", help="The engine without INT8.")] = False,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Write the chosen engine with its quantized ONNX and a manifest of its figures."""
    from .api import export_from_study
    from .ship.choice import Choice

    choice = Choice(
        trial=trial, max_map_drop=max_map_drop, max_latency_ms=max_latency_ms, knee=knee, reference=reference
    )
    winner, sentence = export_from_study(_spec(study, overrides), choice, output)
    print(sentence, file=sys.stderr)
    _print_json({"folder": str(output), "chosen": sentence, **winner.as_json()}) if as_json else print(output)


@app.command(epilog=_example("qpareto doctor"))
def doctor(
    self_test: Annotated[
        bool,
        typer.Option("--self-test", help="Build, run and time engines here: a line a check, exit code 1 if any fails."),
    ] = False,
    engine: Annotated[str | None, typer.Option(metavar="KIND", help="Only this kind of engine.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="Self-test with this .onnx; the quickstart's model if not named.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell which engines can be built and run on this machine, and what mends those that cannot."""
    from ..objectives.engines import KINDS, engine_kind
    from .show.terminal import show_doctor

    kinds = [engine] if engine else list(KINDS)
    if self_test:
        _self_test(kinds, model, as_json=as_json)
        return
    if model is not None:
        raise QParetoError("--model names the model of --self-test: add that, or leave --model out.")
    found = {name: asdict(engine_kind(name).availability()) for name in kinds}
    _print_json(found) if as_json else show_doctor(found)


def _self_test(kinds: list[str], model: Path | None, *, as_json: bool) -> None:
    from .api import self_test_of_engines
    from .show.terminal import show_check

    checks = []
    for check in self_test_of_engines(model, kinds=kinds):
        checks.append(check)
        if not as_json:
            show_check(check)
    if as_json:
        _print_json([asdict(check) for check in checks])
    if any(check.outcome == "failed" for check in checks):
        sys.exit(1)


@app.command(epilog=_example("qpareto schema > qpareto.schema.json"))
def schema() -> None:
    """Print the study file's JSON schema, for editors that complete and check YAML."""
    from .spec import StudySpec

    _print_json(StudySpec.model_json_schema())


def _show(results: Results, *, as_json: bool, with_others: bool = False) -> None:
    from .show.terminal import show_results

    _print_json(results.as_json(others=with_others)) if as_json else show_results(results)


def _spec(study: Path, overrides: list[str] | None) -> StudySpec:
    from .study_file import load_study_file

    return load_study_file(study, overrides or [])


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)", text)
    if not found:
        raise QParetoError(f"--timeout {text}: write a number with s, m or h, such as 30m.")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def _say(text: str) -> None:
    """One line on stderr, whatever a library's message held."""
    print("qpareto:", " ".join(text.split()), file=sys.stderr)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))
