"""The NVIDIA GPU that CUDA uses here, asked of the driver without putting anything on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ..isolation.presence import announce

NO_GPU = "no NVIDIA GPU"


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """The device that CUDA calls 0, after CUDA_VISIBLE_DEVICES.

    Args:
        name: as the driver tells it.
        capability: compute capability, (major, minor).
        driver: its version.
        uuid: by which NVML finds the same device, whatever CUDA's order.
    """

    name: str
    capability: tuple[int, int]
    driver: str
    uuid: str

    @property
    def capability_text(self) -> str:
        return ".".join(str(part) for part in self.capability)


@dataclass(frozen=True, kw_only=True)
class NoGpu:
    """Why there is none, in a sentence a user can act on."""

    reason: str


@lru_cache(maxsize=1)
def present_gpu() -> Gpu | NoGpu:
    """The GPU, or why there is none. Asked once a process: it does not come or go."""
    try:
        import pynvml
        from cuda.core import Device
    except ImportError as error:
        return NoGpu(
            reason=f"NVIDIA's Python packages are missing ({error.name}): install them with "
            "pip install cuda-core 'cuda-bindings>=13' nvidia-ml-py."
        )
    try:
        pynvml.nvmlInit()
        driver = pynvml.nvmlSystemGetDriverVersion()
        device = Device(0)
        capability = device.compute_capability
        return Gpu(
            name=device.name, capability=(capability.major, capability.minor), driver=driver, uuid=_uuid(device.uuid)
        )
    except pynvml.NVMLError as error:
        return NoGpu(
            reason=f"The NVIDIA driver does not answer ({str(error).rstrip('.')}): install it, or check nvidia-smi."
        )
    except Exception as error:
        if not is_cuda_error(error):
            raise
        return NoGpu(
            reason=f"CUDA finds no GPU ({first_line(error)}): "
            "check nvidia-smi, CUDA_VISIBLE_DEVICES and the driver's version."
        )


def free_bytes() -> int | None:
    """Memory of the GPU that nobody uses now; None without a GPU, or where its driver does not tell."""
    gpu = present_gpu()
    if isinstance(gpu, NoGpu):
        return None
    import pynvml

    try:
        return int(pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByUUID(gpu.uuid)).free)
    except pynvml.NVMLError:
        return None


def announce_gpu() -> None:
    """Say that this process has the GPU open from now on, if there is one; see `announce`. Raises the same."""
    if isinstance(gpu := present_gpu(), Gpu):
        announce(gpu.uuid)


def is_cuda_error(error: Exception) -> bool:
    """Whether NVIDIA's Python raised it: its `CUDAError` is private, and derives from Exception itself."""
    return isinstance(error, RuntimeError | ValueError) or type(error).__module__.split(".")[0] == "cuda"


def first_line(error: Exception) -> str:
    """What an error says, without the lines that follow."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:300]


def _uuid(text: str) -> str:
    """As NVML writes it: with its prefix."""
    return text if text.startswith(("GPU-", "MIG-")) else f"GPU-{text}"
