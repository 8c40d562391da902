"""The cost of delays forwards: the same network without delays, with axonal and with synaptic ones.

    python -m benchmarks.forward_delays [--rate 0.05]

140 inputs, 256 and 256 neurons, 20 outputs, the shape of DCLS on SHD: `axonal` delays the spikes
between the two populations by up to 31 steps, `synaptic` each synapse of all three maps by up to 25.
The networks take turns; a ratio is the median of those to the network without delays.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drawn_graphs import calibrated
from delrec_compile.compiler.build import build
from delrec_compile.network.grid import snap
from delrec_compile.network.model import (
    Dense,
    DenseDelay,
    LeakyReadout,
    Lif,
    Network,
    Population,
    Projection,
    SynapticDelay,
)
from delrec_compile.runners.session import Session

SIZES = (140, 256, 256, 20)
ROUNDS, STEPS = 25, 2000
PLAIN = "plain"


def networks(rate: float) -> dict[str, Network]:
    """The networks by name; their hidden neurons and inputs are active at this rate."""
    r = np.random.default_rng(0)
    shapes = list(zip(SIZES[1:], SIZES, strict=False))
    weights = [r.normal(size=shape) / np.sqrt(shape[1]) for shape in shapes]
    plain: list[Any] = [Dense(w) for w in weights]
    axonal = [plain[0], DenseDelay(weights[1], r.integers(0, 32, SIZES[1], np.int32)), plain[2]]
    synaptic = [SynapticDelay(w, r.integers(0, 26, w.shape, np.int32)) for w in weights]
    drawn = {PLAIN: plain, "axonal": axonal, "synaptic": synaptic}
    x = counts(rate, 100)[:, None]
    return {
        name: snap(calibrated(_network(name, maps), x, np.full(2, rate)))
        for name, maps in drawn.items()
    }


def counts(rate: float, steps: int, seed: int = 1) -> Any:
    """Inputs (steps, 140)."""
    r = np.random.default_rng(seed)
    return np.minimum(r.poisson(rate, (steps, SIZES[0])), 31).astype(np.float32)


def _network(name: str, maps: list[Any]) -> Network:
    first, second, out = maps
    return Network.of(
        [
            Population("first", Lif(0.9), (Projection("x", first),)),
            Population("second", Lif(0.9), (Projection("first", second),)),
            Population(
                "out",
                LeakyReadout.in_graph(np.zeros(SIZES[-1], np.float32), beta=0.95),
                (Projection("second", out),),
            ),
        ],
        name=name,
    )


def measured(rate: float) -> dict[str, dict[str, float]]:
    """Microseconds per step, and the ratio to the network without delays, by name."""
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        built = {n: build(net, out=Path(folder) / n) for n, net in networks(rate).items()}
        sessions = {name: Session(artifact) for name, artifact in built.items()}
        for k in range(ROUNDS):
            x = counts(rate, STEPS, seed=k)
            for name, session in sessions.items():
                begun = time.perf_counter()
                session.run(x)
                times.setdefault(name, []).append((time.perf_counter() - begun) / STEPS * 1e6)
    plain = np.array(times[PLAIN])
    return {
        name: {
            "us_per_step": round(float(np.median(own)), 3),
            "ratio": round(float(np.median(np.array(own) / plain)), 2),
        }
        for name, own in times.items()
    }


def main(argv: list[str] | None = None) -> int:
    """Prints JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forward_delays")
    parser.add_argument("--rate", type=float, default=0.05, help="share of neurons that fire")
    rate = parser.parse_args(argv).rate
    print(json.dumps({"rate": rate, **measured(rate)}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
