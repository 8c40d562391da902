"""Real inputs in a kernel: rounded once, and multiplied only in steps in which they changed.

The sums of a population's undelayed maps of the input are made first, into memory that lasts from step
to step; in float32 only where it has no other undelayed maps. A row of x that equals the one before it
("direct encoding", a picture at every step) costs a comparison. Cores without vectors multiply by
`dense_product` where they can; else the values that are not zero are events with a count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.nodes import Edge, Node
from delrec_compile.compiler.kernels.step_inputs import Incoming
from delrec_compile.network.grid import row_bits
from delrec_compile.network.integer.linear import IntegerDense
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import INPUT, Dense, Network
from delrec_compile.ops.dense_product import DenseProduct
from delrec_compile.ops.feed import Feed
from delrec_compile.ops.real_input import RealInput
from delrec_compile.targets.schedule import Schedule

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events


@dataclass(frozen=True)
class Product:
    """dense: of a projection. worth: of a unit of its sums."""

    dense: DenseProduct
    worth: float


@dataclass(frozen=True)
class RealForm:
    """How a kernel takes real inputs. sums: dtype of those that they enter. products: of all undelayed
    projections of the input, by population and prefix; or none.
    """

    DTYPE: ClassVar[str] = "int16"  # of rounded inputs in memory
    input: RealInput
    sums: str
    products: Mapping[tuple[str, str], Product]

    def worth(self, dtype: str) -> float:
        """Worth of a unit of the input in sums of a type."""
        return 1.0 if dtype == "int32" else 2.0**-self.input.bits

    def value(self, e: Emitter, x: Any, lanes: int) -> Any:
        """Rounded inputs in the type of the sums."""
        form = self.input.emit if self.sums == "int32" else self.input.emit_value
        return form(e, x, lanes)

    def tables(self, schedule: Schedule) -> dict[tuple[str, str], NDArray[Any]]:
        """The weights of the products."""
        return {key: product.dense.table(schedule) for key, product in self.products.items()}


def real_form(
    network: Network, schedule: Schedule, grids: Sequence[int | None], sums: str
) -> RealForm | None:
    """None for a network that takes counts. grids: of the populations; none where they are unknown."""
    real = network.real_input
    if real is None:
        return None
    return RealForm(real, sums, _products(network, real, schedule, grids) or {})


def _products(
    network: Network, real: RealInput, schedule: Schedule, grids: Sequence[int | None]
) -> dict[tuple[str, str], Product] | None:
    """None where a projection needs events: with vectors, or without 16-bit weights of its own."""
    out = {}
    for p, q in zip(network.populations, grids, strict=bool(grids)):
        undelayed = [each for each in p.projections if isinstance(each.synapses, Feed)]
        for each in undelayed:
            if each.source != INPUT:
                continue
            s = each.synapses
            alone = all(other.source == INPUT for other in undelayed)
            if schedule.lanes > 1 or q is None or not alone or not isinstance(s, Dense):
                return None
            if row_bits(s.weight, q - real.bits) > 16:
                return None
            units = np.ldexp(s.weight, q - real.bits).astype(np.int16)
            out[p.name, each.prefix] = Product(DenseProduct(units, real.largest), 2.0**-q)
    return out


def integer_form(network: IntegerNetwork, schedule: Schedule) -> RealForm | None:
    """That of an integer network; None where it takes counts."""
    real = network.real_input
    if real is None:
        return None
    undelayed = {
        (p.name, each.prefix): each.synapses
        for p, each in network.projections()
        if each.source == INPUT and each.synapses.line is None
    }
    if schedule.lanes > 1 or not all(isinstance(s, IntegerDense) for s in undelayed.values()):
        return RealForm(real, "int32", {})
    products = {
        key: Product(DenseProduct(s.weights, real.largest), 1.0) for key, s in undelayed.items()
    }
    return RealForm(real, "int32", products)


def takes_input(edge: Edge) -> bool:
    """Whether it is an undelayed projection from the input."""
    return edge.of_input and edge.line is None


def is_kept(node: Node) -> bool:
    """Whether all undelayed maps of a node are of the input: their sum changes with it alone."""
    return bool(node.feeds) and all(edge.of_input for edge in node.feeds)


class Reader(Protocol):
    """The part of a composer that reads x."""

    e: Emitter
    x: Any
    real: RealForm | None

    @property
    def inputs(self) -> int: ...
    def count_of(self, x: Any, lanes: int = 1) -> Any: ...


class Host(Reader, Protocol):
    """The part of a composer that keeps sums."""

    nodes: tuple[Node, ...]

    @property
    def lists_inputs(self) -> bool: ...
    def sum_type(self, i: int) -> str: ...
    def keeps_sums(self, i: int) -> bool: ...
    def edge_buffers(self, i: int, edge: Edge) -> Callable[[str], Any]: ...
    def input_lists(self, many: int | None) -> Callable[[Any, Any], Incoming]: ...
    def list_inputs(self, incoming: Incoming, t: Any) -> None: ...
    def sum_inputs(self, i: int, incoming: Incoming | None, to: Any) -> None: ...


class KeptSums:
    """The sums of the input's maps, kept from step to step of a call. c: opened in its function."""

    def __init__(self, c: Host, form: RealForm) -> None:
        self.c, self.form = c, form
        self.incoming: Callable[[Any, Any], Incoming] | None = None
        if c.lists_inputs and not form.products:
            self.incoming = c.input_lists(None)
        self.sums = {
            i: c.e.buffer("fed", node.size, c.sum_type(i))
            for i, node in enumerate(c.nodes)
            if c.keeps_sums(i)
        }
        self.changed = IRBuilder.name("changed", tir.alloc_buffer((1,), "int32", scope=c.e.near))

    def take(self, t: Any) -> Incoming | None:
        """Rounds the inputs of step t and sums what they feed, if they changed."""
        c = self.c
        incoming = None if self.incoming is None else self.incoming(None, t)
        c.e.store(self.changed, 0, 1, tir.int32(1))
        with tir.If(t > 0), tir.Then():
            c.e.store(self.changed, 0, 1, differs(c.e, c.x, t * c.inputs, c.inputs))
        with tir.If(self.changed[0] != 0), tir.Then():
            if incoming is not None:
                c.list_inputs(incoming, t)
            units: dict[tuple[int, str], Any] = {}
            for i in self.sums:
                if self.form.products:
                    self._multiply(i, t, units)
                else:
                    c.sum_inputs(i, incoming, self.sums[i])
        return incoming

    def _multiply(self, i: int, t: Any, units: dict[tuple[int, str], Any]) -> None:
        """Dense products of node i, added up. units: rounded inputs that are at hand, by layout."""
        c, node, real = self.c, self.c.nodes[i], self.form.input
        base = t * c.inputs

        def unit(j: Any) -> Any:
            return real.emit(c.e, c.x[base + j], 1)

        for k, edge in enumerate(filter(takes_input, node.feeds)):
            product = self.form.products[node.name, edge.prefix]
            dense = product.dense
            layout = (dense.inputs, str(dense.weight.dtype))
            if layout not in units:
                units[layout] = dense.pack(c.e, unit)
            store = _store(c.e, self.sums[i], c.sum_type(i), product.worth, bool(k))
            dense.emit(c.e, c.edge_buffers(i, edge)("weight"), units[layout], store)


def _store(e: Emitter, to: Any, dtype: str, worth: float, adds: bool) -> Any:
    """Takes whole sums into `to`; in float32 each is exact. adds: to what is there."""

    def finish(base: Any, size: int) -> Callable[[Any, int, int], None]:
        row = e.view(to, base, size)

        def take(value: Any, at: int, lanes: int) -> None:
            if dtype == "float32":
                value = e.cast(value, dtype, lanes) * e.splat(tir.float32(worth), lanes)
            e.store(row, at, lanes, e.load(row, at, lanes) + value if adds else value)

        return take

    return finish


def scaled(e: Emitter, value: Any, dtype: str, worth: float) -> Any:
    """A value in the type of the sums, times the worth of its unit."""
    value = e.cast(value, dtype, 1)
    return value if worth == 1.0 else value * tir.float32(worth)


def listed_values(
    c: Reader, lists: Callable[[Any], Events], many: int | None
) -> Callable[[Any, Any], Incoming]:
    """See `Composer.input_lists`: rounded inputs in memory, and lists of those that are not 0."""
    assert c.real is not None
    n, sums = c.inputs, c.real.sums
    kind = c.real.DTYPE if sums == "int32" else sums
    memory = c.e.buffer("rounded", (many or 1) * n, kind)

    def at(k: Any, _t: Any) -> Incoming:
        own: Any = c.e.view(memory, 0 if k is None else k * n, n)
        return Incoming(lists(k), lambda j: c.e.cast(own[j], sums, 1), 1, own)

    return at


def list_values(c: Reader, incoming: Incoming, base: Any) -> None:
    """Rounds the inputs from `base` on, and lists those that are not 0."""
    e, own = c.e, incoming.packed
    kind = str(own.dtype)
    for at, lanes in e.blocks(c.inputs):
        value = c.count_of(e.load(c.x, base + at, lanes), lanes)
        e.store(own, at, lanes, e.cast(value, kind, lanes))
    e.list_active(
        incoming.events,
        c.inputs,
        lambda at, lanes: e.load(own, at, lanes) != e.splat(e.zero(kind, 1), lanes),
    )


def differs(e: Emitter, x: Any, base: Any, n: int) -> Any:
    """Whether the n values from `base` on differ from the n before them: int32, 0 if not."""
    wide = e.schedule.lanes
    seen = e.register(wide, e.zero("int32", wide), "int32")
    rest = e.register(1, tir.int32(0), "int32") if n % wide else None

    def unlike(at: Any, lanes: int) -> Any:
        other = e.load(x, base + at, lanes) != e.load(x, base - n + at, lanes)
        return tir.Select(other, e.splat(tir.int32(1), lanes), e.zero("int32", lanes))

    for at, lanes in e.blocks(n):
        if lanes == wide:
            e.store(seen, 0, wide, tir.bitwise_or(e.load(seen, 0, wide), unlike(at, wide)))
            continue
        assert rest is not None
        for q in range(lanes):
            e.store(rest, 0, 1, tir.bitwise_or(rest[0], unlike(at + q, 1)))
    if wide == 1:
        return seen[0]
    name = f"llvm.vector.reduce.or.v{wide}i32"
    any_lane = tir.call_llvm_pure_intrin("int32", name, e.load(seen, 0, wide))
    return any_lane if rest is None else tir.bitwise_or(any_lane, rest[0])


def mark_unchanged(c: Reader, marks: Any, s: Any, t: Any) -> None:
    """Marks step s of a chunk, step t of x, if its inputs are those of the step before."""
    e = c.e
    e.store(marks, s, 1, tir.int32(0))
    with tir.If(s > 0), tir.Then():
        changed = e.bind("changed", differs(e, c.x, t * c.inputs, c.inputs))
        e.store(marks, s, 1, tir.cast(changed == 0, "int32"))
