"""The C around the generated kernels: header, constant tables, entry points, self-test."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.artifact.abi import CTYPES, HOISTED_FROM, MAX_ELEMENTS, STATE_ALIGN, WORK
from delrec_compile.artifact.templates import render_files
from delrec_compile.compiler.tables import (
    c_array,
    c_string,
    crc_of,
    described,
    table_file,
)
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.network.golden import (
    GOLDEN_FACTOR,
    GOLDEN_LIMITS,
    GOLDEN_SEED,
    GOLDEN_TERM,
    golden_input,
    golden_outputs,
    golden_scale,
    same_bits,
)
from delrec_compile.network.integer.model import AnyNetwork
from delrec_compile.network.state import READOUT, layer_prefix
from delrec_compile.network.tolerances import LOOSE

if TYPE_CHECKING:
    from delrec_compile.compiler.kernels.base import Kernel

LIBRARY = {
    "{name}.h": "glue.h.in",
    "{name}.hpp": "cpp.hpp.in",
    "{name}.c": "glue.c.in",
    "{name}_selftest.c": "glue_selftest.c.in",
    "{name}_tables.h": "glue_tables.h.in",
}
LIBRARY_PACKAGE = {  # what other build systems find a library by
    "lib/cmake/{name}/{name}-config.cmake": "library_config.cmake.in",
    "lib/cmake/{name}/{name}-config-version.cmake": "library_version.cmake.in",
    "lib/pkgconfig/{name}.pc": "library.pc.in",
}
CUDA = {"include/{name}.h": "cuda_host.h.in", "src/{name}_host.c": "cuda_host.c.in"}
SOURCES = {
    "include/{name}.h": "c_source.h.in",
    "include/{name}.hpp": "cpp.hpp.in",
    "src/{name}.c": "c_source.c.in",
    "src/{name}_tables.h": "c_tables.h.in",
    "src/{name}_tables.c": "c_tables.c.in",
    "test/{name}_test.h": "c_test.h.in",
    "src/{name}_selftest.h": "c_selftest.h.in",
    "src/{name}_selftest.c": "c_selftest.c.in",
    "test/{name}_test.c": "c_test.c.in",
    "test/main.c": "c_main.c.in",
    "Makefile": "c_makefile.in",
    "CMakeLists.txt": "c_cmake.in",
    "meson.build": "c_meson.in",
    "library.json": "c_platformio.json.in",
    "library.properties": "c_arduino.in",
    "src/{name}.h": "c_arduino.h.in",
    "zephyr/module.yml": "c_zephyr_module.in",
    "zephyr/CMakeLists.txt": "c_zephyr_cmake.in",
    "zephyr/Kconfig": "c_zephyr_kconfig.in",
}

FORMS: dict[str, Mapping[str, str]] = {"library": LIBRARY, "sources": SOURCES, "cuda": CUDA}
COUNTED = WORK + "x"  # counts of `step_events`, where its stack has no room for them
ROOM = 1 << 10  # bytes of stack for them
CLOCK_MASK = (1 << 30) - 1  # the largest clock


def state_members(network: AnyNetwork, kernel: Kernel, form: str) -> dict[str, tuple[int, str]]:
    """The members of the state struct: the state of the kernels, and what the entries need."""
    wide = has_events(network, form) and kernel.inputs > ROOM
    # full words, so that the struct has no padding
    return kernel.state | ({COUNTED: (-(-kernel.inputs // 8) * 8, "uint8")} if wide else {})


def has_events(network: AnyNetwork, form: str) -> bool:
    """Whether there is `step_events`."""
    return form == "sources" and network.input_bits is None


def stack_of(
    network: AnyNetwork, kernels: Mapping[str, Kernel], form: str, front: FrontEnd | None = None
) -> int | None:
    """See `stack.stack_bytes`."""
    from delrec_compile.compiler.kernels.stack import stack_bytes

    inputs = kernels["run"].inputs
    counted = inputs if has_events(network, form) and inputs <= ROOM else 0
    listening = (front.channels, front.stack) if front else (0, 0)
    return stack_bytes(kernels, form, counted, listening)


def render(
    network: AnyNetwork,
    kernels: Mapping[str, Any],
    name: str,
    unroll: int,
    templates: Mapping[str, str] = LIBRARY,
    front: FrontEnd | None = None,
    embedded: Path | None = None,
) -> dict[str, str]:
    """Text of each file, by its path. templates: LIBRARY, SOURCES or CUDA. front: the front end whose
    files are built beside them. embedded: file of `table_file`, whose bytes the assembler takes in
    place of numbers in the text; LIBRARY only, for ELF.
    """
    form = next(form for form, own in FORMS.items() if own is templates)
    variables = _variables(network, kernels["run"], name, unroll, form)
    variables |= {"stack_bytes": stack_of(network, kernels, form, front)}
    variables |= {"kernels": list(kernels), "hoisted_from": HOISTED_FROM}
    variables["single"] = kernels["run"].single
    variables["identity"] = identity(templates, {**variables, "name": ""})
    variables["tables"] = described(kernels["run"].tables, name, embedded)
    variables |= _names(network) | _classes(network)
    variables |= {"front_end": True} if front else {}
    return render_files(templates, variables)


def _names(network: AnyNetwork) -> dict[str, Any]:
    """Names of a graph's parts in a header: the order of the spikes, and the readouts' places in y."""
    chain = [layer_prefix(i) for i in range(len(network.spiking))]
    if [p.prefix for p in network.populations] == [*chain, READOUT]:
        return {"fired": "layer after layer", "readouts": []}
    order = ", ".join(f"{p.name} [{p.size}]" for p in network.spiking)
    readouts, at = [], 0
    for p in network.readouts:
        readouts.append({"macro": p.name.upper(), "size": p.size, "at": at})
        at += p.size
    several = readouts if len(readouts) > 1 else []
    return {"fired": f"population after population: {order}", "readouts": several}


def _classes(network: AnyNetwork) -> dict[str, Any]:
    """What the class of a stream is made of: the first outputs, a rule, and names as C literals."""
    first = next(p for p in network.populations if not p.fires)
    labels = [c_string(label) for label in network.labels]
    return {"classes": first.size, "decision": first.readout.decision, "labels": labels}


def identity(*parts: Any) -> str:
    """Eight hexadecimal digits that differ between artifacts, of what they are made of."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def _variables(
    network: AnyNetwork, kernel: Kernel, name: str, unroll: int, form: str
) -> dict[str, Any]:
    """The variables of the templates."""
    members, tables = state_members(network, kernel, form), table_file(kernel.tables)
    return {
        "name": name,
        "macro": name.upper(),
        "guard": f"{name.upper()}_H",
        "summary": f"a spiking network, {network.inputs} inputs, {network.outputs} outputs",
        "inputs": kernel.inputs,
        "outputs": kernel.outputs,
        "neurons": kernel.neurons,
        "unroll": unroll,
        "max_steps": MAX_ELEMENTS // max(kernel.inputs, kernel.outputs, kernel.neurons),
        "max_streams": MAX_ELEMENTS // max(s for s, _ in kernel.state.values()),
        "threads": getattr(kernel, "threads", 1),
        "table_bytes": len(tables),
        "tables_crc": crc_of(tables),
        "tables_sha256": hashlib.sha256(tables).hexdigest(),
        "table_types": {n: str(table.dtype) for n, table in kernel.tables.items()},
        "dt_ms": repr(float(network.dt_ms)),
        "state": [
            {**_member(n, size, dtype), "of_kernel": n != COUNTED, "sound": _sound(n, members)}
            for n, (size, dtype) in members.items()
        ],
        "counted": COUNTED if COUNTED in members else "",
        "events": has_events(network, form),
        "real": _real(network),
        "input_type": CTYPES[counts_of(network, form)],
        "index_type": "uint16_t" if kernel.inputs <= 1 << 16 else "uint32_t",
        "state_bytes": sum(s * np.dtype(d).itemsize for s, d in members.values()),
        "aligned_bytes": sum(
            -(-s * np.dtype(d).itemsize // STATE_ALIGN) * STATE_ALIGN
            for s, d in kernel.state.values()
        ),
        "golden": _golden(network),
    }


def counts_of(network: AnyNetwork, form: str) -> str:
    """dtype of x."""
    return "uint8" if has_events(network, form) else "float32"


def _real(network: AnyNetwork) -> dict[str, Any] | None:
    """How real inputs are rounded; None where they are counts."""
    if network.real_input is None:
        return None
    return {"bits": network.input_bits, "largest": repr(float(network.max_input))}


def _member(name: str, size: int, dtype: str) -> dict[str, Any]:
    """A member of the state struct."""
    size_bytes = size * np.dtype(dtype).itemsize
    return {"name": name, "size": size, "ctype": CTYPES[dtype], "bytes": size_bytes}


def _sound(name: str, members: Mapping[str, tuple[int, str]]) -> dict[str, Any] | None:
    """What runs leave in a member, as `memory.check_values` of the runners has it: the least and the
    most that every `step`th value from `first` on may be. None: any.
    """
    dtype = members[name][1]
    neurons, _ = members.get(name.removesuffix("ring") + "v", (0, ""))
    each = {"first": 0, "step": 1}
    if name == "clock":
        return {**each, "least": "0", "most": CLOCK_MASK}
    if dtype == "float32" and not name.startswith(WORK):
        return {**each, "least": "-FLT_MAX", "most": "FLT_MAX"}
    if dtype == "int32" and not name.startswith(WORK):
        return {**each, "least": -(1 << 30), "most": 1 << 30}
    if dtype == "uint32" and name.endswith("ring") and neurons % 32:
        words = -(-neurons // 32)
        inside = (1 << neurons % 32) - 1  # bits of the last neurons
        return {"first": words - 1, "step": words, "least": "", "most": f"{inside}u"}
    return None


def _bits_hash(y: NDArray[Any]) -> int:
    """FNV-1a over float32 values, word by word; -0 as 0."""
    out = 0x811C9DC5
    for word in (y.astype(np.float32) + np.float32(0)).ravel().view(np.uint32).tolist():
        out = ((out ^ word) * 0x01000193) & 0xFFFFFFFF
    return out


def _golden(network: AnyNetwork) -> dict[str, Any]:
    x = golden_input(network)
    kind, scale = ("uint8", 0) if network.real_input is None else ("int16", golden_scale(network))
    outputs = golden_outputs(network).reshape(-1)
    return {
        "steps": len(x),
        "input": c_array(np.ldexp(x, scale).astype(kind).reshape(-1)),
        "input_type": CTYPES[kind],
        "scale": "" if network.real_input is None else f" * {2.0**-scale!r}f",
        "output": c_array(outputs.astype(np.float32)),
        "exact": same_bits(network),
        "hash": f"{_bits_hash(outputs):#010x}u",
        "seed": f"{GOLDEN_SEED}u",
        "factor": f"{GOLDEN_FACTOR}u",
        "term": f"{GOLDEN_TERM}u",
        "limits": [f"{limit}u" for limit in GOLDEN_LIMITS],
        "most": int(network.max_input),
        "tolerance": "0.0f" if same_bits(network) else f"{LOOSE}f",
        "relative": False,
    }
