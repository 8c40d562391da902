"""Torch models: which module feeds which, traced by running one step.

A model may be any module, as long as each of its parts takes exactly the output of the part before
it, perhaps in another shape; a computation between modules is refused, as networks have none. In
that step, random numbers replace the output of each module, so that no operation on it goes
unnoticed, as it could on spikes that are all zero; and the output itself must be what the network
computes from the same input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.linear_parts import LinearPart
from delrec_compile.interop.torch_model import TorchModel, first
from delrec_compile.network.tolerances import ONE_CALL

Predicate = Callable[[nn.Module], bool]
PASS_THROUGH = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.Flatten)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


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


def add_torch_module(call: Call, chain: Chain) -> bool:
    """Adds a module of PyTorch itself to the chain. Returns False for one that networks do not have.

    Raises UnsupportedError for a module with options that networks do not have.
    """
    m, name = call.module, call.name
    if isinstance(m, PASS_THROUGH):
        if not _equal(call.y, call.x):
            raise _mismatch(call)
        return True
    if isinstance(m, nn.Linear):
        if m.in_features != call.size:
            raise UnsupportedError(
                f"{name}: a Linear over the last of several axes; flatten before"
            )
        part: LinearPart = linear_parts.affine(array(m.weight), _optional(m.bias))
    elif isinstance(m, nn.Conv1d | nn.Conv2d):
        if any(d != 1 for d in m.dilation) or m.padding_mode != "zeros":
            raise UnsupportedError(f"{name}: a convolution with dilation, or not padded with zeros")
        shape = call.shape[-3:] if isinstance(m, nn.Conv2d) else call.shape[-2:]
        kernel, bias = array(m.weight), _optional(m.bias)
        part = linear_parts.convolution(kernel, bias, shape, m.stride, m.padding, m.groups)
    elif isinstance(m, NORMS):
        if m.running_mean is None or m.running_var is None:
            raise UnsupportedError(f"{name}: a BatchNorm without running statistics")
        mean, variance = array(m.running_mean), array(m.running_var)
        scale = linear_parts.batch_norm(
            mean, variance, m.eps, _optional(m.weight), _optional(m.bias)
        )
        part = linear_parts.per_channel(*scale, (len(mean), call.size // len(mean)))
    elif isinstance(m, nn.AvgPool1d | nn.AvgPool2d):
        padded = any(np.ravel(m.padding)) and not m.count_include_pad
        if padded or m.ceil_mode or getattr(m, "divisor_override", None):
            raise UnsupportedError(f"{name}: a mean whose windows differ at the edges")
        shape = call.shape[-3:] if isinstance(m, nn.AvgPool2d) else call.shape[-2:]
        part = linear_parts.pooling("mean", m.kernel_size, m.stride, m.padding, shape)
    else:
        return False
    add_part(call, part, chain)
    return True


def add_part(call: Call, part: LinearPart, chain: Chain) -> None:
    """Adds a linear part after `check_output`. Raises UnsupportedError."""
    check_output(call, part)
    chain.add(call.name, part)


def check_output(call: Call, part: LinearPart) -> None:
    """Raises UnsupportedError if the output of the module is not that of the part."""
    if not call.y.isfinite().all():
        raise UnsupportedError(
            f"{call.name}: its output is not finite; check its weights and statistics for NaN and inf"
        )
    if part.inputs == call.size:
        expected = part.linear(array(call.x)[None])[0] + part.biases
        y = array(call.y)
        if (
            expected.shape != y.shape
            or np.abs(expected - y).max() > ONE_CALL * np.abs(expected).max()
        ):
            raise _mismatch(call)


def _mismatch(call: Call) -> UnsupportedError:
    kind = next(c.__name__ for c in type(call.module).__mro__ if c.__module__.startswith("torch."))
    return UnsupportedError(
        f"{call.name}: its output is not that of a {kind} with its weights; networks have no custom "
        "forward, hook or parametrisation"
    )


def unsupported(call: Call, framework: str) -> UnsupportedError:
    """The error for a module that networks do not have."""
    return UnsupportedError(
        f"{call.name}: networks have no {type(call.module).__name__}; docs/import.md lists what is "
        f"supported of {framework}"
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


def array(tensor: Any) -> NDArray[np.float64]:
    """A tensor or a number in float64."""
    if isinstance(tensor, Tensor):
        return np.asarray(tensor.detach().cpu().double().numpy())
    return np.asarray(tensor, np.float64)


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
    if not any(_equal(y, end) for y in tensors(out) for end in recorder.ends):
        raise UnsupportedError(
            f"the model's output is not that of its last module, '{names[-1]}': networks compute "
            "nothing after it"
        )


def _equal(y: Tensor, last: Tensor) -> bool:
    return y.numel() == last.numel() and torch.equal(y.reshape(-1), last.reshape(-1))


def _with_first(value: Any, instead: Tensor) -> Any:
    """The value with its first tensor replaced."""
    if isinstance(value, Tensor):
        return instead
    return type(value)([_with_first(value[0], instead), *value[1:]])


def _optional(tensor: Any) -> Any:
    return None if tensor is None else array(tensor)
