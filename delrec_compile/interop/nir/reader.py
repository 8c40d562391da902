"""NIR graphs as networks: neurons of continuous time in steps of dt, delays in whole steps.

Source of the format: the NIR primitives of the package `nir` (Pedersen et al., arXiv 2311.14641).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError, NetworkError, UnsupportedError, UsageError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.chain import (
    MAX_FORWARD_DELAY,
    Chain,
    Delays,
    Integrator,
    Neurons,
    lif_of,
)
from delrec_compile.interop.nir import cycles, file, metadata
from delrec_compile.interop.nir.graph import PASS_THROUGH, Stop, Walk, kind, walk
from delrec_compile.interop.nir.nodes import check_size, input_shape, linear_part, node_constant
from delrec_compile.interop.nir.units import STEPS, UNITS, check_seconds, unknown_step
from delrec_compile.interop.result import Imported
from delrec_compile.network import grid
from delrec_compile.network.model import Lif, Readout
from delrec_compile.ops.checks import MAX_DELAY
from delrec_compile.ops.registry import make_readout

Constants = Callable[[str], F64]  # constants of a node by name
METHODS = ("euler", "exact")


def from_nir(
    graph: Any,
    *,
    dt_ms: float | None = None,
    method: str = "euler",
    time_unit: str | None = None,
    loop_step: bool | None = None,
    round_delays: bool = False,
    max_input: int | None = None,
    name: str | None = None,
) -> Imported:
    """A NIR graph (of the package `nir`, or the path of its file) as a frozen network.

    dt_ms: length of a step; by default that of the graph's metadata (`dt`, in seconds).
    time_unit: of the graph's constants: `seconds`, or `steps` for graphs of simulators that count
    steps; by default seconds, and a graph that would hardly ever fire in them is refused.
    method: discretisation of dv/dt: `euler`, beta = 1 - dt/tau, as in snnTorch, SpikingJelly and
    Norse; or `exact`, beta = exp(-dt/tau). Membranes begin at v_leak.
    loop_step: the edge that closes a cycle takes a step of its own, in addition to a Delay: a spike
    at t arrives at t + 1 + delay. False: only the Delay counts, and must be a step or more.
    round_delays: round delays to whole steps; by default other delays are refused.
    Defaults of loop_step, max_input and name: the metadata of this project's graphs, else True, 31
    and "network".

    Raises UnsupportedError, with the node's name, for what networks do not have.
    """
    for what, value, allowed in (("method", method, METHODS), ("time unit", time_unit, UNITS)):
        if value is not None and value not in allowed:
            raise UsageError(f"unknown {what} '{value}'; allowed: {', '.join(allowed)}")
    graph = file.read(os.fspath(graph)) if isinstance(graph, str | os.PathLike) else graph
    if not hasattr(graph, "nodes"):
        raise UnsupportedError(f"a {type(graph).__name__} is not a NIR graph, nor a path of one")
    walked = walk(graph)
    own = metadata.read_metadata(graph)
    if dt_ms is None:
        dt_ms = own.get("dt_ms", metadata.step_ms(graph))
    if dt_ms is None:
        raise unknown_step(walked.nodes)
    if not (np.isfinite(dt_ms) and dt_ms > 0):
        raise UsageError(f"the step is {dt_ms} ms; a positive number is required")
    if loop_step is None:
        loop_step = own.get("loop_step", True)
    dt = 1.0 if time_unit == STEPS else dt_ms / 1e3
    reader = _Reader(walked, dt, method, loop_step, round_delays, own)
    chain = reader.chain()
    network = chain.network(
        dt_ms=dt_ms,
        max_input=own.get("max_input", 31) if max_input is None else max_input,
        labels=tuple(own.get("labels", ())),
        name=own.get("name", "network") if name is None else name,
        decision=own.get("decision"),
        notes=own.get("notes", {"imported_from": "NIR"}),
    )
    if time_unit is None and not own:
        reader.remarks += check_seconds(walked.nodes, network, dt_ms)
    if "readout" in own:
        network = replace(network, readout=_with_kind(network.readout, own["readout"]))
    frozen = network if own and grid.exact(network) else grid.snap(network)
    names = tuple(name for name, _ in chain.layers())
    return Imported(frozen, network, "NIR", tuple(reader.remarks), names=names)


class _Reader:
    """Adds the nodes along a walk to a chain, which has the names of the nodes."""

    def __init__(
        self,
        walk: Walk,
        dt: float,
        method: str,
        loop_step: bool,
        round_delays: bool,
        metadata: dict[str, Any],
    ) -> None:
        self.walk, self.dt, self.method, self.loop_step = walk, dt, method, loop_step
        self.round_delays, self.metadata = round_delays, metadata
        self.remarks: list[str] = []
        self.shape = input_shape(walk.source, walk.nodes[walk.source])
        self.result = Chain(int(np.prod(self.shape)), remarks=self.remarks)

    def chain(self) -> Chain:
        hints = self.metadata.get("layers", ())
        layer = 0
        for stop in self.walk.stops:
            node = self.walk.nodes[stop.name]
            try:
                for name in stop.path:
                    self._pass(name)
                if kind(node) in ("LI", "I", "CubaLI"):
                    self._integrate(stop, node)
                elif kind(node) not in PASS_THROUGH:
                    self._neurons(stop, node, hints[layer] if layer < len(hints) else {})
                    layer += 1
            except (ValueError, IndexError, TypeError, AttributeError) as error:
                raise CheckpointError(
                    f"{stop.name}: its arrays, or those before it, are invalid ({error})"
                ) from error
        return self.result

    def _pass(self, name: str) -> None:
        node = self.walk.nodes[name]
        what = kind(node)
        if what in PASS_THROUGH or what == "Flatten":
            if what == "Flatten":
                self.shape = (int(np.prod(self.shape)),)
            return
        if what == "Delay":
            self.result.add(name, Delays(self.steps(name, node, MAX_FORWARD_DELAY)))
            return
        part, shape = linear_part(name, node, self.shape)
        check_size(name, part, self.shape)
        self.shape = shape
        self.result.add(name, part)

    def _neurons(self, stop: Stop, node: Any, hint: dict[str, Any]) -> None:
        size = int(np.prod(self.shape))
        lif = self.lif(stop.name, node, size)
        recurrence, constant = None, None
        if stop.loops:
            paths = [self._feedback_path(loop[:-1]) for loop in stop.loops]
            recurrence, constant = cycles.recurrence(stop.name, paths, hint.get("recurrence"))
        if hint.get("fires") == "at":
            threshold = np.nextafter(np.float32(lif.threshold), np.float32(np.inf))
            lif = replace(
                lif, fires="at", threshold=threshold if threshold.ndim else float(threshold)
            )
        self.result.add(stop.name, Neurons(lif, recurrence, constant))

    def _feedback_path(self, path: tuple[str, ...]) -> cycles.FeedbackPath:
        """One feedback path: the delay of each sender, and the weights."""
        size, shape = int(np.prod(self.shape)), self.shape
        delay = np.zeros(size, np.int64)
        parts: list[linear_parts.LinearPart] = []
        for name in path:
            node = self.walk.nodes[name]
            if kind(node) == "Delay":
                if parts:
                    raise UnsupportedError(
                        f"{name}: delays currents; delay the spikes, before the weights"
                    )
                delay = delay + self.steps(
                    name, node, MAX_DELAY if self.loop_step else MAX_FORWARD_DELAY
                )
            elif kind(node) == "Flatten":
                shape = (int(np.prod(shape)),)
            elif kind(node) not in PASS_THROUGH:
                part, shape = linear_part(name, node, shape)
                parts.append(part)
        if not self.loop_step:
            if delay.min() < 1:
                raise UnsupportedError(
                    f"{path[0] if path else 'a loop'}: a feedback path of less than a step; with "
                    "--no-loop-step each needs a Delay of one step or more"
                )
            delay = delay - 1
        return cycles.FeedbackPath(delay, linear_parts.fold(parts, size), int(np.prod(shape)))

    def steps(self, name: str, node: Any, maximum: int) -> NDArray[np.int64]:
        """Delays in steps, one for each value. Raises UnsupportedError."""
        seconds = node_constant(name, node, "delay", self.shape)
        real = np.broadcast_to(seconds / self.dt, (int(np.prod(self.shape)),))
        steps = np.rint(real)
        if not np.isfinite(real).all() or real.min() < 0:
            raise UnsupportedError(f"{name}: delays must be finite and 0 or more")
        if steps.max() > maximum:
            raise UnsupportedError(
                f"{name}: a delay of {steps.max():g} steps; the longest allowed is {maximum}"
            )
        off = np.abs(real - steps)
        if off.max() > 1e-4:
            at = int(off.argmax())
            if not self.round_delays:
                raise UnsupportedError(
                    f"{name}: a delay of {seconds[at % seconds.size]:g} s is {real[at]:g} steps of "
                    f"{self.dt * 1e3:g} ms; use another step, or --round-delays"
                )
            self.remarks.append(f"{name}: delays rounded to whole steps, by up to {off.max():.2f}")
        return steps.astype(np.int64)

    def lif(self, name: str, node: Any, size: int) -> Lif:
        """The neuron in steps: it fires above the threshold, and resets to a value."""
        what, of = kind(node), self._constants(name, node)
        if what == "Threshold":
            return lif_of(size, name, beta=0.0, threshold=of("threshold"), fires="above")
        threshold, reset = of("v_threshold"), of("v_reset")
        if what == "IF":
            beta, gain = np.ones(1), of("r") * self.dt
        else:
            beta, gain = self.leak(name, of("tau" if what == "LIF" else "tau_mem"), of("r"))
            gain = gain * (self.synapse(name, of) if what == "CubaLIF" else 1.0)
            rest = of("v_leak")  # membranes are counted from it
            threshold, reset = threshold - rest, reset - rest
        return lif_of(
            size, name, beta=beta, gain=gain, threshold=threshold, v_reset=reset, fires="above"
        )

    def _constants(self, name: str, node: Any) -> Constants:
        return lambda key: node_constant(name, node, key, self.shape)

    def leak(self, name: str, tau: F64, r: F64) -> tuple[F64, F64]:
        """beta and gain of a step of tau dv/dt = -v + R I. Raises UnsupportedError."""
        ratio = self.dt / tau
        if not (tau > 0).all():
            raise UnsupportedError(f"{name}: tau is {tau.min():g}; positive numbers are required")
        if self.method == "euler" and ratio.max() > 1 + 1e-6:
            raise UnsupportedError(
                f"{name}: tau is {tau.min():g}, shorter than a step of {self.dt:g}; take shorter "
                "steps (--dt-ms), or --method exact"
            )
        beta = 1 - ratio if self.method == "euler" else np.exp(-ratio)
        return beta, (ratio if self.method == "euler" else -np.expm1(-ratio)) * r

    def synapse(self, name: str, of: Constants) -> F64:
        """Weight of a synapse whose current lasts one step. Raises UnsupportedError for others."""
        if self.method == "exact" or not np.allclose(of("tau_syn"), self.dt, rtol=1e-6):
            raise UnsupportedError(
                f"{name}: its synaptic current has state (tau_syn is not one step); networks "
                "have none"
            )
        return of("w_in")

    def _integrate(self, stop: Stop, node: Any) -> None:
        name, what, of = stop.name, kind(node), self._constants(stop.name, node)
        if stop.loops:
            raise UnsupportedError(f"{name}: neurons that never fire cannot be recurrent")
        if what == "I":
            beta, gain = np.ones(1), of("r") * self.dt
        else:
            beta, gain = self.leak(name, of("tau" if what == "LI" else "tau_mem"), of("r"))
            gain = gain * (self.synapse(name, of) if what == "CubaLI" else 1.0)
            if np.any(of("v_leak")):
                raise UnsupportedError(f"{name}: v_leak of an output must be 0")
        if (beta != beta.flat[0]).any() or (gain != gain.flat[0]).any():
            raise UnsupportedError(
                f"{name}: outputs with different constants; one tau and one r are required"
            )
        self.result.add(name, Integrator(float(beta.flat[0]), float(gain.flat[0])))


def _with_kind(readout: Readout, kind_of: str) -> Readout:
    """The readout as the kind that the metadata name, if its numbers allow that."""
    try:
        return make_readout(kind_of, readout.weight, readout.bias, readout.beta, readout.decision)
    except NetworkError:
        return readout
