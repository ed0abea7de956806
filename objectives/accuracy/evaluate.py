"""One engine's accuracy: preparing, inferring and scoring overlap."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engines.base import EngineKind, Infers
from ..tensors import tensor_from_pixels
from .coco import Accuracy, score_matches
from .data.evaluation_set import EvaluationSet
from .data.images import LetterboxedImages
from .heads import Detections, Head
from .matcher import Matches
from .sample import Sampling
from .top1 import matcher_of

__all__ = ["SCORING", "Accuracy", "accuracy_of_engine", "matches_of_engine", "threads_beside"]

SCORING = 1  # its version, see `content_key`

Floats = NDArray[np.float32]


def threads_beside(kind: EngineKind) -> int:
    """`threads` of `accuracy_of_engine` for engines of this kind: two where they leave the processors alone.

    Of more, Python's lock makes each slower (docs/benchmarks.md).
    """
    return 1 if kind.runs_on_host_cpu else 2


def accuracy_of_engine(engine: Infers, images: EvaluationSet, head: Head, *, threads: int = 1) -> Accuracy:
    """Run an engine on every image and score what it finds.

    Args:
        images, threads: as for `matches_of_engine`.

    Raises:
        EngineError: the engine failed.
    """
    order, sampling = range(len(images)), Sampling(len(images))
    matches = []
    for image, seen in enumerate(matches_of_engine(engine, images, head, order=order, threads=threads)):
        matches.append(seen.matches)
        sampling.note(image, seen.found)
    return replace(score_matches(images.dataset, matches), sample=sampling.sample())


class Seen(NamedTuple):
    """What an engine found in an image, in pixels of the letterbox, and what of it hits a true box."""

    found: Detections
    matches: Matches


def matches_of_engine(
    engine: Infers, images: EvaluationSet, head: Head, *, order: Sequence[int], threads: int = 1
) -> Generator[Seen, None, None]:
    """Run an engine on images, and match what it finds, in the given order.

    While the engine infers, some threads prepare the next images and as many match those before. The last batch is
    filled up with its last image, whose repeats are not matched. Who has seen enough closes the iterator.

    Args:
        images: letterboxed to the engine's size.
        order: indices of images, at least one.
        threads: how many prepare, and how many match, at least 1. Memory holds inputs of 2 * batch + `threads` images
            and outputs of 3 * batch + 4 * `threads` at most, however many images there are.

    Raises:
        EngineError: the engine failed.
    """
    batch, _, height, width = engine.input_shape
    shape, wanted = images.pixels.pixels.shape, (len(images), height, width, 3)
    if shape != wanted:
        raise ValueError(f"the images are {shape}, but the engine and the data set want {wanted}")
    matcher = matcher_of(images.dataset)

    def matched(image: int, outputs: Sequence[Floats]) -> Seen:
        (found,) = head.detections(outputs)
        return Seen(found, matcher.match(image, found.on_image(images.pixels.geometry[image])))

    waiting: deque[Future[Seen]] = deque()
    with ThreadPoolExecutor(threads) as before, ThreadPoolExecutor(threads) as after:
        for start, inputs in _batches(images.pixels, order, engine.input_shape, before, ahead=threads):
            outputs = engine.infer(inputs)
            for row, image in enumerate(order[start : start + batch]):
                waiting.append(after.submit(matched, image, [output[row : row + 1] for output in outputs]))
            while waiting and (waiting[0].done() or len(waiting) > batch + 4 * threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _batches(
    images: LetterboxedImages, order: Sequence[int], shape: tuple[int, int, int, int], pool: Executor, *, ahead: int
) -> Iterator[tuple[int, Floats]]:
    """Place in the order of the first image, and the input, of each batch; good until the next one is asked for.

    Args:
        ahead: how many images are prepared beyond the next batch, rounded down to whole batches.
    """
    starts, pixels, prepared = iter(range(0, len(order), shape[0])), images.pixels, images.preprocessing

    def filled(start: int, memory: Floats) -> tuple[int, Floats, list[Future[Floats]]]:
        rows = enumerate(order[min(start + row, len(order) - 1)] for row in range(len(memory)))
        work = [
            pool.submit(tensor_from_pixels, pixels[i : i + 1], prepared, out=memory[row : row + 1]) for row, i in rows
        ]
        return start, memory, work

    memories = [np.empty(shape, np.float32) for _ in range(2 + ahead // shape[0])]
    upcoming = deque(filled(start, memory) for memory, start in zip(memories, starts, strict=False))
    while upcoming:
        start, memory, work = upcoming.popleft()
        for future in work:
            future.result()
        yield start, memory
        for another in islice(starts, 1):
            upcoming.append(filled(another, memory))
