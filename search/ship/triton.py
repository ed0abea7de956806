"""A model's `config.pbtxt` in a Triton model repository.

Written by the schema that Triton publishes (`model_config.proto`), by which a test parses it. Shapes are whole, with
the batch, and `max_batch_size` is 0: an engine is built for one shape, so Triton is not to batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...objectives.engines import EngineOptions

MODEL_FILES = {"openvino": "model", "tensorrt": "model"}  # kinds that Triton has a backend for -> their files' stem

Ports = Mapping[str, Sequence[int]]  # tensor -> its shape


def why_not_triton(kind: str) -> str | None:
    """Why Triton would not serve an engine, a clause; None if it would."""
    return None if kind in MODEL_FILES else f"Triton serves {' and '.join(MODEL_FILES)} engines, none of kind {kind}"


def triton_config(name: str, options: EngineOptions, *, inputs: Ports, outputs: Ports) -> str:
    """The text of a `config.pbtxt`; inputs and outputs are FP32."""
    on_gpu = options.kind == "tensorrt"
    lines = [
        f'name: "{name}"',
        'platform: "tensorrt_plan"' if on_gpu else 'backend: "openvino"',
        "max_batch_size: 0",
        *(_port("input", *port) for port in inputs.items()),
        *(_port("output", *port) for port in outputs.items()),
        f"instance_group [ {{ kind: {'KIND_GPU' if on_gpu else 'KIND_CPU'} count: 1 }} ]",
    ]
    settings = {} if on_gpu else _openvino_settings(options)
    lines += [f'parameters: {{ key: "{key}" value: {{ string_value: "{text}" }} }}' for key, text in settings.items()]
    return "\n".join(lines) + "\n"


def _port(field: str, name: str, shape: Sequence[int]) -> str:
    return f'{field} [ {{ name: "{name}" data_type: TYPE_FP32 dims: [ {", ".join(map(str, shape))} ] }} ]'


def _openvino_settings(options: EngineOptions) -> dict[str, str]:
    """As the engine was measured: one stream, for latency."""
    return {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(options.cpu_threads)}
