"""Torch models: which module feeds which, traced by running one step.

A model may be any module, as long as each of its parts takes exactly the output of the part before
it, perhaps in another shape; a computation between modules is refused, as networks have none. In
that step, random numbers replace the output of each module, so that no operation on it goes
unnoticed, as it could on spikes that are all zero; and the output itself must be what the network
computes from the same input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.result import Imported
from delrec_compile.interop.torch_model import TorchModel, WatchedModel, first
from delrec_compile.network import grid

Predicate = Callable[[nn.Module], bool]


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a module. shape: of its input, of one step and sequence. x, y: input, output, flat."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    size: int
    x: Tensor
    y: Tensor


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
    faults: list[str]
    ends: list[Tensor]

    def before(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        x = inputs[0]
        if not _same(x, *self.sent):
            behind = f"'{self.calls[-1].name}'" if self.calls else "the input"
            self.faults.append(
                f"{self.names[module]}: its input is not the output of {behind}; a network's layers are "
                "in one row, with nothing computed between them"
            )
        flat = x.detach().clone().reshape(-1)
        self.calls.append(Call(self.names[module], module, tuple(x.shape), x.numel(), flat, flat))

    def after(self, module: nn.Module, _inputs: Any, outputs: Any) -> Any:
        y = first(outputs)
        self.calls[-1] = replace(self.calls[-1], y=y.detach().clone().reshape(-1))
        instead = torch.randn(y.shape, generator=self.generator).to(y)
        self.sent = instead, instead.clone()
        self.ends = [self.sent[1]]
        if self.never_fires(module):
            self.ends += [v.detach().clone() for v in tensors(outputs)]
        return _with_first(outputs, instead)


def trace(
    model: TorchModel, opaque: Predicate, never_fires: Predicate = lambda _: False
) -> list[Call]:
    """Calls of the modules in one step, in order.

    opaque: modules whose own parts are not traced, such as neurons. never_fires: those of them whose
    membrane may be the output of the model. Raises UnsupportedError if the model computes something
    between its modules, and UsageError if it does not run on an input of this shape.
    """
    names = dict(_leaves(model.module, opaque, ""))
    for m, name in names.items():
        if opaque(m) and any(c._forward_hooks or c._forward_pre_hooks for c in m.modules()):
            raise UnsupportedError(
                f"{name}: neurons with hooks; remove the hooks, as networks have none"
            )
    generator = torch.Generator().manual_seed(0)
    sample = torch.poisson(torch.ones(1, 1, int(np.prod(model.shape))), generator=generator)
    recorder = _Recorder(names, never_fires, (sample, sample.clone()), generator, [], [], [])
    handles = [m.register_forward_pre_hook(recorder.before) for m in names]
    handles += [m.register_forward_hook(recorder.after) for m in names]
    try:
        out = model.run(sample)
    except Exception as error:
        raise UsageError(
            f"the model does not run on one step of shape {[1, *model.shape]} ({error}); pass the "
            "right input shape, and a model that takes its input only"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
        model.reset()
    _check(recorder, out)
    return recorder.calls


def output_remarks(model: TorchModel) -> list[str]:
    """A remark on a model that returns one output for all steps, or none."""
    if not model.takes_sequences:
        return []
    sample = torch.zeros(1, 1, int(np.prod(model.shape)))
    sizes = [sum(y.numel() for y in tensors(model.run(sample.repeat(n, 1, 1)))) for n in (1, 2)]
    model.reset()
    if sizes[0] != sizes[1]:
        return []
    return [
        "the model returns one output for all steps; the network returns one per step, and its "
        "decision combines them"
    ]


def imported(
    model: TorchModel, chain: Chain, neurons: Sequence[nn.Module], **options: Any
) -> Imported:
    """The network of a traced model. neurons: its spiking layers. options: of `Chain.network`."""
    network = chain.network(**options, notes={"imported_from": model.name})
    return Imported(
        grid.snap(network),
        network,
        model.name,
        tuple(chain.remarks),
        WatchedModel(model, tuple(neurons)),
        spiking := chain.spiking_layers(),
        tuple(chain.layers()[i][0] for i in spiking),
    )


def input_shape(
    module: nn.Module,
    shape: tuple[int, ...] | None,
    inputs_of: Callable[[Any], int] = lambda _: 0,
) -> tuple[int, ...]:
    """Shape of one input of one step: `shape`, or the size of the first layer's weights.

    inputs_of: number of inputs of a module of the framework, or 0. Raises UsageError.
    """
    if shape is not None:
        return tuple(int(n) for n in shape)
    for m in module.modules():
        if inputs := inputs_of(m):
            return (inputs,)
        if isinstance(m, nn.Conv1d | nn.Conv2d):
            break
        if isinstance(m, nn.Linear):
            return (m.in_features,)
    raise UsageError(
        "the shape of the model's input is unknown; pass it, such as input_shape=(2, 34, 34) "
        "or --input-shape 2x34x34"
    )


def tensors(value: Any) -> Iterator[Tensor]:
    """Yields all tensors in a value."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors(part)


def _leaves(module: nn.Module, opaque: Predicate, path: str) -> Iterator[tuple[nn.Module, str]]:
    children = list(module.named_children())
    if opaque(module) or not children:
        yield module, path or type(module).__name__
        return
    for name, child in children:
        yield from _leaves(child, opaque, f"{path}.{name}" if path else name)


def _same(x: Any, y: Tensor, values: Tensor) -> bool:
    """Whether x is `y`, in the same memory with the same values, in any shape."""
    if not isinstance(x, Tensor) or x.numel() != y.numel():
        return False
    here, there = (t.untyped_storage().data_ptr() for t in (x, y))
    return here == there and torch.equal(x.reshape(-1), values.reshape(-1))


def _check(recorder: _Recorder, out: list[Any]) -> None:
    if not recorder.calls:
        raise UnsupportedError("the model ran none of its modules")
    if recorder.faults:
        raise UnsupportedError(recorder.faults[0])
    names = [call.name for call in recorder.calls]
    for name in names:
        if names.count(name) > 1:
            raise UnsupportedError(f"{name}: is run more than once in a step")
    if not any(same_values(y, end) for y in tensors(out) for end in recorder.ends):
        raise UnsupportedError(
            f"the model's output is not that of its last module, '{names[-1]}': networks compute "
            "nothing after it"
        )


def same_values(y: Tensor, last: Tensor) -> bool:
    return y.numel() == last.numel() and torch.equal(y.reshape(-1), last.reshape(-1))


def _with_first(value: Any, instead: Tensor) -> Any:
    """The value with its first tensor replaced."""
    if isinstance(value, Tensor):
        return instead
    return type(value)([_with_first(value[0], instead), *value[1:]])
