"""The compiled step beside one that is written by hand with AVX-512 intrinsics.

    python -m benchmarks.hand_written [--rounds 60] [--json]

Both run the bundled `conv_delay_256`, a call for each step, all samples in each turn in one thread;
their outputs must be the same bits. clang compiles the one by hand, or Zig's clang.

Exit code 4 where the processor lacks one of FEATURES, 5 without such a compiler, 6 when outputs differ.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.guard import Built, Library, build, compare, timer
from delrec_compile.compiler.tables import c_array
from delrec_compile.data.samples import read_samples
from delrec_compile.errors import DelrecError, ParityError, UnsupportedError
from delrec_compile.evaluation.latency.bench import ONE_THREAD
from delrec_compile.network import checkpoint
from delrec_compile.network.grid import grids
from delrec_compile.network.model import ConvDelay, Network
from delrec_compile.ops import delay_line
from delrec_compile.runners.library import load_library
from delrec_compile.system import toolchain
from delrec_compile.system.host import machine

NETWORK = "conv_delay_256"
HERE = Path(__file__).parent
SCHEMA = "delrec.hand_written/1"
FEATURES = ("avx512f", "avx512bw", "avx512vl", "avx512_vbmi2", "avx512_vnni")
FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared")
Ints = NDArray[np.integer[Any]]


def require_features(info: Path = Path("/proc/cpuinfo")) -> None:
    """Raises UnsupportedError, which names what the processor lacks."""
    here = info.read_text().split() if info.is_file() else []
    missing = [name for name in FEATURES if name not in here]
    if missing:
        raise UnsupportedError(
            f"code by hand needs {', '.join(FEATURES)}; this processor lacks {', '.join(missing)}"
        )


def compiler() -> list[str]:
    """The command of clang, or of Zig's. Raises ToolchainError."""
    return ["clang"] if shutil.which("clang") else toolchain.zig_command("cc")


def load_timed(name: str, folder: Path) -> Any:
    """The function of a C file here, both of that name, which returns nanoseconds; built in `folder`.

    Raises UnsupportedError, ToolchainError.
    """
    require_features()
    library = folder / f"{name}.so"
    toolchain.run_tool([*compiler(), *FLAGS, str(HERE / f"{name}.c"), "-o", str(library)])
    function = getattr(load_library(library), name)
    function.restype = ctypes.c_int64
    return function


def numbers(network: Network) -> dict[str, object]:
    """The macros of hand_written_tables.h."""
    first, second = network.layers
    r, readout = second.recurrence, network.readout
    assert first.recurrence is None
    assert isinstance(r, ConvDelay)
    out: dict[str, object] = {
        "INPUTS": network.inputs,
        "N": first.size,
        "OUTPUTS": network.outputs,
        "TAPS": r.kernel.size,
        "PLANES": delay_line.planes(r.depth),
        "BETA3": _c_float(readout.beta),
    }
    for k, q in enumerate(_grids(network), start=1):
        out[f"UNIT{k}"] = _c_float(2.0**-q)
    for k, layer in enumerate((first, second), start=1):
        out[f"BETA{k}"] = _c_float(layer.lif.beta)
        out[f"THRESHOLD{k}"] = _c_float(layer.lif.threshold)
        out[f"RESET{k}"] = _c_float(layer.lif.v_reset)
    return out


def arrays(network: Network) -> dict[str, Ints]:
    """The tables of hand_written_tables.h."""
    (first, second), readout = network.layers, network.readout
    r, (q1, q2, q3) = second.recurrence, _grids(network)
    assert isinstance(r, ConvDelay)
    n, depth = second.size, delay_line.planes(r.depth)
    pairs = _units(first.weight.T, q1).reshape(-1, 2, n)
    outputs = np.zeros((n, 32), np.int64)
    outputs[:, : readout.size] = _units(readout.weight.T, q3)
    bits = (np.arange(16)[:, None] >> np.arange(r.kernel.size)) & 1
    late = (-np.arange(2 * depth)[:, None]) % depth == r.delay
    return {
        "BIAS1": _units(first.bias, q1).astype(np.int32),
        "BIAS2": _units(second.bias, q2).astype(np.int32),
        "BIAS3": np.resize(np.append(_units(readout.bias, q3), np.zeros(32)), 32).astype(np.int32),
        "ROWS1": pairs.swapaxes(1, 2).astype(np.int16),
        "ROWS2": _words(_units(second.weight.T, q2)),
        "ROWS3": _words(outputs),
        "ARRIVING": (bits @ _units(r.kernel, q2)).astype(np.int32),
        "DELAYED": np.packbits(late, axis=1, bitorder="little").view(np.uint64),
    }


def _grids(network: Network) -> list[int]:
    """By layer the q of which its sums are multiples of 2**-q."""
    found = [q for q in grids(network) if q is not None]
    assert len(found) == 3
    return found


def _units(values: NDArray[np.float32], q: int) -> NDArray[np.int64]:
    return np.ldexp(values.astype(np.float64), q).astype(np.int64)


def _words(rows: NDArray[np.int64]) -> Ints:
    """Rows (N, columns) -> (N, columns / 32, 16, 2): columns 16 apart side by side, the first + 2^15."""
    halves = rows.reshape(len(rows), -1, 2, 16).swapaxes(2, 3)
    words: Ints = (halves + np.array([1 << 15, 0])).astype(np.uint16).view(np.int16)
    return words


def _c_float(value: object) -> str:
    return f"{float(np.float32(value)).hex()}f"  # type: ignore[arg-type]


def tables(network: Network) -> str:
    """The header that hand_written.c includes."""
    lines = [f"#define {name} {value}" for name, value in numbers(network).items()]
    for name, values in arrays(network).items():
        body = c_array(np.ascontiguousarray(values).reshape(-1))
        lines.append(f"_Alignas(64) static const {values.dtype}_t {name}[] = {{\n{body}\n}};")
    return "\n".join(lines) + "\n"


def by_hand(network: Network, folder: Path) -> Built:
    """The library of hand_written.c for a network. Raises UnsupportedError, ToolchainError."""
    require_features()
    (folder / "hand_written_tables.h").write_text(tables(network))
    library = folder / "hand.so"
    sources = ("-I", str(folder), str(HERE / "hand_written.c"), "-o", str(library))
    toolchain.run_tool([*compiler(), *FLAGS, *sources])
    return Built(library, "hand", network.outputs)


def version(command: list[str]) -> str:
    """The first line that a compiler tells of itself."""
    told = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    return told.stdout.splitlines()[0]


def measure(rounds: int) -> dict[str, Any]:
    """Microseconds per step of both, and what the compiled one takes of the other's time: the median of
    the rounds' ratios, the ends of its 95 % interval, the ratio of the least times. Raises ParityError.
    """
    network = checkpoint.load(NETWORK)
    x = np.ascontiguousarray(read_samples("samples").counts, np.float32)
    with tempfile.TemporaryDirectory(prefix="delrec-") as temporary:
        folder = Path(temporary)
        hand, clock = by_hand(network, folder), timer(folder)
        compiled = build(HERE.parent, NETWORK, folder / "out", "float32", "")
        ratio = compare(Library(compiled, clock), Library(hand, clock), "step", x, rounds)
    if not ratio.same:
        raise ParityError("the outputs of the step by hand differ from those of the compiled one")
    times = {"compiled_us": ratio.base_us, "by_hand_us": ratio.here_us}
    ratios = {name: getattr(ratio, name) for name in ("median", "low", "high", "least")}
    return {"compiler": version(compiler()), "rounds": rounds, **times, **ratios}


def text(found: dict[str, Any]) -> str:
    """The times as text."""
    ends = f"{found['low']:.2f} to {found['high']:.2f}"
    return (
        f"compiled   {found['compiled_us']:.3f} us per step\n"
        f"by hand    {found['by_hand_us']:.3f} us per step, {found['compiler']}\n"
        f"compiled takes {found['median']:.2f}x the time of the code written by hand ({ends})"
    )


def told(
    measured: Callable[[int], dict[str, Any]],
    as_text: Callable[[dict[str, Any]], str],
    schema: str,
    name: str,
    rounds: int,
    argv: list[str] | None,
) -> int:
    """Prints what is measured, as text or JSON; returns the exit code. rounds: by default."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    os.environ.update(ONE_THREAD)
    try:
        found = measured(options.rounds)
    except DelrecError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    whole = {"schema": schema, "machine": machine(), **found}
    print(json.dumps(whole, indent=1) if options.json else as_text(found))
    return 0


def main(argv: list[str] | None = None) -> int:
    return told(measure, text, SCHEMA, "hand_written", 60, argv)


if __name__ == "__main__":
    sys.exit(main())
