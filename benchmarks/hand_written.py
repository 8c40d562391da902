"""The compiled step beside one that is written by hand with AVX-512 intrinsics.

    python -m benchmarks.hand_written

Both run the bundled `conv_delay_256`, interleaved in one thread; their outputs must be the same bits.
"""

from __future__ import annotations

import ctypes
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import delrec_compile
from delrec_compile.aliases import F32
from delrec_compile.compiler.tables import c_array
from delrec_compile.data.samples import read_samples
from delrec_compile.evaluation.baselines.baseline import Baseline
from delrec_compile.evaluation.baselines.ours import Ours
from delrec_compile.evaluation.latency.interleave import inputs, interleave
from delrec_compile.network.model import ConvDelay, Network
from delrec_compile.ops import delay_line
from delrec_compile.runners.library import load_library
from delrec_compile.runners.memory import pointer
from delrec_compile.system import toolchain

HERE = Path(__file__).parent
FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared")
PADDED = 32


def tables(network: Network) -> str:
    """The header that hand_written.c includes."""
    first, second = network.layers
    r, readout = second.recurrence, network.readout
    assert isinstance(r, ConvDelay)
    assert first.recurrence is None
    wide = np.zeros((readout.weight.shape[1], PADDED), np.float32)
    wide[:, : readout.size] = readout.weight.T
    bias = np.zeros(PADDED, np.float32)
    bias[: readout.size] = readout.bias
    numbers = {
        "INPUTS": network.inputs,
        "N": first.size,
        "OUTPUTS": network.outputs,
        "TAPS": r.kernel.size,
        "PLANES": delay_line.planes(r.depth),
        "BETA3": f"{float(readout.beta).hex()}f",
    }
    for k, layer in enumerate((first, second), start=1):
        for name, value in (
            ("BETA", layer.lif.beta),
            ("THRESHOLD", layer.lif.threshold),
            ("RESET", layer.lif.v_reset),
        ):
            numbers[f"{name}{k}"] = f"{float(value).hex()}f"
    arrays: dict[str, Any] = {
        "WEIGHT1": first.weight.T,
        "BIAS1": first.bias,
        "WEIGHT2": second.weight.T,
        "BIAS2": second.bias,
        "WEIGHT3": wide,
        "BIAS3": bias,
        "KERNEL": r.kernel,
        "DELAY": r.delay.astype(np.uint8),
    }
    lines = [f"#define {name} {value}" for name, value in numbers.items()]
    for name, values in arrays.items():
        kind = "uint8_t" if values.dtype == np.uint8 else "float"
        body = c_array(np.ascontiguousarray(values).reshape(-1))
        lines.append(f"_Alignas(64) static const {kind} {name}[] = {{\n{body}\n}};")
    return "\n".join(lines) + "\n"


class HandWritten(Baseline):
    """The C of this folder, compiled for the network."""

    name = "by hand"

    def __init__(self, network: Network, folder: Path) -> None:
        (folder / "hand_written_tables.h").write_text(tables(network))
        library = folder / "hand.so"
        toolchain.run_cc(*FLAGS, "-I", folder, HERE / "hand_written.c", "-o", library)
        self.library, self.columns = load_library(library), network.outputs

    def take(self, x: F32) -> None:
        self.x = np.ascontiguousarray(x[:, 0])
        self.y = np.empty((len(x), self.columns), np.float32)

    def run(self) -> None:
        self.library.hand_reset()
        self.library.hand_run(pointer(self.x), ctypes.c_int32(len(self.x)), pointer(self.y))

    def read(self) -> F32:
        return self.y[:, None]


def main(rounds: int = 40) -> dict[str, float]:
    network = delrec_compile.load("conv_delay_256")
    x = inputs(read_samples("samples"), 1, rounds)
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        artifact = delrec_compile.build(network, out=Path(folder) / "out")
        ours = Ours(delrec_compile.Session(artifact))
        hand = HandWritten(network, Path(folder))
        for sample in x[:5]:
            assert np.array_equal(hand.outputs(sample), ours.outputs(sample)), "the outputs differ"
        times = interleave({"compiled": ours, "by hand": hand}, x)
    medians = {name: statistics.median(t) for name, t in times.items()}
    ratio = statistics.median(
        a / b for a, b in zip(times["compiled"], times["by hand"], strict=True)
    )
    for name, us in medians.items():
        print(f"{name:10s} {us:.3f} us per step")
    print(f"compiled takes {ratio:.2f}x the time of the code written by hand")
    return {**medians, "ratio": ratio}


if __name__ == "__main__":
    main()
