"""The tables that no kernel of an artifact reads: they are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from tvm import tirx

from delrec_compile.compiler.kernels.base import Kernel

K = TypeVar("K", bound=Kernel)


def without_unused(kernels: Mapping[str, K]) -> dict[str, K]:
    """The kernels without the tables, and the arguments for them, that none of them reads."""
    read = {name for kernel in kernels.values() for name in _read(kernel)}
    return {name: _with(kernel, read) for name, kernel in kernels.items()}


def _read(kernel: Kernel) -> set[str]:
    """Names of the arguments that the body of a kernel reaches."""
    reached = tirx.analysis.undefined_vars(kernel.function.body, [])
    return {
        name
        for name, p in zip(_arguments(kernel), kernel.function.params, strict=True)
        if any(p.same_as(var) for var in reached)
    }


def _arguments(kernel: Kernel) -> list[str]:
    """A name of each argument; those that are no table have none."""
    own = [*kernel.tables, *kernel.state]
    return [""] * (len(kernel.function.params) - len(own)) + own


def _with(kernel: K, read: set[str]) -> K:
    f, tables = kernel.function, {n: t for n, t in kernel.tables.items() if n in read}
    if len(tables) == len(kernel.tables):
        return kernel
    gone = kernel.tables.keys() - tables.keys()
    params = [p for n, p in zip(_arguments(kernel), f.params, strict=True) if n not in gone]
    own = tirx.PrimFunc(params, f.body, ret_type=f.ret_type, attrs=f.attrs)
    return replace(kernel, function=own, tables=tables)
