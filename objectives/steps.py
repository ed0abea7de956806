"""The steps of a measurement that run an engine, each in a child process of its own, which a crash ends alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from .accuracy.coco import Accuracy
from .accuracy.data.evaluation_set import EvaluationSet
from .accuracy.data.images import LetterboxedImages
from .accuracy.evaluate import accuracy_of_engine, threads_beside
from .accuracy.heads import Detections, Head
from .accuracy.parity import parity_of_engine
from .accuracy.race import Rival, Standing
from .accuracy.raced import Contest
from .accuracy.sample import Sample, sample_of_turns, turns
from .engines import Engine, EngineKind
from .engines.base import Infers
from .engines.gpu import free_bytes
from .engines.in_turns import EngineInTurns, Turn, loaded_in_turns
from .engines.profile import LayerTime
from .engines.ref import EngineRef
from .isolation.lock import device_lock
from .latency.copies import Copies, copies_that_fit, inputs_of_copy
from .latency.gpu_watch import watch_of_present_gpu
from .latency.paired import LatencyBudget, PairedLatency, paired_latency
from .latency.telemetry import HostLoad

# Raised when timing changes, so that figures kept of it are measured anew. 2: on many images in turn. 3: on a GPU in
# several copies of each engine.
TIMING = 3


def prove(
    engine: Infers, onnx_path: Path, folder: Path, *, images: LetterboxedImages, head: Head, graph: Path | None = None
) -> None:
    """Refuse an engine, just built into the folder, that does not compute its graph; leave there how near it was.

    Args:
        onnx_path: what it was built from.
        graph: that before it was given the engine's batch: it runs few images, whatever the batch, and mixes none.

    Raises:
        EngineError: it does not.
    """
    parity_of_engine(engine, graph or onnx_path, images, head).save(folder)


def check_parity(engine: EngineRef, onnx_path: Path, folder: Path, *, images: LetterboxedImages, head: Head) -> None:
    """As `prove`, of an engine that was built elsewhere."""
    with _in_turns(engine) as loaded:
        prove(loaded, onnx_path, folder, images=images, head=head)


def evaluate(engine: EngineRef, images: EvaluationSet, head: Head, folder: Path) -> None:
    """Leave an engine's accuracy in the folder."""
    with _in_turns(engine) as loaded:
        accuracy_of_engine(loaded, images, head, threads=threads_beside(engine.kind)).save(folder)


def detections(engine: EngineRef, pixels: LetterboxedImages, head: Head, images: Sequence[int]) -> list[Detections]:
    """What an engine finds in the images at these indices, in pixels of the originals."""
    found = []
    with _in_turns(engine) as loaded:
        for image in images:
            outputs = loaded.infer(pixels.tensor([image] * loaded.input_shape[0]))
            (first,) = head.detections([output[:1] for output in outputs])
            found.append(first.on_image(pixels.geometry[image]))
    return found


def time(  # noqa: PLR0913 - all but the engines by name
    reference: EngineRef,
    candidate: EngineRef,
    *,
    pixels: LetterboxedImages,
    head: Head,
    sample: Sample | None,
    budget: LatencyBudget,
    load: HostLoad,
) -> PairedLatency:
    """Time both engines on the same real images in turn; on a GPU the candidate's energy is measured after that.

    As for all steps of `Device.run_timing`, a CPU is held from outside, and any other device here.

    Args:
        head: how to read what an engine gives.
        sample: what the candidate found when it was scored, if known.

    Raises:
        EngineError: the candidate finds something else when it is timed.
    """
    with ExitStack() as stack:
        one, other = _pair(stack, reference, candidate, pixels, copies=budget.copies)
        with _held(candidate.kind, exclusive=True):
            timed = _timed(one, other, candidate.kind, budget=budget, load=load)
        with _held(candidate.kind, exclusive=False):
            _refuse_another(other.first, pixels, head, sample)
        return timed


def time_images_against_one(
    engine: EngineRef, pixels: LetterboxedImages, budget: LatencyBudget, load: HostLoad
) -> PairedLatency:
    """Time an engine on all the images of a timing against itself on the first input of these, again and again."""
    with ExitStack() as stack:
        one, other = _pair(stack, engine, engine, pixels, copies=budget.copies, on_one=True)
        with _held(engine.kind, exclusive=True):
            return _timed(one, other, engine.kind, budget=budget, load=load)


def race(  # noqa: PLR0913 - all but the engines by name
    reference: EngineRef,
    candidate: EngineRef,
    *,
    images: EvaluationSet,
    head: Head,
    budget: LatencyBudget,
    load: HostLoad,
    energy: bool,
    contest: Contest,
    known: Path | None,
) -> tuple[PairedLatency, Rival | None, Accuracy | Standing]:
    """Time an engine, then race it against the rival that its latency leaves; if none, or if disturbed, against nobody.

    Timing comes first, while the process is fresh. The device is held here, so waiting for it counts as running.

    Args:
        energy: whether the candidate's is measured too, where the device tells it.
        known: the folder of the candidate's accuracy, where it was found before: then no image is scored.

    Returns:
        The latency; the rival; the accuracy, or how the candidate stood when it was stopped.

    Raises:
        EngineError: the candidate found something else when it was timed than when it was scored.
    """
    kind, device = candidate.kind, candidate.kind.device_id()
    with ExitStack() as stack:
        with _host_cpu(kind):
            one, other = _pair(stack, reference, candidate, images.pixels, copies=budget.copies)
        with device_lock(device, exclusive=True):
            timed = _timed(one, other, kind, budget=budget, load=load, energy=energy)
        rival = None if timed.is_disturbed else contest.race.rival(contest.front, timed.ratio)
        with _host_cpu(kind):
            found = (
                contest.accuracy_of_engine(
                    EngineInTurns(other.first, _turn(kind)), images, head, rival=rival, threads=threads_beside(kind)
                )
                if known is None
                else Accuracy.load(known)
            )
        sample = found.sample if isinstance(found, Accuracy) else None
        with device_lock(device, exclusive=False):
            _refuse_another(other.first, images.pixels, head, sample)
        return timed, rival, found


def _timed(
    reference: Copies,
    candidate: Copies,
    kind: EngineKind,
    *,
    budget: LatencyBudget,
    load: HostLoad,
    energy: bool = True,
) -> PairedLatency:
    if kind.runs_on_host_cpu:
        return paired_latency(reference, candidate, budget=budget, load=load)
    watch = watch_of_present_gpu(max_wait_s=load.max_wait_s)
    timed = paired_latency(reference, candidate, budget=budget, load=watch)
    return replace(timed, energy_mj=watch.energy_mj(candidate.first)) if energy else timed


def profile(engine: EngineRef, pixels: LetterboxedImages) -> tuple[LayerTime, ...]:
    """Time every layer of an engine on real images."""
    with _held(engine.kind, exclusive=True):
        batch = engine.options.batch
        return engine.kind.profile(engine.folder, engine.options, pixels.tensor(turns(len(pixels), batch)[0]))


def _held(kind: EngineKind, *, exclusive: bool) -> AbstractContextManager[None]:
    """The device, as by `device_lock`; nothing on a CPU, which is held from before this process started."""
    return nullcontext() if kind.runs_on_host_cpu else device_lock(kind.device_id(), exclusive=exclusive)


def _turn(kind: EngineKind) -> Turn:
    """For what an engine does beside others."""
    return partial(_held, kind, exclusive=False)


def _host_cpu(kind: EngineKind) -> AbstractContextManager[None]:
    """The device beside others for all of a piece of work, where it is the CPU that does all of it; else nothing."""
    return device_lock(kind.device_id(), exclusive=False) if kind.runs_on_host_cpu else nullcontext()


def _in_turns(engine: EngineRef) -> AbstractContextManager[EngineInTurns]:
    """The engine, loaded to be scored."""
    return loaded_in_turns(engine.load, _turn(engine.kind))


def _pair(
    stack: ExitStack,
    reference: EngineRef,
    candidate: EngineRef,
    pixels: LetterboxedImages,
    *,
    copies: int,
    on_one: bool = False,
) -> tuple[Copies, Copies]:
    """Both engines loaded, not on a CPU in as many copies as are wanted and fit; they take turns at being loaded first.

    Args:
        on_one: the reference is timed on one input alone.
    """
    ones, others = list[Engine](), list[Engine]()
    sides = (reference, ones, on_one), (candidate, others, False)

    def load(copy: int, count: int) -> None:
        for engine, engines, alone in sides[:: -1 if copy % 2 else 1]:
            engines.append(stack.enter_context(_loaded(engine, pixels, copy=copy, copies=count, on_one=alone)))

    before = None if candidate.kind.runs_on_host_cpu else free_bytes()
    load(0, 1)
    if before is not None and (after := free_bytes()) is not None:
        count = copies_that_fit(copies, before=before, after=after)
        for copy in range(1, count):
            load(copy, count)
    return Copies(tuple(ones)), Copies(tuple(others))


@contextmanager
def _loaded(engine: EngineRef, pixels: LetterboxedImages, *, copy: int, copies: int, on_one: bool) -> Iterator[Engine]:
    """With the inputs of its turns, in the same order for all engines; with the first alone if told so.

    Each engine has inputs of its own: of shared ones the engine that runs second would find part in a cache.
    """
    with _in_turns(engine) as loaded:
        inputs = turns(len(pixels), loaded.input_shape[0])
        own = inputs[:1] if on_one else inputs_of_copy(inputs, copy, copies)
        with loaded.turn():
            loaded.engine.load_inputs(pixels.tensor(rows) for rows in own)
        yield loaded.engine


def _refuse_another(engine: Engine, pixels: LetterboxedImages, head: Head, sample: Sample | None) -> None:
    """Refuse an engine that, as it is timed, finds something else than it did when it was scored.

    Without such a sample, of one that was scored by an older program or not at all, it is held against what it finds
    as it would be scored.
    """
    batch = engine.input_shape[0]
    inputs = turns(len(pixels), batch)
    if sample is None:
        sample = sample_of_turns(lambda turn: engine.infer(pixels.tensor(inputs[turn])), len(pixels), batch, head)
    sample.refuse_another(sample_of_turns(engine.timed_outputs, len(pixels), batch, head))
