"""Torch models: which module feeds which, traced by running one step.

A model may be any module, as long as each of its parts takes exactly the output of the part before
it, perhaps in another shape; a computation between modules is refused, as networks have none. In
that step, random numbers replace the output of each module, so that no operation on it goes
unnoticed, as it could on spikes that are all zero; and the output itself must be what the network
computes from the same input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.interop.torch_model import TorchModel, first
from delrec_compile.interop.torch_units import Predicate, holds_values, units


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a module. shape: of its input, of one step and sequence. x, y: input, output, flat."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    size: int
    x: Tensor
    y: Tensor


@dataclass(frozen=True, eq=False)
class Trace:
    """The calls of one step in order, the first of each module; faults: name of a module, and why."""

    calls: tuple[Call, ...]
    faults: tuple[tuple[str, str], ...]


@dataclass(eq=False)
class _Recorder:
    """The hooks of a trace, and what they record.

    sent: output of the last module, which the next must take, and a copy of its values. ends: the
    tensors of the last module that the model may return.
    """

    names: dict[nn.Module, str]
    never_fires: Predicate
    sent: tuple[Tensor, Tensor]
    generator: torch.Generator
    calls: list[Call]
    faults: list[tuple[str, str]]
    ends: list[Tensor]

    def before(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        x, name = inputs[0], self.names[module]
        if not _same(x, *self.sent):
            self.faults.append((name, self._other_input(x)))
        flat = x.detach().clone().reshape(-1)
        self.calls.append(Call(name, module, tuple(x.shape), x.numel(), flat, flat))

    def _other_input(self, x: Any) -> str:
        size = self.sent[1].numel()
        times = x.numel() // size if isinstance(x, Tensor) and size else 0
        if (
            not self.calls
            and times > 1
            and torch.equal(x.reshape(-1), _repeated(self.sent[1], times))
        ):
            return (
                f"takes the model's input {times} times over; let forward take one step, and leave "
                "the steps to the network"
            )
        behind = f"'{self.calls[-1].name}'" if self.calls else "the input"
        return (
            f"its input is not the output of {behind}; a network's layers are in one row, with "
            "nothing computed between them"
        )

    def after(self, module: nn.Module, _inputs: Any, outputs: Any) -> Any:
        y = first(outputs)
        self.calls[-1] = replace(self.calls[-1], y=y.detach().clone().reshape(-1))
        instead = torch.randn(y.shape, generator=self.generator).to(y)
        self.sent = instead, instead.clone()
        self.ends = [self.sent[1]]
        if self.never_fires(module):
            self.ends += [v.detach().clone() for v in tensors(outputs)]
        return _with_first(outputs, instead)


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
    recorder = _Recorder(names, never_fires, (sample, sample.clone()), generator, [], [], [])
    handles = [m.register_forward_pre_hook(recorder.before) for m in names]
    handles += [m.register_forward_hook(recorder.after) for m in names]
    try:
        out = model.run(sample)
    except Exception as error:
        if model.takes_sequences and _takes_a_step(model, sample):
            raise UnsupportedError(
                "the model takes one input and makes its steps itself; let forward take one step, or "
                "all steps as (steps, batch, inputs)"
            ) from error
        raise UsageError(
            f"the model does not run on one step of shape {[1, *model.shape]} ({error}); pass the "
            "right input shape, and a model that takes its input only"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
        model.reset()
    if not recorder.calls:
        raise UnsupportedError("the model ran none of its modules")
    return Trace(
        tuple({c.name: c for c in reversed(recorder.calls)}.values())[::-1], _faults(recorder, out)
    )


def _takes_a_step(model: TorchModel, sample: Tensor) -> bool:
    """Whether the model runs on an input without an axis of steps."""
    try:
        replace(model, takes_sequences=False).run(sample)
    except Exception:
        return False
    return True


def tensors(value: Any) -> Iterator[Tensor]:
    """Yields all tensors in a value."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors(part)


def _faults(recorder: _Recorder, out: list[Any]) -> tuple[tuple[str, str], ...]:
    """What is wrong with the calls; a loop over time explains all else."""
    runs = Counter(call.name for call in recorder.calls)
    name, times = runs.most_common(1)[0]
    if times > 1:
        name = next(call.name for call in recorder.calls if runs[call.name] > 1)
        if 2 * sum(n == times for n in runs.values()) >= len(runs):
            return (
                (
                    name,
                    f"runs {times} times in one call of the model; let forward take one step, "
                    "and leave the loop over time to the network",
                ),
            )
        return ((name, f"is run more than once in a step ({runs[name]} times)"),)
    faults = list(recorder.faults)
    if not any(same_values(y, end) for y in tensors(out) for end in recorder.ends):
        name = recorder.calls[-1].name
        faults.append(
            (
                name,
                f"the model's output is not that of its last module, '{name}': networks compute "
                "nothing after it",
            )
        )
    return tuple(faults)


def _same(x: Any, y: Tensor, values: Tensor) -> bool:
    """Whether x is `y`, in the same memory with the same values, in any shape."""
    if not isinstance(x, Tensor) or x.numel() != y.numel():
        return False
    here, there = (t.untyped_storage().data_ptr() for t in (x, y))
    return here == there and torch.equal(x.reshape(-1), values.reshape(-1))


def _repeated(values: Tensor, times: int) -> Tensor:
    return values.reshape(-1).repeat(times)


def same_values(y: Tensor, last: Tensor) -> bool:
    return y.numel() == last.numel() and torch.equal(y.reshape(-1), last.reshape(-1))


def _with_first(value: Any, instead: Tensor) -> Any:
    """The value with its first tensor replaced."""
    if isinstance(value, Tensor):
        return instead
    return type(value)([_with_first(value[0], instead), *value[1:]])
