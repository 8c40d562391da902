"""A kernel that runs many steps at a time: feed-forward sums are hoisted over time.

A chunk of steps goes through one population after another. A tile of neurons sums the rows of all the
chunk's steps while the tile's weights lie in the nearest cache; in a step's own order they would be
read from the next one, step after step. Only what comes through delays is summed step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels import map_rows
from delrec_compile.compiler.kernels.base import CLOCK_MASK, Composer
from delrec_compile.compiler.kernels.nodes import is_layered
from delrec_compile.compiler.kernels.real_inputs import mark_unchanged
from delrec_compile.compiler.kernels.step_inputs import Incoming, StepInputs, always
from delrec_compile.compiler.tir.changes import ChangeLists
from delrec_compile.network.model import INPUT
from delrec_compile.ops.masked_history import MaskedHistory
from delrec_compile.targets.schedule import Schedule


def body_of(kernel: str, schedule: Schedule) -> Callable[[Composer], None] | None:
    """Emits all steps of a kernel; None: one after the other."""
    return partial(emit_chunks, chunk=schedule.chunk) if kernel == "sequence" else None


def emit_chunks(c: Composer, chunk: int) -> None:
    """All steps, in chunks of so many, of nodes that `is_layered` holds for."""
    assert is_layered(c.nodes)
    inputs = c.input_lists(chunk) if c.lists_inputs else None
    unchanged = None if c.real is None else c.e.buffer("unchanged", chunk, "int32")
    spikes = {
        node.name: c.spike_lists(i, chunk, _is_late(c, i))
        for i, node in enumerate(c.nodes)
        if node.fires
    }
    feeds: dict[str, Any] = {}
    for dtype in sorted({c.sum_type(i) for i in _hoisted(c)}):
        own = [i for i in _hoisted(c) if c.sum_type(i) == dtype]
        rows = chunk + 2 * any(c.takes_changes(i) for i in own)
        feeds[dtype] = c.e.buffer("feed", rows * max(c.nodes[i].size for i in own), dtype)
    changes = {name: ChangeLists(c.e, n, chunk, own) for name, (n, own) in _changing(c).items()}
    with c.e.loop("chunk", tir.floordiv(c.steps + (chunk - 1), chunk)) as k:
        first = c.e.bind("first", k * chunk)
        steps = c.e.bind("steps_here", tir.min(c.steps - first, chunk))
        _Chunk(c, first, steps, inputs, spikes, feeds, unchanged, changes).emit()
        c.e.store(c.buffers["clock"], 0, 1, tir.bitwise_and(c.clock() + steps, CLOCK_MASK))


def _hoisted(c: Composer) -> list[int]:
    """Nodes whose undelayed projections are summed before the rest of them."""
    return [i for i, n in enumerate(c.nodes) if n.fires and c.hoists(i) and _is_apart(c, i)]


def _is_apart(c: Composer, i: int) -> bool:
    """Whether the neurons of node i do not fire where their undelayed sums are made."""
    return bool(c.nodes[i].delayed) or not c.hoists(i) or c.keeps(i) or c.takes_changes(i)


def _changing(c: Composer) -> dict[str, tuple[int, bool]]:
    """Populations whose changes are listed: their neurons, and whether all sums of them have totals."""
    out: dict[str, tuple[int, bool]] = {}
    for i in filter(c.takes_changes, _hoisted(c)):
        edge = c.nodes[i].feeds[0]
        _, others = out.get(edge.source, (0, True))
        out[edge.source] = (edge.sources, others and c.has_totals(i))
    return out


def _is_late(c: Composer, i: int) -> bool:
    """Whether only readouts read the list of a step's spikes of node i, which is made there."""
    node = c.nodes[i]
    if not c.lists_words(i):
        return False
    return all(
        isinstance(edge.line, MaskedHistory)
        or (edge.line is None and (not other.fires or c.takes_changes(k)))
        for k, other in enumerate(c.nodes)
        for edge in other.edges
        if edge.source == node.name
    )


@dataclass(frozen=True)
class _Chunk:
    """The steps first to first + steps, one node after another.

    inputs: lists of the inputs, see `Composer.input_lists`. spikes: those of each population, by step.
    feeds: memory for hoisted sums, by their type. unchanged: marks of steps whose real inputs are those
    of the step before. changes: of the spikes of populations, see `ChangeLists`.
    """

    c: Composer
    first: Any
    steps: Any
    inputs: Callable[[Any, Any], Incoming] | None
    spikes: dict[str, Callable[[Any], Any]]
    feeds: dict[str, Any]
    unchanged: Any
    changes: dict[str, ChangeLists]

    def emit(self) -> None:
        c = self.c
        for group in c.e.groups(self.steps, c.together):
            for s in group:
                if self.unchanged is not None:
                    mark_unchanged(c, self.unchanged, s, self.first + s)
                for lists in self.spikes.values():
                    map_rows.clear(c.e, lists(s))
            if self.inputs is not None:
                self._list_inputs(group)
        for i, node in enumerate(c.nodes):
            if not node.fires:
                self._read_out(i)
            elif _is_apart(c, i):
                self._emit_apart(i)
            else:
                c.fire(i, partial(self._feeds_only, i), self.steps)
                if node.name in self.changes:
                    with c.e.loop("s", self.steps) as s:
                        self._list_changes(i, s)
                self._turn(i)

    def _turn(self, i: int) -> None:
        """Turns the lists of the spikes of node i, of all steps."""
        if self.c.turns(i) and not _is_late(self.c, i):
            with self.c.e.loop("s", self.steps) as s:
                self.c.turn(i, self.spikes[self.c.nodes[i].name](s))

    def _list_changes(self, i: int, s: Any) -> None:
        """Lists what changed in node i at a step."""
        lists, name = self.spikes, self.c.nodes[i].name
        if name in self.changes:
            before = lists[name](tir.max(s - 1, 0)).plane
            self.changes[name].list(s, lists[name](s).plane, before)

    def _list_inputs(self, group: Sequence[Any]) -> None:
        assert self.inputs is not None
        first, incoming = self.first + group[0], [self.inputs(s, self.first + s) for s in group]
        if len(group) > 1:
            self.c.list_together(incoming, first)
        else:
            self.c.list_inputs(incoming[0], first)

    def _sent(self, s: Any) -> Callable[[str], Incoming]:
        """What each source sends at a step of the chunk."""

        def sent(source: str) -> Incoming:
            if source != INPUT:
                return map_rows.incoming(self.spikes[source](s))
            assert self.inputs is not None
            return self.inputs(s, self.first + s)

        return sent

    def _feeds_only(self, i: int, s: Any) -> StepInputs:
        """Inputs of a node at a step, without those that a delay brings."""
        node, sent = self.c.nodes[i], self._sent(s)
        if self.c.takes_changes(i):
            own = self.changes[node.feeds[0].source]
            sent = always(Incoming(own.new(s), gone=own.gone(s), since=own.since[s]))
        of_edges = [sent(e.source) if e.line is None else None for e in node.edges]
        return StepInputs(of_edges, self.spikes[node.name](s))

    def _read_out(self, i: int) -> None:
        c = self.c
        with c.e.loop("s", self.steps) as s:
            now = c.bind_now(s) if c.nodes[i].delayed else None
            t = self.first + s
            if c.e.schedule.ahead:
                c.fetch_inputs(tir.min(t + c.e.schedule.chunk, c.steps - 1))
            for name in {edge.source: None for edge in c.nodes[i].feeds}:
                self._complete(name, s)
            c.read_out(i, t, StepInputs(c.of_edges(i, self._sent(s), now, t)))

    def _complete(self, name: str, s: Any) -> None:
        """Lists the spikes of a population at a step, where that was left to its readers."""
        for k, node in enumerate(self.c.nodes):
            if node.name == name and _is_late(self.c, k):
                spikes = self.spikes[name](s)
                self.c.e.complete(spikes, node.size)
                self.c.turn(k, spikes)

    def _emit_apart(self, i: int) -> None:
        """The incoming sums of all steps; then, step by step, what delays bring, and the neurons."""
        c, node = self.c, self.c.nodes[i]
        feed = None
        if c.hoists(i):
            feed = self.feeds[c.sum_type(i)]
            unchanged = self.unchanged if c.keeps(i) else None
            feed = c.sum_feeds(i, partial(self._feeds_only, i), feed, self.steps, unchanged)
        with c.e.loop("s", self.steps) as s:
            now, t = c.bind_now(s), self.first + s
            of_edges = c.of_edges(i, self._sent(s), now, t)
            made = None if feed is None else c.e.view(feed, s * node.size, node.size)
            spikes = self.spikes[node.name](s)
            c.fire(i, always(StepInputs(of_edges, spikes, made)))
            self._list_changes(i, s)
            c.push_spikes(node.name, spikes, now)
            if not _is_late(c, i):
                c.turn(i, spikes)
