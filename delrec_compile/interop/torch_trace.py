"""Live torch models: which module feeds which, found by running one step.

A model may be any module, as long as each of its parts takes just what the part before it gave,
perhaps in another shape: what is computed between modules has no place in a network and is refused.
In that step each module gives random numbers in place of its own, so that nothing that is done to
them goes unseen, as it could on spikes that are all zero; and what it gave of its own must be what
the network computes of the same input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.linear_parts import Feed
from delrec_compile.interop.torch_model import Live, first

Chosen = Callable[[nn.Module], bool]
NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.Flatten)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
NEAR = 1e-4  # of the largest value: another order of a float32 sum


@dataclass(frozen=True, eq=False)
class Call:
    """A module that was run. shape: of the tensor it took, of one step of one sequence.

    took, gave: their values, flat.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    size: int
    took: Tensor
    gave: Tensor


@dataclass(eq=False)
class _Watch:
    """What the hooks of a trace see. sent: of the module that ran last, what the next has to take."""

    names: dict[nn.Module, str]
    quiet: Chosen
    sent: tuple[Tensor, Tensor]
    own: torch.Generator
    calls: list[Call]
    faults: list[str]
    ends: list[Tensor]  # of the module that ran last, what the model may return

    def before(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        x = given[0]
        if not _same(x, *self.sent):
            behind = f"'{self.calls[-1].name}'" if self.calls else "the input"
            self.faults.append(
                f"{self.names[module]}: does not take what {behind} gave; a network's layers are in "
                "one row, with nothing computed between them"
            )
        took = x.detach().clone().reshape(-1)
        self.calls.append(Call(self.names[module], module, tuple(x.shape), x.numel(), took, took))

    def after(self, module: nn.Module, _given: Any, gave: Any) -> Any:
        y, call = first(gave), self.calls[-1]
        self.calls[-1] = Call(**{**vars(call), "gave": y.detach().clone().reshape(-1)})
        instead = torch.randn(y.shape, generator=self.own).to(y)
        self.sent = instead, instead.clone()
        self.ends = [self.sent[1]]
        if self.quiet(module):
            self.ends += [v.detach().clone() for v in tensors(gave)]
        return _with_first(gave, instead)


def trace(live: Live, opaque: Chosen, quiet: Chosen = lambda _: False) -> list[Call]:
    """The modules of one step in order.

    opaque: modules that are taken whole, such as neurons. quiet: those of them that never fire,
    whose membrane may be what the model returns. Raises UnsupportedError where the model computes
    something between its modules, and UsageError where it does not run on such an input.
    """
    names = dict(_leaves(live.module, opaque, ""))
    for m, name in names.items():
        if opaque(m) and any(c._forward_hooks or c._forward_pre_hooks for c in m.modules()):
            raise UnsupportedError(f"{name}: neurons with hooks; remove them, a network has none")
    own = torch.Generator().manual_seed(0)
    sample = torch.poisson(torch.ones(1, 1, int(np.prod(live.shape))), generator=own)
    watch = _Watch(names, quiet, (sample, sample.clone()), own, [], [], [])
    handles = [m.register_forward_pre_hook(watch.before) for m in names]
    handles += [m.register_forward_hook(watch.after) for m in names]
    try:
        out = live.run(sample)
    except Exception as error:
        raise UsageError(
            f"the model does not run on one step of shape {[1, *live.shape]} ({error}); give the "
            "right input shape, and a model that takes nothing but its input"
        ) from error
    finally:
        for handle in handles:
            handle.remove()
        live.reset()
    _checked(watch, out)
    return watch.calls


def reduced(live: Live) -> list[str]:
    """A remark where a model of whole sequences gives one output for all steps."""
    if not live.whole:
        return []
    sample = torch.zeros(1, 1, int(np.prod(live.shape)))
    sizes = [sum(y.numel() for y in tensors(live.run(sample.repeat(n, 1, 1)))) for n in (1, 2)]
    live.reset()
    if sizes[0] != sizes[1]:
        return []
    return [
        "the model gives one output for all steps; the network gives that of each step, and its "
        "decision says how they become one"
    ]


def plain(call: Call, chain: Chain) -> bool:
    """Adds a module of PyTorch itself to the chain; False where it is none that networks have."""
    m, name = call.module, call.name
    if isinstance(m, NOTHING):
        if not _equal(call.gave, call.took):
            raise _unlike(call)
        return True
    if isinstance(m, nn.Linear):
        if m.in_features != call.size:
            raise UnsupportedError(
                f"{name}: a Linear over the last of several axes; flatten before"
            )
        part: Feed = linear_parts.affine(array(m.weight), _optional(m.bias))
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
    add(call, part, chain)
    return True


def add(call: Call, part: Feed, chain: Chain) -> None:
    """Adds a linear part, having seen that the module gave the same. Raises UnsupportedError."""
    agrees(call, part)
    chain.add(call.name, part)


def agrees(call: Call, part: Feed) -> None:
    """Raises UnsupportedError where the module did not give what the part gives."""
    if not call.gave.isfinite().all():
        raise UnsupportedError(
            f"{call.name}: gives numbers that are not finite; its weights or statistics hold some"
        )
    if part.inputs == call.size:
        want = part.linear(array(call.took)[None])[0] + part.biases
        have = array(call.gave)
        if want.shape != have.shape or np.abs(want - have).max() > NEAR * np.abs(want).max():
            raise _unlike(call)


def _unlike(call: Call) -> UnsupportedError:
    kind = next(c.__name__ for c in type(call.module).__mro__ if c.__module__.startswith("torch."))
    return UnsupportedError(
        f"{call.name}: does not give what a {kind} gives with its weights; a network has no forward, "
        "hook or parametrisation of a module's own"
    )


def refused(call: Call, framework: str) -> UnsupportedError:
    """Of a module that networks do not have."""
    return UnsupportedError(
        f"{call.name}: networks have no {type(call.module).__name__}; docs/import.md lists what is "
        f"read of {framework}"
    )


def input_shape(
    module: nn.Module, given: tuple[int, ...] | None, known: Callable[[Any], int] = lambda _: 0
) -> tuple[int, ...]:
    """Of one step, without the batch; where none is given, that of the first layer's weights.

    known: how many inputs a module of the framework takes, or 0.
    """
    if given is not None:
        return tuple(int(n) for n in given)
    for m in module.modules():
        if inputs := known(m):
            return (inputs,)
        if isinstance(m, nn.Conv1d | nn.Conv2d):
            break
        if isinstance(m, nn.Linear):
            return (m.in_features,)
    raise UsageError(
        "the model does not say what shape its input has; give it, such as input_shape=(2, 34, 34) "
        "or --input-shape 2x34x34"
    )


def tensors(value: Any) -> Iterator[Tensor]:
    """All in a value, one after another."""
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


def _leaves(module: nn.Module, opaque: Chosen, path: str) -> Iterator[tuple[nn.Module, str]]:
    children = list(module.named_children())
    if opaque(module) or not children:
        yield module, path or type(module).__name__
        return
    for name, child in children:
        yield from _leaves(child, opaque, f"{path}.{name}" if path else name)


def _same(x: Any, gave: Tensor, values: Tensor) -> bool:
    """Whether it is the same numbers in the same memory, in any shape."""
    if not isinstance(x, Tensor) or x.numel() != gave.numel():
        return False
    here, there = (t.untyped_storage().data_ptr() for t in (x, gave))
    return here == there and torch.equal(x.reshape(-1), values.reshape(-1))


def _checked(watch: _Watch, out: list[Any]) -> None:
    if not watch.calls:
        raise UnsupportedError("the model ran none of its modules")
    if watch.faults:
        raise UnsupportedError(watch.faults[0])
    names = [call.name for call in watch.calls]
    for name in names:
        if names.count(name) > 1:
            raise UnsupportedError(f"{name}: is run more than once in a step")
    if not any(_equal(y, end) for y in tensors(out) for end in watch.ends):
        raise UnsupportedError(
            f"the model's output is not that of its last module, '{names[-1]}': what is computed "
            "after it has no place in a network"
        )


def _equal(y: Tensor, last: Tensor) -> bool:
    return y.numel() == last.numel() and torch.equal(y.reshape(-1), last.reshape(-1))


def _with_first(value: Any, instead: Tensor) -> Any:
    """The value with `first` of it replaced."""
    if isinstance(value, Tensor):
        return instead
    return type(value)([_with_first(value[0], instead), *value[1:]])


def _optional(tensor: Any) -> Any:
    return None if tensor is None else array(tensor)
