"""The commands outside of any study: measure one candidate, list a model's layers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...errors import QParetoError
from .family import AsJson, Overrides, StudyFile, example, print_json, spec_of

commands = typer.Typer()


@commands.command(
    epilog=example("qpareto measure studies/quickstart/quickstart.yaml --mask all --calibration max:64 --json")
)
def measure(
    study: StudyFile,
    mask: Annotated[
        str | None, typer.Option(help="none, all, a mask's WORD, or a FILE with one INT8 layer a line.")
    ] = None,
    calibration: Annotated[str | None, typer.Option(help="METHOD:SIZE, such as max:64; not needed for none.")] = None,
    graph: Annotated[
        Path | None, typer.Option("--onnx", help="Instead of a mask: a Q/DQ graph that another tool made of the model.")
    ] = None,
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
    from ..api import build_candidate, measure_candidate, measure_graph, profile_candidate
    from ..show.terminal.candidate import show_build, show_measurement, show_profile

    if (mask is None) == (graph is None):
        raise QParetoError("Say what to measure, by one of --mask and --onnx.")
    if graph is not None and (build_only or keep is not None or profile or calibration is not None):
        raise QParetoError("--onnx goes without --calibration, --keep, --build-only and --profile: leave them out.")
    if (build_only or keep is not None) and profile:
        raise QParetoError("--profile only times layers: leave --build-only and --keep out.")
    spec = spec_of(study, overrides)
    if graph is not None or mask is None:
        assert graph is not None  # one of the two is named
        measurement = measure_graph(spec, graph)
    elif profile:
        times = profile_candidate(spec, mask=mask, calibration=calibration)
        print_json([time.as_json() for time in times]) if as_json else show_profile(times)
        return
    elif build_only:
        built = build_candidate(spec, mask=mask, calibration=calibration, keep=keep)
        print_json(built) if as_json else show_build(built)
        return
    else:
        measurement = measure_candidate(spec, mask=mask, calibration=calibration, keep=keep)
    print_json(measurement.as_json()) if as_json else show_measurement(measurement)


@commands.command(epilog=example("qpareto layers studies/quickstart/quickstart.yaml --sensitivity"))
def layers(
    model: Annotated[Path, typer.Argument(metavar="STUDY|MODEL", help="A study file or an .onnx.", show_default=False)],
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Also what INT8 does to the detections, layer by layer.")
    ] = False,
    calibration: Annotated[
        str | None, typer.Option(help="METHOD:SIZE of --sensitivity; the study's first method and largest size.")
    ] = None,
    images: Annotated[int, typer.Option(min=2, help="Calibration images that --sensitivity looks at.")] = 8,
    labels: Annotated[
        int | None, typer.Option(min=1, help="Also what each block in INT8 changes, on so many evaluation images.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw the sensitivity to this HTML file.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """List a model's layers, and which of them can be INT8.

    In graph order; ModelOpt refuses some.
    """
    from ..api import labelled_sensitivity_of_study, layers_of_study_or_model, sensitivity_of_study
    from ..show.plots.files import write_html
    from ..show.plots.sensitivity import sensitivity_figure
    from ..show.terminal.candidate import show_layers

    if not sensitivity and (plot or calibration or labels):
        raise QParetoError("--plot, --calibration and --labels belong to --sensitivity: add that, or leave them out.")
    rows = layers_of_study_or_model(model, overrides or [])
    if sensitivity:
        found = sensitivity_of_study(model, overrides or [], calibration=calibration, images=images).by_layer()
        rows = [row | {"sensitivity": found.get(row["name"])} for row in rows]
    if labels is not None:
        changes = labelled_sensitivity_of_study(model, overrides or [], calibration=calibration, labels=labels)
        rows = [row | {"block_change": changes.get(row["block"])} for row in rows]
    if plot is not None:
        write_html(sensitivity_figure(rows, title=model.stem), plot)
    print_json(rows) if as_json else show_layers(rows)
