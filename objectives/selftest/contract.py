"""The contract in its order: every check of one engine kind, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from ...spaces.model import DetectorModel
from ..engines import engine_kind
from ..engines.child import run_in_child
from ..latency.lock import device_lock
from ..store import Store
from . import building, running, timing
from .check import Check, check_of_step, expect_refusal
from .subject import STEP_TIMEOUT_S, Built, Subject

Step = Callable[[Subject], str]


def self_test(kind_name: str, model: DetectorModel, *, store: Store) -> Iterator[Check]:
    """Try the whole engine contract on this machine's own device, with a detector and made-up images.

    Every step that touches the device runs in a child process, as a trial's do: one that crashes is one failed check.
    A kind that cannot build here is one skipped check, and so is the running of one that can only build.

    Args:
        store: gets all that is made; an empty one, or engines are found instead of built. Logs stay in its `logs`.

    Raises:
        StudyFileError: there is no such kind.
        ModelError: the model's head is not recognised.
        DiskError: the store cannot be written.
    """
    kind = engine_kind(kind_name)
    found = kind.availability()
    if not found.can_build:
        yield Check(engine=kind_name, name="builds and runs engines", outcome="skipped", detail=str(found.reason))
        return
    subject = Subject(model=model, kind=kind, store=store)
    for name, step in BUILDING.items():
        check = check_of_step(kind_name, name, partial(step, subject))
        yield check
        if step is building.quantizes and check.outcome == "failed":
            return  # there is nothing to build
    if not found.can_run:
        yield Check(engine=kind_name, name="loads, runs and times engines", outcome="skipped", detail=str(found.reason))
        return
    for name, step in (RUNNING if kind.runs_on_host_cpu else {**RUNNING, **ON_A_GPU}).items():
        yield check_of_step(kind_name, name, partial(step, subject))


def in_child(promise: Callable[[Built], str], engine: str) -> Step:
    """A promise about one of the built engines, tried in a process of its own that shares the device."""
    return lambda subject: _in_child(promise, subject.built(engine), subject)


def _in_child(promise: Callable[[Built], str], built: Built, subject: Subject) -> str:
    log_path = subject.store.root / "logs" / f"{subject.kind.name}-{built.name}-{promise.__name__}.log"
    with device_lock(subject.kind.device_id(), exclusive=False):
        return run_in_child(promise, built, timeout_s=STEP_TIMEOUT_S, log_path=log_path)


def _runs_again_after_a_kill(subject: Subject) -> str:
    built = subject.built("INT8")
    death = partial(_in_child, running.dies_while_it_is_loaded, built, subject)
    expect_refusal(death, "A killed process", saying="SIGKILL")
    return f"the next one: {_in_child(running.takes_time, built, subject)}"


BUILDING: Mapping[str, Step] = {
    "names its device and versions": building.names_itself,
    "calibrates and quantizes the model": building.quantizes,
    "builds the float engine": partial(building.builds, name="float"),
    "builds the INT8 engine": partial(building.builds, name="INT8"),
    "builds the half INT8 engine": partial(building.builds, name="half-INT8"),
    "leaves nothing outside an engine's folder": in_child(building.leaves_only_its_folder, "INT8"),
    "refuses what it cannot build": in_child(building.refuses_what_it_cannot_build, "float"),
    "refuses an empty folder": in_child(building.refuses_an_empty_folder, "float"),
    "stops a build that takes too long": building.stops_a_build_that_takes_too_long,
    "survives a build that is killed": building.survives_a_build_that_is_killed,
}
RUNNING: Mapping[str, Step] = {
    "refuses damaged engine files": in_child(running.refuses_damaged_files, "INT8"),
    "loads an engine of the model's shape": in_child(running.loads, "INT8"),
    "agrees with ONNX Runtime in float": in_child(running.agrees_with_onnxruntime, "float"),
    "agrees with ONNX Runtime in INT8": in_child(running.agrees_with_onnxruntime, "INT8"),
    "agrees with ONNX Runtime in half INT8": in_child(running.agrees_with_onnxruntime, "half-INT8"),
    "gives the same bits again": in_child(running.repeats_its_bits, "INT8"),
    "leaves its inputs and earlier outputs alone": in_child(running.leaves_inputs_and_outputs_alone, "INT8"),
    "times a run": in_child(running.takes_time, "INT8"),
    "times the images that it is given": in_child(running.times_the_images_that_it_is_given, "INT8"),
    "refuses to be timed without input": in_child(running.refuses_a_run_without_input, "INT8"),
    "refuses another shape": in_child(running.refuses_another_shape, "INT8"),
    "refuses to run when closed": in_child(running.refuses_to_run_closed, "INT8"),
    "runs a larger batch": in_child(running.runs_a_larger_batch, "float"),
    "runs again after a process was killed": _runs_again_after_a_kill,
    "evaluates images": timing.scores_images,
    "times the float engine against itself": timing.times_the_float_engine_against_itself,
    "times many images against one": timing.times_images_against_one,
    "times INT8 against float": timing.times_the_int8_engine,
}
ON_A_GPU: Mapping[str, Step] = {"reads what the GPU tells": timing.reads_the_gpu}
