"""Can GPU latency be believed? FP16 against FP32 of one network, by graph replays in pairs, and in lesser ways.

    PYTHONPATH=tests python benchmarks/gpu_latency.py --model studies/quickstart/shapes-yolo11n.onnx --repeats 20

For machines with an NVIDIA GPU and PyTorch, which runs the network (`tests/torch_network.py`); TensorRT is not needed.
The ratio of FP16 to FP32 is measured again and again: as qpareto does, on engines loaded once; in three lesser ways, on
as many runs each; as qpareto does, once more; and in processes of their own, as a study does for each candidate.
`half-width` is half the range that holds 95 % of the repeats, in percent of their median. Then one measurement beside
a second process that computes on the GPU, which must be noticed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from qpareto.objectives.engines import EngineOptions
from qpareto.objectives.engines.cuda import CudaEngine
from qpareto.objectives.engines.gpu import Gpu, present_gpu
from qpareto.objectives.isolation.child import run_in_child
from qpareto.objectives.latency.copies import Copies
from qpareto.objectives.latency.gpu_watch import GpuWatch
from qpareto.objectives.latency.paired import LatencyBudget, PairedLatency, paired_latency
from torch_network import TorchKind, TorchNetwork

_NEIGHBOUR = """
import torch
x = torch.randn(4096, 4096, device="cuda")
print("ready", flush=True)
while True:
    x = (x @ x).clamp(-1, 1)
    torch.cuda.synchronize()
"""


def main() -> None:
    arguments = _arguments()
    gpu = present_gpu()
    assert isinstance(gpu, Gpu), gpu.reason
    budget = LatencyBudget(ci_width=arguments.ci_width, max_seconds=arguments.max_seconds)
    print(f"{arguments.model.name} on {gpu.name}, driver {gpu.driver}; {TorchKind().versions()}")
    alone = [_in_a_process(arguments.model, budget) for _ in range(10)]  # first: this process is not on the GPU yet
    ratios = {"pairs, each in a process of its own": [result.ratio.value for result in alone]}
    with _engines(arguments.model) as engines:
        results = [_paired(engines, budget, gpu) for _ in range(arguments.repeats)]
        ratios["pairs, events around many replays"] = [result.ratio.value for result in results]
        pairs = int(np.median([result.pairs for result in results]))
        for name, run in _LESSER_WAYS.items():
            ratios[name] = [_one_after_the_other(run, engines, pairs) for _ in range(arguments.repeats)]
        ratios["as at first, once more"] = [_paired(engines, budget, gpu).ratio.value for _ in range(arguments.repeats)]
        _print_result("alone", results[-1])
        for float_type, engine in zip(("fp32", "fp16"), engines, strict=True):
            print(f"energy of {float_type}: {GpuWatch(gpu.uuid).energy_mj(engine, seconds=2.0):.1f} mJ a run")
        with _neighbour():
            _print_result("beside a second process", _paired(engines, replace(budget, repeats=0), gpu))
    _print_ratios(ratios, pairs)
    disturbed = sum(bool({"throttled", "foreign_process"} & set(result.flags)) for result in (*alone, *results))
    print(f"\n{disturbed} of {len(alone) + len(results)} undisturbed measurements were flagged as disturbed")


def _paired(engines: tuple[CudaEngine, CudaEngine], budget: LatencyBudget, gpu: Gpu) -> PairedLatency:
    reference, candidate = (Copies((engine,)) for engine in engines)
    return paired_latency(reference, candidate, budget=budget, load=GpuWatch(gpu.uuid, max_wait_s=1.0))


def _one_after_the_other(
    run: Callable[[CudaEngine], float], engines: tuple[CudaEngine, CudaEngine], runs: int
) -> float:
    one, other = (np.median([run(engine) for _ in range(runs)]) for engine in engines)
    return float(other / one)


def _in_a_process(model: Path, budget: LatencyBudget) -> PairedLatency:
    import gpu_latency  # this file: a child process does not import __main__

    with tempfile.TemporaryDirectory() as folder:
        return run_in_child(gpu_latency.measured_afresh, model, budget, timeout_s=120, log_path=Path(folder) / "log")


def measured_afresh(model: Path, budget: LatencyBudget) -> PairedLatency:
    """Load both engines and measure once."""
    gpu = present_gpu()
    assert isinstance(gpu, Gpu)
    with _engines(model) as engines:
        return _paired(engines, budget, gpu)


def _print_ratios(ratios: dict[str, list[float]], pairs: int) -> None:
    print(f"\n| FP16 / FP32 | repeats of {pairs} pairs | ratio | lowest | highest | half-width |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, values in ratios.items():
        median = np.median(values)
        half_width = np.diff(np.percentile(values, [2.5, 97.5]))[0] / 2 / median
        low, high = min(values), max(values)
        print(f"| {name} | {len(values)} | {median:.4f} | {low:.4f} | {high:.4f} | {half_width:.2%} |")


def _print_result(title: str, result: PairedLatency) -> None:
    ratio, low, high = result.ratio
    print(
        f"\n{title}: FP32 {result.reference_ms:.4f} ms, FP16 {result.median_ms:.4f} ms, p95 "
        f"{result.p95_ms:.4f} ms, ratio {ratio:.4f} ({low:.4f} to {high:.4f}), {result.pairs} pairs, "
        f"flags {result.flags or 'none'}, readings {json.dumps(result.readings)}"
    )


def _one_replay_by_events(engine: CudaEngine) -> float:
    engine._stream.record(engine._start)
    engine._graph.launch(engine._stream)
    engine._stream.record(engine._end)
    engine._end.sync()
    return float(engine._end - engine._start)


def _one_replay_by_the_host(engine: CudaEngine) -> float:
    return _host_ms(engine, lambda: engine._graph.launch(engine._stream))


def _without_a_graph(engine: CudaEngine) -> float:
    assert isinstance(engine._program, TorchNetwork)
    program = engine._program
    return _host_ms(engine, lambda: program.enqueue(int(engine._stream.handle)))


def _host_ms(engine: CudaEngine, queue: Callable[[], None]) -> float:
    start_ns = time.perf_counter_ns()
    queue()
    engine._stream.sync()
    return (time.perf_counter_ns() - start_ns) / 1e6


_LESSER_WAYS = {
    "one after the other, events around one replay": _one_replay_by_events,
    "one after the other, host clock around one replay": _one_replay_by_the_host,
    "one after the other, host clock, no graph": _without_a_graph,
}


@contextmanager
def _engines(model: Path) -> Iterator[tuple[CudaEngine, CudaEngine]]:
    kind = TorchKind()
    with ExitStack() as stack:
        found = []
        for float_type in ("fp32", "fp16"):
            options = EngineOptions(kind="torch", float_type=float_type)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            kind.build(model, folder, options)
            engine = stack.enter_context(kind.load(folder, options))
            assert isinstance(engine, CudaEngine)
            engine.load_input(np.random.default_rng(0).random(engine.input_shape, dtype=np.float32))
            found.append(engine)
        yield found[0], found[1]


@contextmanager
def _neighbour() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", _NEIGHBOUR], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="float ONNX model with a YOLO11's operators")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--ci-width", type=float, default=0.002)
    parser.add_argument("--max-seconds", type=float, default=3.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
