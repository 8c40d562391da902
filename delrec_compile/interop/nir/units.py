"""The unit of time of a NIR graph: seconds by the definition, steps in the graphs of some simulators.

sinabs, spyx, Norse and others write constants that count steps: an `r` of 1 per step, a `tau` of 20
steps. Read in seconds, such neurons charge by a thousandth of what they should and hardly ever fire.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.interop.nir.graph import kind
from delrec_compile.interop.nir.nodes import array
from delrec_compile.network.model import Network, Population, Synapses
from delrec_compile.ops.feed import Feed

SECONDS, STEPS = "seconds", "steps"
UNITS = (SECONDS, STEPS)
SLOW = 1.0  # a shorter time constant is one in seconds
CHARGE = 10.0  # a larger gain per unit of time is one per second
HARDLY = 0.1  # of the threshold, by one step in which every input fires
LEAKY = {"LIF": "tau", "LI": "tau", "CubaLIF": "tau_mem", "CubaLI": "tau_mem"}


def counts_steps(nodes: Mapping[str, Any]) -> str:
    """Why the constants look like counts of steps, such as `tau 20 of 'lif'`; empty if they do not."""
    found = ""
    for name, node in nodes.items():
        what = kind(node)
        if what in LEAKY:
            tau = array(getattr(node, LEAKY[what]))
            if not (tau >= SLOW).all() or (array(node.r) > CHARGE * tau.max()).any():
                return ""
            found = found or f"tau {tau.flat[0]:g} of '{name}'"
        elif what in ("IF", "I"):
            r = array(node.r)
            if not ((r > 0) & (r <= CHARGE)).all():
                return ""
            found = found or f"r {r.flat[0]:g} of '{name}'"
    return found


def step_of(nodes: Mapping[str, Any]) -> float | None:
    """The step in ms whose gains are 1, which snnTorch and SpikingJelly write; None if there is none."""
    steps = []
    for node in nodes.values():
        what = kind(node)
        if what in LEAKY or what in ("IF", "I"):
            tau = array(getattr(node, LEAKY[what])) if what in LEAKY else np.ones(1)
            if (array(node.r) == 1).all():  # what a graph without resistances holds
                return None
            with np.errstate(divide="ignore", invalid="ignore"):
                steps.append(np.ravel(tau / array(node.r)))
    every = np.concatenate(steps) if steps else np.zeros(1)
    same = np.isfinite(every).all() and np.allclose(every, every[0], rtol=1e-3)
    return float(1e3 * every[0]) if same and 0 < every[0] < CHARGE / 100 else None


def unknown_step(nodes: Mapping[str, Any]) -> UsageError:
    """The error for a graph that does not state the length of its step."""
    if why := counts_steps(nodes):
        return UsageError(
            f"the NIR graph counts time in steps, not seconds ({why}): pass --time-unit steps and the "
            "length of a step, such as --dt-ms 1"
        )
    step = step_of(nodes)
    guess = f"{step:g}, at which every gain is 1" if step else "1"
    return UsageError(
        f"the NIR graph does not state the length of its step; pass it, such as --dt-ms {guess}"
    )


@contextmanager
def in_seconds(nodes: Mapping[str, Any]) -> Iterator[None]:
    """Adds to a refusal of a graph read in seconds that it seems to count steps, if it does."""
    try:
        yield
    except UnsupportedError as error:
        if why := counts_steps(nodes):
            raise UnsupportedError(
                f"{error} (the NIR graph seems to count time in steps, not seconds, {why}: then use "
                "--time-unit steps)"
            ) from error
        raise


def check_seconds(nodes: Mapping[str, Any], network: Network, dt_ms: float) -> list[str]:
    """A remark on a graph that seems to count steps, or none. network: read in seconds.

    Raises UsageError if its neurons would hardly ever fire.
    """
    why = counts_steps(nodes)
    step = step_of(nodes)
    if not why and step and abs(step / dt_ms - 1) > 0.01:
        return [
            f"r and tau of its neurons are those of steps of {step:g} ms, taken at {dt_ms:g} ms"
        ]
    if not why or dt_ms >= 100:
        return []
    text = f"the NIR graph seems to count time in steps, not seconds ({why})"
    instead = "--time-unit steps (the same as --dt-ms 1000, with steps of your --dt-ms)"
    if min(map(_largest_charge, network.spiking)) >= HARDLY:
        return [f"{text}; if it does, use {instead}"]
    raise UsageError(
        f"{text}: in steps of {dt_ms:g} ms its neurons would hardly ever fire. Use {instead}, and "
        "--method exact for a graph of sinabs; --time-unit seconds takes it as it stands"
    )


def _largest_charge(population: Population) -> float:
    """An upper bound on what a step in which every source fires brings, in thresholds."""
    current = max(float(population.bias.max()), 0.0)
    current += sum(_largest_current(p.synapses) for p in population.projections)
    least = float(population.model.rheobase)
    return current / least if least > 0 else np.inf


def _largest_current(synapses: Synapses | Feed) -> float:
    if not isinstance(synapses, Feed):
        return synapses.largest_current()
    taps = synapses.matrix.reshape(len(synapses.matrix), -1).astype(np.float64)
    return float(np.maximum(taps, 0).sum(axis=1).max())
