"""What this CPU has that decides how fast INT8 and BF16 run on it, and how rightly."""

from __future__ import annotations

from pathlib import Path

_INSTRUCTION_SETS = {  # Linux's flag -> the name that vendors use
    "avx2": "AVX2",
    "avx_vnni": "AVX-VNNI",
    "avx512_vnni": "AVX512-VNNI",
    "avx512_bf16": "AVX512-BF16",
    "amx_int8": "AMX-INT8",
    "amx_bf16": "AMX-BF16",
}
_EXACT_INT8 = {"AVX-VNNI", "AVX512-VNNI", "AMX-INT8"}
FAST_BF16 = {"AVX512-BF16", "AMX-BF16"}


def instruction_sets() -> frozenset[str]:
    """What this CPU has of AVX2 and the extensions that decide INT8 and BF16 speed; empty where Linux does not say."""
    flags = set(cpu_info().get("flags", "").split())
    return frozenset(name for flag, name in _INSTRUCTION_SETS.items() if flag in flags)


def cpu_info() -> dict[str, str]:
    """The first processor's entry in /proc/cpuinfo; empty on other systems."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}


def int8_verdict(found: frozenset[str]) -> str:
    if found & _EXACT_INT8:
        return "exact"
    if "AVX2" not in found:
        return "unknown: this CPU's instruction sets cannot be read"
    return (
        "may saturate: without VNNI or AMX, sums of INT8 products are cut off at 16 bits, "
        "so accuracy measured here can be below what a GPU or a newer CPU gets from the same file"
    )
