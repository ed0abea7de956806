"""The self-test: every promise of one engine kind, one after another, on a user's own device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from ...spaces.model import DetectorModel
from ..engines import engine_kind
from ..isolation.child import run_in_child
from ..store import Store
from . import measuring
from .building import BUILDING, OF_KIND
from .built import Promise
from .check import Check, check_of_step
from .running import INSPECTED, RUNNING
from .subject import ENGINES, STEP_TIMEOUT_S, Subject, builds, quantizes

Step = Callable[[Subject], str]


def self_test(kind_name: str, model: DetectorModel, *, store: Store) -> Iterator[Check]:
    """Try every promise on this machine's own device, with a detector and made-up images.

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
    for name, step in FOR_BUILDING.items():
        check = check_of_step(kind_name, name, partial(step, subject))
        yield check
        if step is quantizes and check.outcome == "failed":
            return  # there is nothing to build
    if not found.can_run:
        yield Check(engine=kind_name, name="loads, runs and times engines", outcome="skipped", detail=str(found.reason))
        return
    for name, step in (FOR_RUNNING if kind.runs_on_host_cpu else {**FOR_RUNNING, **ON_A_GPU}).items():
        yield check_of_step(kind_name, name, partial(step, subject))


def in_child(promise: Promise, engine: str, *, builds: bool = False) -> Step:
    """A promise about one of the built engines, tried in a process of its own beside others on the device.

    Args:
        builds: whether the promise is one of building: builds hold the device otherwise than what runs.
    """

    def step(subject: Subject) -> str:
        built = subject.built(engine)
        log_path = subject.store.root / "logs" / f"{subject.kind.name}-{engine}-{promise.__name__}.log"
        device = subject.scorer.device
        with device.building() if builds else device.beside_timing():
            return run_in_child(promise, built, timeout_s=STEP_TIMEOUT_S, log_path=log_path)

    return step


def _of_kind(promise: Callable[..., str], subject: Subject) -> str:
    return promise(subject.kind, subject.options)


FOR_BUILDING: Mapping[str, Step] = {
    **{name: partial(_of_kind, promise) for name, promise in OF_KIND.items()},
    "calibrates and quantizes the model": quantizes,
    **{f"builds the {name} engine": partial(builds, name=name) for name in ENGINES},
    **{name: in_child(promise, "float", builds=True) for name, promise in BUILDING.items()},
}
FOR_RUNNING: Mapping[str, Step] = {
    **{name: in_child(promise, "INT8") for name, promise in RUNNING.items()},
    **{f"agrees with ONNX Runtime in {name}": partial(measuring.agrees, name=name) for name in ENGINES},
    "evaluates images": measuring.scores_images,
    "times the float engine against itself": measuring.times_the_float_engine_against_itself,
    "times many images against one": measuring.times_images_against_one,
    "times INT8 against float": measuring.times_the_int8_engine,
    **{name: in_child(promise, "INT8") for name, promise in INSPECTED.items()},
}
ON_A_GPU: Mapping[str, Step] = {"reads what the GPU tells": measuring.reads_the_gpu}
