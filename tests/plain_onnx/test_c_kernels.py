"""Kernels of plain steps as C text: functions with their stated errors, constants, arrays."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from importlib import resources
from typing import Any

import numpy as np
import onnx
import pytest
from fixtures.plain_steps import HEAD
from numpy.typing import NDArray

from delrec_compile.errors import UnsupportedError
from delrec_compile.plain_onnx.step_graph import graph_of
from delrec_compile.system import toolchain

pytestmark = [
    pytest.mark.usefixtures("in_process"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of signalling NaN and infinities
]
Array = NDArray[Any]
WANT: dict[str, Callable[..., Array]] = {
    **{n: getattr(np, n) for n in ("exp", "log", "log1p", "sqrt", "tanh", "sinh", "cosh", "tan")},
    **{n: getattr(np, n) for n in ("sin", "cos", "floor", "ceil", "trunc", "fmod")},
    **{f"a{n}": getattr(np, f"arc{n}") for n in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "nearbyint": np.rint,
    "pow": np.power,
    "abs": np.abs,
    "round": lambda v: np.copysign(np.floor(np.abs(v) + 0.5), v),
}
EXACT = ("abs", "floor", "ceil", "trunc", "round", "nearbyint", "fmod")


def header() -> str:
    text = (resources.files("delrec_compile.targets") / "plain_math.h.in").read_text()
    return text.replace("{{ name }}", "n").replace("{{ macro }}", "N")


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("math")
    text = header()
    for name in (*WANT, "erf"):
        y = ", const float *b" if name in ("pow", "fmod") else ""
        call = f"f32_{name}(x[i]{', b[i]' if y else ''})"
        text += (
            f"void {name}_(const float *x{y}, float *out, int n) "
            f"{{ for (int i = 0; i < n; i++) out[i] = {call}; }}\n"
        )
    (folder / "math.c").write_text(text)
    flags = ("-std=c99", "-O2", "-ffp-contract=off", "-shared", "-fPIC")
    toolchain.run_cc(*flags, folder / "math.c", "-o", folder / "math.so")
    return ctypes.CDLL(str(folder / "math.so"))


def called(library: ctypes.CDLL, name: str, *arguments: Array) -> Array:
    out = np.empty_like(arguments[0])
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*arguments, out)]
    getattr(library, f"{name}_")(*pointers, len(out))
    return out


def values() -> Array:
    """Floats of every exponent and both signs, many between -20 and 20, halves and special ones."""
    bits = np.arange(0, 1 << 32, 40_009, dtype=np.uint64).astype(np.uint32).view(np.float32)
    special = [0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, 1.5, -2.5, 88.8, -104]
    near = np.linspace(-20, 20, 60_001), np.linspace(-1.1, 1.1, 60_001)
    return np.concatenate([bits, *(np.asarray(v, np.float32) for v in (*near, special))])


def errors(found: Array, want: Array) -> Array:
    """Distances in units in the last place of the right float32."""
    near = want.astype(np.float32)
    equal = (found == near) | (np.isnan(found) & np.isnan(near))
    unit = np.spacing(np.maximum(np.abs(near), np.finfo(np.float32).tiny)).astype(np.float64)
    return np.where(equal, 0, np.nan_to_num(np.abs(found - want) / unit, nan=1e9))


@pytest.mark.parametrize("name", sorted(WANT))
def test_a_function_is_as_near_as_it_says(functions: ctypes.CDLL, name: str) -> None:
    x = values()
    arguments = [x]
    if name in ("pow", "fmod"):
        rng = np.random.default_rng(0)
        arguments = [np.concatenate([x, rng.uniform(-9, 9, 50_000)]).astype(np.float32)]
        arguments.append(np.round(rng.uniform(-9, 9, len(arguments[0])) * 2).astype(np.float32) / 2)
    if name == "fmod":
        arguments[0] = np.where(np.abs(arguments[0]) < 1e6, arguments[0], 3).astype(np.float32)
    want = WANT[name](*(a.astype(np.float64) for a in arguments))
    error = errors(called(functions, name, *arguments), want)
    stated = re.search(rf"(\d) ulp.*?\n(?: \*.*\n)*static inline float f32_{name}\(", header())
    most = 0.0 if name in EXACT else 0.5 if name == "sqrt" else float(stated[1]) if stated else 0.0
    assert error.max() <= most, arguments[0][error.argmax()]


def test_the_error_function_is_that_of_the_framework(functions: ctypes.CDLL) -> None:
    torch = pytest.importorskip("torch")
    x = values()
    want = torch.erf(torch.from_numpy(x.astype(np.float64))).numpy()
    assert errors(called(functions, "erf", x), want).max() <= 3


def kernels(body: str, extent: int = 3) -> Any:
    from delrec_compile.plain_onnx.c_kernels import c_kernels
    from delrec_compile.plain_onnx.lower import lower

    text = f"""{HEAD.replace("18", "20")}g (float[1,{extent}] x, float[1,{extent}] past_h)
    => (float[1,{extent}] y, float[1,{extent}] present_h)
    {{
        present_h = Add (x, past_h)
        {body}
    }}"""
    program = lower(graph_of(onnx.parser.parse_model(text)))
    return c_kernels(program.functions, "n_math.h")


def test_constants_are_exact() -> None:
    """TVM's text has 7 digits: 0.12345679 of float32 needs 9."""
    text = kernels("c = LeakyRelu <alpha = 0.123456789> (present_h)\n y = Gelu (c)").text
    assert f"{float(np.float32(0.123456789)).hex()}f" in text
    assert f"{float(np.float32(0.5**0.5)).hex()}f" in text
    assert '#include "n_math.h"' in text


def test_large_arrays_are_arguments() -> None:
    made = kernels("y = Softmax (present_h)", 300)
    (arrays,) = [a for a in made.scratch.values() if a]
    assert ("float", 300) in arrays
    assert not re.search(r"^ *float \w+\[\d{2,}\];", made.text, re.M)


def test_a_function_of_another_type_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="needs 'exp' of a C library"):
        kernels("d = Cast <to = 11> (present_h)\n e = Exp (d)\n y = Cast <to = 1> (e)")
