"""Events beside products: what a layer would gain if the streams of a batch were multiplied as a whole.

    python -m benchmarks.products [--rounds 15] [--json]

Compiled code visits the weights of active inputs alone. Where many are active, a dense product of
several streams or steps loads each weight once for all of them. Here it is written with AVX-512
intrinsics (products.c), and timed in turns with the library: of random networks (140 inputs, two layers
of 256, the second with a conv recurrence) whose neurons spike at a rate, and, silent, with a share of
their inputs active.

What is printed is the time of the library over that of the other way: the same network without the
events in question, plus the product alone. Packing its inputs, adding its sums to others, and all other
work that spikes cause (the recurrence, the readout) are left out of the other way, so that a ratio is an
upper bound.

Exit code 4 where the processor has no VNNI, 5 without a compiler for it, 6 where a product is wrong.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.guard import HERE, STEPS, Library, build, timer
from benchmarks.hand_written import load_timed, told
from benchmarks.networks import Size, random_network
from delrec_compile.aliases import F32
from delrec_compile.errors import ParityError
from delrec_compile.network.checkpoint import save
from delrec_compile.network.model import Network
from delrec_compile.runners.memory import aligned, pointer

SCHEMA = "delrec.products/1"
RATES = (0.05, 0.2, 0.4, 0.5, 0.6, 0.8, 0.95)
DENSITIES = (0.05, 0.2, 0.4, 0.6, 0.8, 1.0)
DENSITY = 0.2  # of the inputs where the rate varies
FORMS = ("sequence", "batch")
BITS = {"float32": 16, "int8": 8}  # of a weight
STREAMS = 96


class Product:
    """The dense product of STREAMS vectors, (streams, inputs) counts, with random weights."""

    def __init__(self, multiply: Any, inputs: int, outputs: int, bits: int) -> None:
        r, lanes = np.random.default_rng(0), 32 // bits
        limit = 1 << (bits - 1)
        dtype = {16: np.int16, 8: np.int8}[bits]
        self.weight = r.integers(-limit + 1, limit, (inputs, outputs)).astype(dtype)
        words = self.weight.reshape(-1, lanes, outputs).swapaxes(1, 2).reshape(-1)
        self.words = _copied(words.view(np.int32))
        self.multiply, self.bits, self.dtype = multiply, bits, dtype
        self.y = aligned(STREAMS * outputs, np.int32).reshape(STREAMS, outputs)

    def time(self, counts: NDArray[np.int64]) -> float:
        """Microseconds per stream. Raises ParityError."""
        x = _copied(counts.astype(self.dtype).reshape(-1).view(np.int32))
        shape = STREAMS, self.weight.shape[0] * self.bits // 32, self.weight.shape[1]
        ns = self.multiply(self.bits, pointer(self.words), pointer(x), pointer(self.y), *shape)
        if not np.array_equal(self.y, counts @ self.weight.astype(np.int64)):
            raise ParityError("the dense product is wrong")
        return float(ns) / STREAMS / 1e3


def _copied(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """At an address that a vector may be loaded from."""
    out = aligned(values.size, np.int32)
    out[:] = values
    return out


def silent(network: Network, name: str) -> Network:
    """The network, renamed, with biases with which no neuron spikes."""
    layers = (
        replace(each, bias=-np.maximum(each.weight, 0).sum(axis=1)) for each in network.layers
    )
    return replace(network, layers=tuple(layers), name=name)


def active(density: float, inputs: int) -> F32:
    """Counts of 0 and 1, (STREAMS, STEPS, inputs)."""
    r = np.random.default_rng(1)
    return (r.random((STREAMS, STEPS, inputs)) < density).astype(np.float32)


class Bench:
    """Libraries and products, timed in turns. folder: of what is built."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self.folder, self.rounds = folder, rounds
        self.clock, self.products = timer(folder), load_timed("products", folder)

    def library(self, network: Network, numeric: str) -> Library:
        out = self.folder / f"{network.name}-{numeric}"
        file = save(network, self.folder / f"{network.name}.npz")
        return Library(build(HERE.parent, str(file), out, numeric, ""), self.clock)

    def ratio(
        self,
        events: tuple[Library, F32],
        without: tuple[Library, F32],
        product: Product,
        counts: NDArray[np.int64],
        form: str,
    ) -> dict[str, float]:
        """Medians in us per step of a stream, and the ratio of the two ways."""
        rows = []
        for k in range(self.rounds + 1):  # a first turn warms the caches
            row = *(own.time(form, x)[0] for own, x in (events, without)), product.time(counts)
            rows += [row] if k else []
        ours, rest, dense = (statistics.median(each) for each in zip(*rows, strict=True))
        ratio = statistics.median(row[0] / (row[1] + row[2]) for row in rows)
        return {"ours_us": ours, "rest_us": rest, "product_us": dense, "ratio": ratio}

    def rates(self, numeric: str) -> dict[str, dict[str, dict[str, float]]]:
        """Of hidden layers, by form and rate."""
        out: dict[str, dict[str, dict[str, float]]] = {form: {} for form in FORMS}
        for rate in RATES:
            network = random_network(Size(rate=rate))
            x = active(DENSITY, network.inputs)
            events = self.library(network, numeric), x
            without = self.library(silent(network, f"{network.name}_silent"), numeric), x
            n = network.layers[0].size
            product = Product(self.products, n, network.layers[1].size, BITS[numeric])
            counts = (np.random.default_rng(2).random((STREAMS, n)) < rate).astype(np.int64)
            for form in FORMS:
                out[form][f"{rate:.0%}"] = self.ratio(events, without, product, counts, form)
        return out

    def densities(self, numeric: str) -> dict[str, dict[str, dict[str, float]]]:
        """Of inputs, by form and share of active ones."""
        network = silent(random_network(Size()), "inputs")
        library = self.library(network, numeric)
        product = Product(self.products, network.inputs, network.layers[0].size, BITS[numeric])
        out: dict[str, dict[str, dict[str, float]]] = {form: {} for form in FORMS}
        for density in DENSITIES:
            x = active(density, network.inputs)
            counts = np.ascontiguousarray(x[:, 0]).astype(np.int64)
            ways = (library, x), (library, np.zeros_like(x))
            for form in FORMS:
                out[form][f"{density:.0%}"] = self.ratio(*ways, product, counts, form)
        return out


def table(found: dict[str, Any]) -> str:
    """The ratios as text."""
    lines = []
    for what, numerics in found["ratios"].items():
        shares = list(next(iter(numerics.values()))[FORMS[0]])
        lines.append(f"{what:20s}" + "".join(f"{share:>8s}" for share in shares))
        for numeric, forms in numerics.items():
            for form, row in forms.items():
                values = "".join(f"{cell['ratio']:8.2f}" for cell in row.values())
                lines.append(f"{numeric + ' ' + form:20s}{values}")
    return "\n".join(lines)


def measure(rounds: int) -> dict[str, Any]:
    """Raises DelrecError."""
    with tempfile.TemporaryDirectory(prefix="delrec-") as temporary:
        bench = Bench(Path(temporary), rounds)
        ratios = {
            "neurons that spike": {numeric: bench.rates(numeric) for numeric in BITS},
            "inputs active": {numeric: bench.densities(numeric) for numeric in BITS},
        }
    return {"ratios": ratios}


def main(argv: list[str] | None = None) -> int:
    return told(measure, table, SCHEMA, "products", 15, argv)


if __name__ == "__main__":
    sys.exit(main())
