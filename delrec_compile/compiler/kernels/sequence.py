"""A kernel that runs many steps at a time: feed-forward sums are hoisted over time.

A chunk of steps goes through one layer after another. A tile of neurons sums the rows of all the
chunk's steps while the tile's weights lie in the nearest cache; in a step's own order they would be
read from the next one, step after step. Only the recurrence is summed step by step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.base import CLOCK_MASK, Composer, Incoming, StepInputs, always
from delrec_compile.compiler.kernels.finish import StoreSums
from delrec_compile.compiler.tir.event_lists import Events
from delrec_compile.ops import linear
from delrec_compile.targets.schedule import Schedule

Inputs = Callable[[Any], Incoming]


def body_of(kernel: str, schedule: Schedule) -> Callable[[Composer], None] | None:
    """Emits all steps of a kernel; None: one after the other."""
    return partial(emit_chunks, chunk=schedule.chunk) if kernel == "sequence" else None


def emit_chunks(c: Composer, chunk: int) -> None:
    """All steps, in chunks of so many."""
    inputs = c.input_lists(chunk)
    spikes = [c.e.lists(layer.size, chunk) for layer in c.layers]
    recurrent = [
        layer.size
        for i, layer in enumerate(c.layers)
        if layer.recurrence is not None and c.hoists(i)
    ]
    feed = c.e.buffer("feed", chunk * max(recurrent), c.sum_types[0]) if recurrent else None
    with c.e.loop("chunk", tir.floordiv(c.steps + (chunk - 1), chunk)) as k:
        first = c.e.bind("first", k * chunk)
        steps = c.e.bind("steps_here", tir.min(c.steps - first, chunk))
        _emit_chunk(c, first, steps, inputs, spikes, feed)
        c.e.store(c.buffers["clock"], 0, 1, tir.bitwise_and(c.clock() + steps, CLOCK_MASK))


def _emit_chunk(
    c: Composer,
    first: Any,
    steps: Any,
    inputs: Callable[[Any, Any], Incoming],
    spikes: list[Callable[[Any], Events]],
    feed: Any,
) -> None:
    def listed(s: Any) -> Incoming:
        return inputs(s, first + s)

    incoming: Inputs = listed

    with c.e.loop("s", steps) as s:
        c.list_inputs(incoming(s), first + s)
        for lists in spikes:
            c.e.clear(lists(s))
    for i, layer in enumerate(c.layers):
        if not c.hoists(i):
            _emit_step_by_step(c, i, steps, incoming, spikes[i])
        elif layer.recurrence is None:
            c.fire(i, _step_inputs(incoming, spikes[i]), steps)
        else:
            _emit_recurrent(c, i, steps, incoming, spikes[i], feed)
        incoming = _of_spikes(spikes[i])
    with c.e.loop("s", steps) as s:
        c.read_out(first + s, incoming(s))


def _step_inputs(incoming: Inputs, spikes: Callable[[Any], Events]) -> Callable[[Any], StepInputs]:
    return lambda s: StepInputs(incoming(s), spikes(s))


def _of_spikes(lists: Callable[[Any], Events]) -> Inputs:
    return lambda s: Incoming(lists(s))


def _emit_recurrent(
    c: Composer,
    i: int,
    steps: Any,
    incoming: Inputs,
    spikes: Callable[[Any], Events],
    feed: Any,
) -> None:
    """The incoming sums of all steps; then, step by step, the recurrence and the neurons."""
    n = c.layers[i].size

    def sums(s: Any) -> linear.Sums:
        finish = StoreSums(c.e, feed, s * n)
        return linear.Sums(c.sum_types[i], finish, c.rows(i, incoming(s)))

    linear.emit(c.e, n, sums, steps)
    _emit_step_by_step(c, i, steps, incoming, spikes, lambda s: c.e.view(feed, s * n, n))


def _emit_step_by_step(
    c: Composer,
    i: int,
    steps: Any,
    incoming: Inputs,
    spikes: Callable[[Any], Events],
    feed: Callable[[Any], Any] = lambda _: None,
) -> None:
    """feed: incoming sums of a step, where they were made before."""
    with c.e.loop("s", steps) as s:
        now = c.e.bind("now", c.clock() + s)
        inputs = StepInputs(incoming(s), spikes(s), c.read_arrivals(i, now), feed(s))
        c.fire(i, always(inputs))
        c.push_spikes(i, inputs.spikes, now)
