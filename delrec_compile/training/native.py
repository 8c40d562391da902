"""The steps and mixes of a training in C, compiled for this machine once in a process.

For float32 on a CPU. Without a C compiler, and for other types and devices, PyTorch computes the
same, in several times the time; the last bits of gradients may differ.
"""

from __future__ import annotations

import ctypes
import functools
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from delrec_compile.errors import DelrecError
from delrec_compile.system import toolchain
from delrec_compile.system.folders import work_folder

LOGGER = logging.getLogger(__name__)
SOURCES = tuple(Path(__file__).with_name(name) for name in ("steps.c", "mixes.c"))
OPTIONS = ("-std=c11", "-O3", "-march=native", *toolchain.FLAGS, "-shared")


@functools.cache
def library() -> ctypes.CDLL | None:
    """The functions of the sources; None where nothing compiles them."""
    try:
        with work_folder() as folder:
            out = folder / "steps.so"
            toolchain.run_cc(*OPTIONS, *SOURCES, "-o", out, "-lm")
            return ctypes.CDLL(str(out))
    except (DelrecError, OSError) as error:
        LOGGER.info("the training runs in PyTorch alone: %s", error)
        return None


def takes(*tensors: Tensor) -> bool:
    """Whether the C form computes with these: contiguous float32 on a CPU, and a compiler is here."""
    fit = (x.dtype == torch.float32 and x.device.type == "cpu" for x in tensors)
    return all(fit) and all(x.is_contiguous() for x in tensors) and library() is not None


def call(name: str, *arguments: Any) -> None:
    """Calls a function of the sources: whole numbers as int64, tensors as pointers, None as NULL."""
    getattr(library(), name)(*(_passed(each) for each in arguments))


def _passed(value: Any) -> Any:
    if isinstance(value, Tensor):
        return ctypes.c_void_p(value.data_ptr())
    return ctypes.c_int64(value) if isinstance(value, int) else value
