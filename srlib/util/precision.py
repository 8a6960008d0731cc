"""The arithmetic of products: float32, or bfloat16 where the machine has it natively.

"bf16" is torch's autocast as the models here use it: what goes into a product or a convolution is rounded to 8 bits, sums of
products are not; coordinates, frequencies, sines, DIIF's fine stage and all last layers stay in float32.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import torch

from srlib.util.errors import unknown

PRECISIONS = ("float32", "bf16")
CPU_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # as Linux lists what a processor can: x86, ARM
# oneDNN's levels that end below bfloat16, by which its products can be held down
BELOW = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")


def check(precision: str, device: torch.device | str = "cpu") -> str:
    """The precision itself. ValueError for an unknown one, and for "bf16" where it would be emulated."""
    if precision not in PRECISIONS:
        raise unknown("precision", str(precision), list(PRECISIONS))
    if precision == "bf16" and not native_bf16(torch.device(device)):
        raise ValueError(
            "precision is 'bf16' but this machine has no bfloat16 of its own, and emulated it is slower than float32; use "
            "'float32'"
        )
    return precision


def native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself. Of a CPU whose abilities Linux does not list: no."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in BELOW:
        return False
    return bool(CPU_FLAGS & cpu_flags()) and torch.backends.mkldnn.is_available()


def cpu_flags(info: Path = Path("/proc/cpuinfo")) -> set[str]:
    """What the processor can, in Linux's words; nothing elsewhere."""
    lines = info.read_text().splitlines() if info.exists() else []
    found = (line.partition(":")[2] for line in lines if line.partition(":")[0].strip() in ("flags", "Features"))
    return set(next(found, "").split())


def products(precision: str, device: torch.device) -> contextlib.AbstractContextManager:
    """Products in here are of this precision; "float32" leaves them as the caller has them."""
    return contextlib.nullcontext() if precision == "float32" else torch.autocast(device.type, torch.bfloat16)
