"""Kernels of a plain step as C text without a C library and arrays on the stack. Runs in a child."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm
import tvm_ffi
from tvm import tirx

from delrec_compile.compiler.codegen.c_text import c_text
from delrec_compile.errors import UnsupportedError
from delrec_compile.plain_onnx.c_text import SOURCE_TYPES, number

PREFIX = "f32_"  # of the functions in targets/plain_math.h.in
# TVM's names of them
NAMES = {
    "fabs": "abs",
    **{n: n for n in ("exp", "log", "log1p", "pow", "sqrt", "tanh", "sinh", "cosh", "erf", "sin")},
    **{n: n for n in ("cos", "tan", "asin", "acos", "atan", "asinh", "acosh", "atanh", "floor")},
    **{n: n for n in ("ceil", "trunc", "round", "nearbyint", "fmod")},
}
EXACT = "exact_"  # begins the name of a call that stands for a constant, then its bits
DTYPES: dict[str, Any] = {"f32": np.dtype(np.float32), "f64": np.dtype(np.float64)}
SMALL = 64  # bytes of an array that stays on the stack
SIZES = {ctype: np.dtype(dtype).itemsize for dtype, ctype in SOURCE_TYPES.items()}
DEFINITION = re.compile(r"^void (\w+)\(\n(.*?)\)\n\{\n(.*?)^\}\n", re.M | re.S)
ARRAY = re.compile(r"^ *(\w+) (\w+)\[(\d+)\];\n", re.M)


@dataclass(frozen=True)
class Kernels:
    """text: definitions. scratch: of each function the arrays that it takes after its own arguments,
    (C type, elements)."""

    text: str
    scratch: dict[str, list[tuple[str, int]]]


def c_kernels(functions: Mapping[str, Any], header: str) -> Kernels:
    """TIR functions, by C name, as C text. header: file with the functions of float32.

    Raises UnsupportedError for a function that is not there, as for float64.
    """
    own = {name: _own_functions(f) for name, f in functions.items()}
    text = re.sub(r"\bfmodf\(", f"{PREFIX}fmod(", c_text(own, includes=(header,)))
    text = re.sub(rf"{EXACT}(f\d\d)_(\w+)\(\)", _literal, text)
    _refuse_library(text, functions)
    scratch: dict[str, list[tuple[str, int]]] = {}
    return Kernels(DEFINITION.sub(lambda m: _without_arrays(m, scratch), text), scratch)


def _refuse_library(text: str, functions: Mapping[str, Any]) -> None:
    """Raises UnsupportedError where the text calls what a C library would have."""
    known = {"if", "for", "while", "return", "sizeof", *functions}
    for name in re.findall(r"\b([a-z]\w*)\(", text.partition("\nvoid ")[2]):
        if name not in known and not name.startswith((PREFIX, "__builtin_")):
            raise UnsupportedError(
                f"the graph needs '{name}' of a C library, which this target does without; float32 has "
                f"{', '.join(sorted(NAMES.values()))}: cast to it before"
            )


def _own_functions(function: Any) -> Any:
    """Calls of a C library become calls of our own; constants that `%e` would round, calls too."""
    replacements = [(tvm.ir.Call, _call), (tirx.FloatImm, _constant)]
    return function.with_body(tvm_ffi.structural_map(function.body, replacements, order="post"))


def _call(call: Any) -> Any:
    name = str(getattr(call.op, "name", "")).rpartition(".")[2]
    if str(call.ty) != "float32":
        return call
    one = tirx.const(1.0, "float32")
    if name == "sigmoid":
        return one / (one + tirx.call_pure_extern("float32", f"{PREFIX}exp", -call.args[0]))
    if name == "rsqrt":
        return one / tirx.call_pure_extern("float32", f"{PREFIX}sqrt", call.args[0])
    if name in NAMES:
        return tirx.call_pure_extern("float32", PREFIX + NAMES[name], *call.args)
    return call


def _constant(constant: Any) -> Any:
    dtype = np.dtype(str(constant.ty))
    value = dtype.type(constant.value)
    if dtype.type(f"{value:e}") == value and np.isfinite(value):
        return constant
    kind = next(k for k, d in DTYPES.items() if d == dtype)
    return tirx.call_pure_extern(str(dtype), f"{EXACT}{kind}_{value.tobytes().hex()}")


def _literal(match: re.Match[str]) -> str:
    return number(np.frombuffer(bytes.fromhex(match[2]), DTYPES[match[1]])[0])


def _without_arrays(match: re.Match[str], scratch: dict[str, list[tuple[str, int]]]) -> str:
    """The definition with its larger arrays as arguments."""
    name, parameters, body = match.groups()
    taken: list[tuple[str, str, int]] = []

    def take(array: re.Match[str]) -> str:
        ctype, variable, elements = array[1], array[2], int(array[3])
        if elements * SIZES[ctype] <= SMALL:
            return array[0]
        taken.append((ctype, variable, elements))
        return ""

    body = ARRAY.sub(take, body)
    scratch[name] = [(ctype, elements) for ctype, _, elements in taken]
    added = "".join(f",\n    {ctype} *restrict {variable}" for ctype, variable, _ in taken)
    return f"void {name}(\n{parameters}{added})\n{{\n{body}}}\n"
