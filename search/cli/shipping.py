"""The commands of an engine that is to be shipped: export it, verify what was exported."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from ...errors import QParetoError
from .family import AsJson, Overrides, StudyFile, example, print_json, spec_of

commands = typer.Typer()


@commands.command(epilog=example("qpareto export studies/quickstart/quickstart.yaml -o best --max-map-drop 0.01"))
def export(
    study: StudyFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write; must not exist.")],
    trial: Annotated[int | None, typer.Option(help="This trial.")] = None,
    max_map_drop: Annotated[
        float | None,
        typer.Option(
            "--max-map-drop",
            "--max-top1-drop",
            min=0.0,
            help="The fastest that loses at most this much mAP50-95 (of a classifier: top-1).",
        ),
    ] = None,
    below: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --max-map-drop: less than this baseline, not the reference."),
    ] = None,
    max_latency_ms: Annotated[float | None, typer.Option(help="The most accurate at or below this latency.")] = None,
    knee: Annotated[bool, typer.Option("--knee", help="The best bargain between the two.")] = False,
    reference: Annotated[bool, typer.Option("--reference", help="The engine without INT8.")] = False,
    layout: Annotated[
        Literal["ultralytics", "raw", "triton"] | None,
        typer.Option(
            "--format", help="For whom; Ultralytics if it can load such an engine, else raw.", show_default=False
        ),
    ] = None,
    no_confirm: Annotated[
        bool, typer.Option("--no-confirm", help="Do not build and measure it anew first; the manifest says so.")
    ] = False,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Write the chosen engine, its ONNX, manifest and README.

    It is built anew and measured in full first. Without a choice it is the engine that `front` says to ship.
    """
    from ..api import export_from_study
    from ..ship.choice import Choice

    spec = spec_of(study, overrides)
    asked = knee or reference or any(limit is not None for limit in (trial, max_map_drop, max_latency_ms, below))
    choice = None
    if asked:
        choice = Choice(
            trial=trial,
            max_map_drop=max_map_drop,
            max_latency_ms=max_latency_ms,
            knee=knee,
            reference=reference,
            below=below,
        )
    written = export_from_study(spec, choice, output, layout=layout, confirm=not no_confirm)
    print(written.chosen, file=sys.stderr)
    if as_json:
        assert written.study is not None  # it comes from one
        assert written.figures is not None
        told = {"folder": str(output), "chosen": written.chosen, "trial": written.study.trial}
        told["figures"] = written.figures.model_dump(mode="json")
        print_json({**told, "baseline": written.study.baseline, **written.measurement.as_json()})
    else:
        print(output)


@commands.command(epilog=example("qpareto verify best"))
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `export` wrote.", show_default=False)],
    quick: Annotated[bool, typer.Option("--quick", help="Hashes and parity only: nothing is measured.")] = False,
    images: Annotated[Path | None, typer.Option(help="Folder of the evaluation images.")] = None,
    annotations: Annotated[Path | None, typer.Option(help="Their COCO instances file.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Their Ultralytics data.yaml, or folder of classes, instead of the two.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that an exported folder is what its manifest says.

    A line a check, exit code 1 if any fails: that it is unchanged, runs here, and scores and takes what it should. The
    evaluation images are looked for where they lay when the engine was measured, unless they are named.
    """
    from ..api import verify_folder
    from ..study_file.spec import EvaluationSpec

    if (images is None) != (annotations is None) or (images and data):
        raise QParetoError("Name the evaluation images by --images and --annotations together, or by --data alone.")
    source = EvaluationSpec.of_paths(images, annotations, data) if images or data else None
    checks = []
    for check in verify_folder(folder, source=source, quick=quick):
        checks.append(check)
        if not as_json:
            print(f"{check.outcome:<7}  {check.name}: {check.detail}", flush=True)
    if as_json:
        print_json([asdict(check) for check in checks])
    if any(check.outcome == "failed" for check in checks):
        sys.exit(1)
