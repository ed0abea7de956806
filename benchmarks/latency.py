"""How far can a latency ratio be trusted? Interleaved timing against timing one engine after the other.

    python benchmarks/latency.py --model yolo11n.onnx --int8 quantized.onnx --repeats 20

Each repeat loads the engines anew and measures the ratio both ways, on as many runs each. `half-width` is half the
range that holds 95 % of the repeats, in percent of their median: what a single measurement can be off by. `held` is
the share of the repeats' own intervals that hold the median of all repeats. The first comparison is of the float
engine with itself, whose true ratio is 1; the second of INT8 with float, if a quantized graph is given.
`qpareto measure STUDY --mask all --calibration max:64 --keep DIR` leaves one in DIR/quantized.onnx.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from qpareto.objectives.engines import Engine, EngineOptions, engine_kind
from qpareto.objectives.engines.build import engine_from_onnx
from qpareto.objectives.isolation.lock import device_lock
from qpareto.objectives.latency.copies import Copies
from qpareto.objectives.latency.paired import LatencyBudget, PairedLatency, paired_latency
from qpareto.objectives.store import Store, file_hash


@dataclass
class Ratios:
    """What the repeats of one comparison gave."""

    paired: list[PairedLatency] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)

    def rows(self, name: str) -> Iterator[str]:
        told = [result.ratio for result in self.paired]
        ratios = np.array([ratio.value for ratio in told])
        held = np.mean([ratio.low <= np.median(ratios) <= ratio.high for ratio in told])
        disturbed = sum("foreign_load" in result.flags for result in self.paired)
        pairs = int(np.median([result.pairs for result in self.paired]))
        yield _row(name, "interleaved", pairs, ratios, f"{held:4.0%}  {disturbed:>9}")
        yield _row(name, "one, then other", pairs, np.array(self.naive), "")


def _row(name: str, method: str, pairs: int, ratios: np.ndarray, rest: str) -> str:
    median = np.median(ratios)
    half_width = np.diff(np.percentile(ratios, [2.5, 97.5]))[0] / 2 / median
    return f"{name:<15}  {method:<15}  {len(ratios):>7}  {pairs:>5}  {median:6.4f}  {half_width:10.2%}  {rest}".rstrip()


def main() -> None:
    arguments = _arguments()
    options = engine_kind(arguments.engine).options(kind=arguments.engine).with_cpu_threads(arguments.threads)
    budget = LatencyBudget(ci_width=arguments.ci_width, max_seconds=arguments.max_seconds)
    device = engine_kind(options.kind).device_name()
    comparisons = {"float / float": arguments.model} | ({"INT8 / float": arguments.int8} if arguments.int8 else {})
    results = {name: Ratios() for name in comparisons}
    with tempfile.TemporaryDirectory() as cache, device_lock(device, exclusive=True):
        store = Store(Path(cache))
        for repeat in range(arguments.repeats):
            for name, candidate in comparisons.items():
                with _loaded((arguments.model, candidate), options, store) as engines:
                    _measure(*engines, budget, results[name])
            print(f"repeat {repeat + 1} of {arguments.repeats}", file=sys.stderr)
    versions = engine_kind(options.kind).versions()
    print(f"{device}, {options.cpu_threads or 0} threads, {versions}, ci_width {budget.ci_width}")
    print("comparison       method           repeats  pairs   ratio  half-width  held  disturbed")
    for name, ratios in results.items():
        print("\n".join(ratios.rows(name)))


@contextmanager
def _loaded(paths: tuple[Path, Path], options: EngineOptions, store: Store) -> Iterator[tuple[Engine, Engine]]:
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(engine_from_onnx(path, file_hash(path), options, store).load()) for path in paths
        )
        images = np.random.default_rng(0).random(first.input_shape, dtype=np.float32)
        first.load_input(images)
        second.load_input(images)
        yield first, second


def _measure(reference: Engine, candidate: Engine, budget: LatencyBudget, ratios: Ratios) -> None:
    result = paired_latency(Copies((reference,)), Copies((candidate,)), budget=budget)
    ratios.paired.append(result)
    one, other = (np.median([engine.run_once_ms() for _ in range(result.pairs)]) for engine in (reference, candidate))
    ratios.naive.append(float(other / one))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="float ONNX model")
    parser.add_argument("--int8", type=Path, help="the same model, quantized")
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--ci-width", type=float, default=0.01)
    parser.add_argument("--max-seconds", type=float, default=20.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
