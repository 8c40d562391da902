"""What real inputs cost: pictures that change at every step, and one that stays ("direct encoding").

    python -m benchmarks.real_inputs

784 inputs, 128 neurons, 10 outputs. x86_64: microseconds per step of a sequence on one thread, the
least of interleaved rounds, beside PyTorch. cortex_m4: instructions per step of a call of 8 steps in the
emulator.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.compiler.build import build
from delrec_compile.evaluation.latency.bench import ONE_THREAD
from delrec_compile.network.grid import snap
from delrec_compile.network.model import Layer, Lif, Network
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.runners.emulated.core import EmulatedRunner
from delrec_compile.runners.session import Session

INPUTS, NEURONS, OUTPUTS, BITS = 784, 128, 10, 8
ROUNDS, STEPS, EMULATED = 40, 96, 8
STAYS = "stays"
ACTIVE = 0.19  # of the inputs: those of a handwritten digit


def network() -> Network:
    r = np.random.default_rng(0)
    into = (r.normal(size=(NEURONS, INPUTS)) / np.sqrt(INPUTS)).astype(np.float32)
    out = (r.normal(size=(OUTPUTS, NEURONS)) / np.sqrt(NEURONS)).astype(np.float32)
    layer = Layer(into, np.full(NEURONS, 0.1, np.float32), Lif(0.9))
    readout = LeakyReadout(out, np.zeros(OUTPUTS, np.float32), 0.9)
    return snap(Network((layer,), readout, max_input=1, input_bits=BITS))


def pictures(steps: int, seed: int = 1) -> dict[str, F32]:
    """(steps, inputs) by name."""
    r = np.random.default_rng(seed)
    full = r.uniform(0, 1, (steps, INPUTS)).astype(np.float32)
    sparse = full * (r.random(full.shape) < ACTIVE)
    return {
        "changes, all pixels": full,
        "changes, 19 % of the pixels": sparse.astype(np.float32),
        STAYS: np.repeat(full[:1], steps, axis=0),
    }


def least_us(calls: dict[str, Callable[[F32], object]], steps: int) -> dict[str, float]:
    """Least time of a step of each call, taken in turn, by the name of its pictures."""
    best = dict.fromkeys(calls, float("inf"))
    for k in range(ROUNDS):
        drawn = pictures(steps, seed=k)
        for name, call in calls.items():
            x = drawn.get(name, drawn[STAYS])
            start = time.perf_counter()
            call(x)
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: seconds / steps * 1e6 for name, seconds in best.items()}


def on_x86(net: Network, folder: Path) -> dict[str, float]:
    import torch

    from delrec_compile.network.torch_step import Step

    torch.set_num_threads(1)
    session = Session(build(net, "x86_64", folder / "x86"))
    step = Step(net)

    def eager(x: F32) -> None:
        state = step.reset(1)
        for row in torch.from_numpy(x)[:, None]:
            _, *state = step(row, *state)

    ours = dict.fromkeys(pictures(1), session.run)
    return least_us({**ours, "PyTorch": eager}, STEPS)


def on_m4(net: Network, folder: Path) -> dict[str, float]:
    runner = EmulatedRunner(build(net, "cortex_m4", folder / "m4"))
    machine, at, name = runner.program, runner.at, runner.prefix
    x_at, y_at = machine.alloc(4 * EMULATED * INPUTS), machine.alloc(4 * EMULATED * OUTPUTS)
    out = {}
    for kind, x in pictures(EMULATED).items():
        machine.call(f"{name}_reset", at.state)
        machine.write(x_at, x.tobytes())
        done = machine.call(f"{name}_run", at.state, x_at, EMULATED, y_at)
        out[kind] = done.instructions / EMULATED
    return out


def main() -> int:
    """Prints the figures; returns the exit code."""
    os.environ.update(ONE_THREAD)
    net = network()
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        x86, m4 = on_x86(net, Path(folder)), on_m4(net, Path(folder))
    print(f"{'the picture':<30} {'x86_64 us':>10} {'M4 instructions':>16}")
    for name, us in x86.items():
        print(f"{name:<30} {us:>10.2f} {m4.get(name, float('nan')):>16,.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
