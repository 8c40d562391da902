"""Leaky integrators of a NIR graph that lead to neurons: the synaptic current of these neurons.

    LI, weights, LIF  =  weights, CubaLIF

if every way to the neurons passes an integrator, all with the same constants, and no bias comes after
it: sums and products with weights pass a filter that is the same for all values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.nir.graph import PASS_THROUGH, Route, Stop, Walk, kind
from delrec_compile.interop.nir.nodes import array

FILTERS = ("LI", "I")
BEHIND = ("LIF", "IF", "Threshold", "LI", "I")
CONSTANTS = ("tau", "r", "v_leak")


def without_filters(walk: Walk) -> Walk:
    """The walk with integrators on its routes, in place of stops. Raises UnsupportedError."""
    filters = {
        route.source: stop.name
        for stop in walk.stops
        if kind(walk.nodes[stop.name]) not in PASS_THROUGH
        for route in stop.routes
        if kind(walk.nodes[route.source]) in FILTERS
    }
    for stop in walk.stops:
        _check(walk, stop, filters)
    stops = {stop.name: stop for stop in walk.stops}
    kept, currents = [], {}
    for name, stop in stops.items():
        if name in filters:
            continue
        if own := [r.source for r in stop.routes if r.source in filters]:
            currents[name] = own[0]
        routes = tuple(one for r in stop.routes for one in _through(r, stops, filters))
        kept.append(Stop(name, tuple(sorted(routes, key=lambda r: r.closes))))
    return replace(walk, stops=tuple(kept), filters=filters, currents=currents)


def constants(node: Any) -> dict[str, F64]:
    """Constants of an integrator by name, flat."""
    return {key: array(getattr(node, key)).ravel() for key in CONSTANTS if hasattr(node, key)}


def _through(
    route: Route, stops: Mapping[str, Stop], filters: Mapping[str, str]
) -> Iterator[Route]:
    """The routes to the integrator where a route begins, each with the route behind; else the route."""
    if route.source not in filters:
        yield route
        return
    for before in stops[route.source].routes:
        if before.closes and route.closes:
            raise UnsupportedError(
                f"{route.source}: closes two cycles; neurons are required between"
            )
        yield Route(
            before.source,
            (*before.nodes, route.source, *route.nodes),
            (*before.biased, False, *route.biased),
            before.closes or route.closes,
        )


def _check(walk: Walk, stop: Stop, filters: Mapping[str, str]) -> None:
    """Raises UnsupportedError if the integrators before a stop are no synaptic current of it."""
    own = [r for r in stop.routes if r.source in filters]
    if not own:
        return
    name, first = own[0].source, own[0]
    if kind(walk.nodes[stop.name]) in PASS_THROUGH:
        raise UnsupportedError(
            f"{name}: its value is an output, and a current of '{filters[name]}'; only one of both is "
            "possible"
        )
    if stop.name in filters or kind(walk.nodes[stop.name]) not in BEHIND:
        raise UnsupportedError(
            f"{name}: an integrator before '{stop.name}', which has another one; neurons are required "
            "between"
        )
    if len(own) < len(stop.routes):
        other = next(r.source for r in stop.routes if r.source not in filters)
        raise UnsupportedError(
            f"{name}: some currents of '{stop.name}' pass an integrator, those of '{other}' do not"
        )
    direct = len(own) == 1 and not first.nodes
    for key, values in constants(walk.nodes[name]).items():
        others = [constants(walk.nodes[r.source]).get(key, np.zeros(0)) for r in own]
        if not direct and any((v != values[0]).any() or not v.size for v in (values, *others)):
            raise UnsupportedError(
                f"{name}: an integrator before weights, with {key} that differs; one for all is required"
            )
    if np.any(array(getattr(walk.nodes[name], "v_leak", 0.0))):
        raise UnsupportedError(f"{name}: v_leak of an integrator before neurons must be 0")
    _check_biases(walk, name, own)


def _check_biases(walk: Walk, name: str, routes: Iterable[Route]) -> None:
    for route in routes:
        for node in route.nodes:
            bias = getattr(walk.nodes[node], "bias", None)
            if bias is not None and np.any(array(bias)):
                raise UnsupportedError(
                    f"{node}: a bias behind the integrator '{name}'; move it before"
                )
