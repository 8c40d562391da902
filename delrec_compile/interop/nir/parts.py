"""The nodes along a walk through a NIR graph, as the parts of a chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.chain import (
    MAX_FORWARD_DELAY,
    Chain,
    Delays,
    Integrator,
    Neurons,
    lif_of,
)
from delrec_compile.interop.nir import cycles
from delrec_compile.interop.nir.graph import PASS_THROUGH, Stop, Walk, kind
from delrec_compile.interop.nir.nodes import check_size, input_shape, linear_part, node_constant
from delrec_compile.interop.planned import Refusals
from delrec_compile.interop.refusals import unknown_part
from delrec_compile.network.model import Lif
from delrec_compile.ops.checks import MAX_DELAY

Constants = Callable[[str], F64]  # constants of a node by name


class NodeReader:
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

    def chain(self, refusals: Refusals | None = None) -> Chain:
        """The chain. refusals: where to note refused nodes by name; None: the first one is raised."""
        hints = self.metadata.get("layers", ())
        layer = 0
        for stop in self.walk.stops:
            node = self.walk.nodes[stop.name]
            for name in stop.path:
                with self._noting(name, refusals):
                    self._pass(name)
            with self._noting(stop.name, refusals):
                if kind(node) in ("LI", "I", "CubaLI"):
                    self._integrate(stop, node)
                elif kind(node) not in PASS_THROUGH:
                    self._neurons(stop, node, hints[layer] if layer < len(hints) else {})
                    layer += 1
        return self.result

    @contextmanager
    def _noting(self, name: str, refusals: Refusals | None) -> Iterator[None]:
        """Notes the refusal of a node, and goes on with the shape that the node declares."""
        try:
            yield
        except UnsupportedError as error:
            if refusals is None:
                raise
            inner = [n for n in self.walk.nodes if str(error).startswith(f"{n}: ")]
            refusals.setdefault(max(inner, key=len, default=name), error)
            declared = (getattr(self.walk.nodes[name], "output_type", None) or {}).get("output")
            if declared is not None:
                self.shape = tuple(int(n) for n in np.ravel(declared))
        except (ValueError, IndexError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{name}: its arrays, or those before it, are invalid ({error})"
            ) from error

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
        if not (tau > 0).all():
            raise UnsupportedError(f"{name}: tau is {tau.min():g}; positive numbers are required")
        ratio = self.dt / tau
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
            raise unknown_part(
                name, "synaptic current with state, as this node has (tau_syn is not one step)"
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
