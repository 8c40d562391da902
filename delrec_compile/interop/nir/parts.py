"""The nodes along the routes of a NIR graph, as units of a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.assembly import Unit, Units
from delrec_compile.interop.nir import cycles
from delrec_compile.interop.nir.graph import PASS_THROUGH, Route, Stop, Walk, kind
from delrec_compile.interop.nir.neurons import Filter, NeuronReader
from delrec_compile.interop.nir.nodes import (
    Shape,
    check_size,
    flattened,
    input_shape,
    linear_part,
    node_constant,
)
from delrec_compile.interop.parts import Delays, Neurons
from delrec_compile.interop.paths import Named, Path, term_of
from delrec_compile.interop.planned import Refusals
from delrec_compile.network.model import INPUT, Synapses
from delrec_compile.network.tensor_file import DAMAGE
from delrec_compile.ops.checks import MAX_DELAY


class NodeReader:
    """Reads the stops of a walk as units, which have the names of the nodes."""

    def __init__(
        self,
        walk: Walk,
        dt: float,
        method: str,
        loop_step: bool,
        round_delays: bool,
        metadata: dict[str, Any],
    ) -> None:
        self.walk, self.dt, self.loop_step = walk, dt, loop_step
        self.round_delays, self.metadata = round_delays, metadata
        self.neurons = NeuronReader(dt, method)
        self.remarks: list[str] = []
        shape = input_shape(walk.source, walk.nodes[walk.source])
        self.shapes: dict[str, Shape] = {walk.source: shape}
        self.parts: dict[tuple[str, Shape, bool], tuple[tuple[Named, ...], Shape]] = {}
        self.refusals: Refusals | None = None

    def units(self, refusals: Refusals | None = None) -> Units:
        """The units. refusals: where to note refused nodes by name; None: the first one is raised."""
        self.refusals = refusals
        out = Units(int(np.prod(self.shapes[self.walk.source])), remarks=self.remarks)
        paths: dict[str, list[Path]] = {}
        for stop in self.walk.stops:
            paths[stop.name], shapes = [], []
            for route in stop.forward:
                path, shape = self._path(route)
                paths[stop.name].append(path)
                shapes.append(shape)
            if len({int(np.prod(shape)) for shape in shapes}) > 1:
                with self._noting(stop.name):
                    told = ", ".join(f"({', '.join(map(str, s))})" for s in shapes)
                    raise UnsupportedError(f"{stop.name}: takes the sum of values of shapes {told}")
            self.shapes[stop.name] = shapes[0]
        made: dict[str, Unit] = {}
        hints = self.metadata.get("layers", ())
        for stop in self.walk.stops:
            hint = hints[len(out.units)] if len(out.units) < len(hints) else {}
            with self._noting(stop.name):
                made[stop.name] = self._unit(stop, paths[stop.name], hint, made)
                if isinstance(made[stop.name].part, Neurons):
                    out.units.append(made[stop.name])
        ends = [s.name for s in self.walk.stops if kind(self.walk.nodes[s.name]) in PASS_THROUGH]
        out.units += [made[name] for name in ends if name in made]
        return out

    def _unit(
        self, stop: Stop, paths: list[Path], hint: dict[str, Any], made: dict[str, Unit]
    ) -> Unit:
        """A stop as a unit; an output that is that of neurons which never fire is their unit."""
        node, shape = self.walk.nodes[stop.name], self.shapes[stop.name]
        silent = [r for r in stop.routes if self._never_fires(r.source)]
        if kind(node) in PASS_THROUGH:
            if silent and (len(stop.routes) > 1 or stop.routes[0].nodes):
                first = next((n for r in silent for n in r.nodes), stop.name)
                raise UnsupportedError(
                    f"{first}: comes after neurons that never fire, which must be the last layer"
                )
            return made[silent[0].source] if silent else Unit(stop.name, None, tuple(paths))
        if silent:
            first = next((n for r in silent for n in r.nodes), stop.name)
            raise UnsupportedError(
                f"{first}: comes after neurons that never fire, which must be the last layer"
            )
        current = self._current(stop.name, shape)
        if self._never_fires(stop.name):
            readout = self.neurons.integrator(stop.name, node, shape, current)
            return Unit(stop.name, readout, tuple(paths))
        neuron = self.neurons.neuron(stop.name, node, shape, hint.get("fires"), current)
        loops = [r for r in stop.closing if r.source == stop.name]
        own: tuple[Synapses, ...] = ()
        constant = None
        if loops:
            terms = [term_of(self._closing(route)) for route in loops]
            made_of, constant = cycles.recurrence(stop.name, terms, hint.get("recurrence"))
            own = (made_of,)
        others = [self._closing(r) for r in stop.closing if r.source != stop.name]
        return Unit(stop.name, Neurons(neuron, own, constant), (*paths, *others))

    def _current(self, name: str, shape: Shape) -> Filter | None:
        """alpha and gain of the integrator before neurons, or None."""
        before = self.walk.currents.get(name)
        if before is None:
            return None
        return self.neurons.filter(before, self.walk.nodes[before], shape)

    def _never_fires(self, name: str) -> bool:
        return kind(self.walk.nodes[name]) in ("LI", "I", "CubaLI")

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        """Notes the refusal of a node."""
        try:
            yield
        except UnsupportedError as error:
            if self.refusals is None:
                raise
            inner = [n for n in self.walk.nodes if str(error).startswith(f"{n}: ")]
            self.refusals.setdefault(max(inner, key=len, default=name), error)
        except DAMAGE as error:
            raise CheckpointError(
                f"{name}: its arrays, or those before it, are invalid ({error})"
            ) from error

    def _path(self, route: Route) -> tuple[Path, Shape]:
        """A route as a path, and the shape of what arrives."""
        shape = self.shapes[route.source]
        size = int(np.prod(shape))
        parts: list[Named] = []
        for name, biased in zip(route.nodes, route.biased, strict=True):
            own, shape = self._node(name, shape, biased)
            parts += own
        source = INPUT if route.source == self.walk.source else route.source
        return Path(source, tuple(parts), size), shape

    def _node(self, name: str, shape: Shape, biased: bool) -> tuple[tuple[Named, ...], Shape]:
        """The parts of a node, none or one, and the shape of its values; the same for equal shapes."""
        key = (name, shape, biased)
        if key not in self.parts:
            declared = (getattr(self.walk.nodes[name], "output_type", None) or {}).get("output")
            after = shape if declared is None else tuple(int(n) for n in np.ravel(declared))
            self.parts[key] = (), after  # of a refused node
            with self._noting(name):
                self.parts[key] = self._read(name, shape, biased)
        return self.parts[key]

    def _read(self, name: str, shape: Shape, biased: bool) -> tuple[tuple[Named, ...], Shape]:
        node = self.walk.nodes[name]
        what = kind(node)
        if what in PASS_THROUGH or name in self.walk.filters:
            return (), shape
        if what == "Flatten":
            return (), flattened(node, shape)
        if what == "Delay":
            return ((name, Delays(self.steps(name, node, shape))),), shape
        part, after = linear_part(name, node, shape)
        check_size(name, part, shape)
        return ((name, part if biased else linear_parts.unbiased(part)),), after

    def _closing(self, route: Route) -> Path:
        """A route that closes a cycle, which takes a step."""
        return replace(self._path(route)[0], step_inside=not self.loop_step)

    def steps(self, name: str, node: Any, shape: Shape) -> NDArray[np.int64]:
        """Delays in steps, one for each value of this shape. Raises UnsupportedError."""
        seconds = node_constant(name, node, "delay", shape)
        real = np.broadcast_to(seconds / self.dt, (int(np.prod(shape)),))
        steps = np.rint(real)
        if not np.isfinite(real).all() or real.min() < 0:
            raise UnsupportedError(f"{name}: delays must be finite and 0 or more")
        maximum = MAX_DELAY + (not self.loop_step)  # the step of a cycle may be part of the delay
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
