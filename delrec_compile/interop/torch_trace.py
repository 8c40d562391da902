"""Torch models: which module feeds which, traced by running one step.

A model may be any module, as long as each of its parts takes exactly the output of a part before it, or
a sum of such outputs, perhaps in another shape; other computations between modules are refused, as
networks have none. In that step, random numbers replace the output of each module, so that no operation
on it goes unnoticed, as it could on spikes that are all zero; and the output itself must be what the
network computes from the same input.

A model may make its steps itself, of one input: in a loop that runs each of its neurons once a step, or
by repeating the input along an axis of steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.interop.torch_functions import Functions
from delrec_compile.interop.torch_model import TorchModel
from delrec_compile.interop.torch_recorder import Call, Recorder, tensors
from delrec_compile.interop.torch_units import Predicate, holds_values, units
from delrec_compile.interop.torch_wiring import Wiring
from delrec_compile.network.model import INPUT


@dataclass(frozen=True, eq=False)
class Trace:
    """The calls of one step in order, the first of each module; faults: name of a module, and why.

    model: as it ran. steps: that it makes of one input by itself; 1: none. summed: whether it then
    returns one output for all of them.
    """

    model: TorchModel
    calls: tuple[Call, ...]
    faults: tuple[tuple[str, str], ...]
    steps: int = 1
    summed: bool = False


def trace(model: TorchModel, opaque: Predicate, never_fires: Predicate = lambda _: False) -> Trace:
    """The calls of the modules in one step.

    opaque: modules whose own parts are not traced, such as neurons. never_fires: those of them whose
    membrane may be the output of the model. Where faults are found, modules of the user with values
    of their own are taken for one unit each. Raises UnsupportedError for neurons with hooks or a
    model that runs nothing, and UsageError if it does not run on an input of this shape.
    """
    found = _trace(model, opaque, never_fires)
    if found.faults:
        own = {m for m in model.module.modules() if m is not model.module and holds_values(m)}
        if own:
            whole = _trace(model, lambda m: m in own or opaque(m), never_fires)
            if not whole.faults:
                return whole
    return found


def _trace(model: TorchModel, opaque: Predicate, never_fires: Predicate) -> Trace:
    names = dict(units(model.module, opaque))
    for m, name in names.items():
        if opaque(m) and any(c._forward_hooks or c._forward_pre_hooks for c in m.modules()):
            raise UnsupportedError(
                f"{name}: neurons with hooks; remove the hooks, as networks have none"
            )
    generator = torch.Generator().manual_seed(0)
    sample = torch.poisson(torch.ones(1, 1, int(np.prod(model.shape))), generator=generator)
    sample = sample.to(model.dtype)
    recorder = Recorder(names, opaque, never_fires, Wiring(), generator)
    recorder.wiring.send(INPUT, sample)
    try:
        out = _run(model, sample, recorder)
    except Exception as error:
        by_itself = model.takes_sequences and _takes_a_step(model, sample)
        if by_itself:
            own = _trace(replace(model, takes_sequences=False), opaque, never_fires)
            if own.steps > 1:
                return own
            raise UnsupportedError(
                "the model takes one input and makes its steps itself; let forward take one step, or "
                "all steps as (steps, batch, inputs)"
            ) from error
        raise UsageError(
            f"the model does not run on one step of shape {[1, *model.shape]} ({error}); pass the "
            "right input shape, and a model that takes its input only"
        ) from error
    if not recorder.calls:
        raise UnsupportedError("the model ran none of its modules")
    found = _found(model, recorder, out)
    if found.steps > 1 and model.takes_sequences:
        return _trace(replace(model, takes_sequences=False), opaque, never_fires)
    return found


def _run(model: TorchModel, sample: Tensor, recorder: Recorder) -> list[Any]:
    handles = [m.register_forward_pre_hook(recorder.before) for m in recorder.names]
    handles += [m.register_forward_hook(recorder.after) for m in recorder.names]
    try:
        with Functions(recorder.function):
            return model.run(sample)
    finally:
        for handle in handles:
            handle.remove()
        model.reset()


def _takes_a_step(model: TorchModel, sample: Tensor) -> bool:
    """Whether the model runs on an input without an axis of steps."""
    try:
        replace(model, takes_sequences=False).run(sample)
    except Exception:
        return False
    return True


def _found(model: TorchModel, recorder: Recorder, out: list[Any]) -> Trace:
    """The trace of what was recorded."""
    calls = tuple({c.name: c for c in reversed(recorder.calls)}.values())[::-1]
    steps = _steps(recorder)
    if not steps:
        return Trace(model, calls, (_rerun(recorder),))
    faults = [*recorder.faults, *_not_in_sequence(recorder)]
    ending = _ending(recorder, out)
    if ending is None:
        name = recorder.calls[-1].name
        faults.append(
            (
                name,
                f"the model's output is not that of its last module, '{name}': networks compute "
                "nothing after it",
            )
        )
    return Trace(model, calls, tuple(faults), steps, ending == "summed")


def _steps(recorder: Recorder) -> int:
    """The steps that the model makes of its input by itself; 0 if modules run again for other ends."""
    runs = Counter(call.name for call in recorder.calls)
    most = max(runs.values())
    stacked = max(recorder.steps_of.values())
    if most == 1:
        return stacked
    first_of: dict[str, Call] = {}
    turns: Counter[str] = Counter()
    for call in recorder.calls:
        name, own = call.name, call.source
        wanted = tuple(turns[name] if runs[n] == most else 0 for n in own.names)
        same = own.names == first_of.setdefault(name, call).source.names and own.turns == wanted
        looped = runs[name] == most or (runs[name] == 1 and not recorder.opaque(call.module))
        if not (same and looped) or stacked > 1:
            return 0
        turns[name] += 1
    return 0 if recorder.faults else most


def _not_in_sequence(recorder: Recorder) -> Iterator[tuple[str, str]]:
    """The fault of an input that is repeated before neurons that take one step at a call."""
    for call in recorder.calls:
        single = getattr(call.module, "step_mode", "s") != "m"
        if recorder.steps_of[call.name] > 1 and recorder.opaque(call.module) and single:
            name, times = next(
                (c.name, c.source.times) for c in recorder.calls if c.source.times > 1
            )
            yield (
                name,
                f"takes the model's input {times} times over; let forward take one step, and leave "
                "the steps to the network",
            )
            return


def _rerun(recorder: Recorder) -> tuple[str, str]:
    """The fault of modules that run more than once; a loop over time explains all else."""
    runs = Counter(call.name for call in recorder.calls)
    _, times = runs.most_common(1)[0]
    name = next(call.name for call in recorder.calls if runs[call.name] > 1)
    if 2 * sum(n == times for n in runs.values()) >= len(runs):
        return (
            name,
            f"runs {times} times in one call of the model; let forward take one step, "
            "and leave the loop over time to the network",
        )
    return name, f"is run more than once in a step ({runs[name]} times)"


def _ending(recorder: Recorder, out: list[Any]) -> str | None:
    """How the model returns what its last module sends: "whole", "summed" over its steps, or None."""
    name = recorder.calls[-1].name
    for ends in zip(*recorder.ends[name], strict=True):
        rows = torch.stack([end.reshape(-1) for end in ends]).reshape(
            len(ends) * recorder.steps_of[name], -1
        )
        summed = (rows.sum(0), rows.mean(0), rows[-1]) if len(rows) > 1 else ()
        for y in tensors(out):
            if same_values(y, rows):
                return "whole"
            flat = y.reshape(-1)
            if any(flat.shape == s.shape and torch.allclose(flat, s, atol=1e-5) for s in summed):
                return "summed"
    return None


def same_values(y: Tensor, last: Tensor) -> bool:
    return y.numel() == last.numel() and torch.equal(y.reshape(-1), last.reshape(-1))
