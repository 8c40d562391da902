"""Types, constants and names of a plain step as C text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.artifact.abi import CTYPES, c_name
from delrec_compile.compiler.tables import c_array

TYPES = {
    **CTYPES,
    "float64": "double",
    "int64": "int64_t",
    "uint64": "uint64_t",
    "bool": "uint8_t",
}
# C99's types, which TVM's C text has: bool is one of its own
SOURCE_TYPES = {**TYPES, "bool": "bool"}
# Python's literal, with the suffix that `c_array` adds, and C's; these need no header
LITERALS = {r"\binff?\b": "__builtin_inff()", r"\bnanf?\b": '__builtin_nanf("")'}


def initialiser(values: NDArray[Any]) -> str:
    """Elements of a C initialiser, as `c_array`, also for bool, infinity and NaN."""
    text = c_array(values.astype(np.uint8) if values.dtype == np.bool_ else values)
    for literal, builtin in LITERALS.items():
        text = re.sub(literal, builtin, text)
    return text


def number(value: Any) -> str:
    """C literal of a NumPy scalar, exact."""
    return initialiser(np.array([value])).rstrip(",")


def members(names: Sequence[str]) -> dict[str, str]:
    """A C name for each name, all different; a name that is a C name already stays."""
    out: dict[str, str] = {}
    for name in sorted(names, key=lambda n: c_name(n) != n):
        own = c_name(name)
        while own in out.values():
            own += "_"
        out[name] = own
    return out
