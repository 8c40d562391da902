"""Live torch models: which module feeds which, found by running one step, and their spikes.

A model may be any module, as long as each of its parts takes just what the part before it gave,
perhaps in another shape: what is computed between modules has no place in a network and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.imports import feeds
from delrec_compile.imports.chain import Chain

F32 = NDArray[np.float32]
Opaque = Callable[[nn.Module], bool]
NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.Flatten)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True, eq=False)
class Call:
    """A module that was run. shape: of the tensor it took, of one step of one sequence."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    size: int


@dataclass(frozen=True, eq=False)
class Live:
    """A model and how to run it.

    whole: it takes all steps at once, (T, batch, ...). reset: gives it a fresh state. stateful: it
    takes a state beside its input and returns the next one.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    reset: Callable[[], None]
    whole: bool = False
    stateful: bool = False

    def run(self, x: Tensor) -> list[Any]:
        """x: (T, batch, inputs). Returns what each call of the model returned."""
        x = x.reshape(*x.shape[:2], *self.shape)
        self.reset()
        with evaluated(self.module):
            if self.whole:
                return [self.module(x)]
            if not self.stateful:
                return [self.module(row) for row in x]
            out, state = [], None
            for row in x:
                y, state = self.module(row, state)
                out.append(y)
            return out


@dataclass(frozen=True, eq=False)
class Watched:
    """A live model whose spiking layers are listened to."""

    live: Live
    neurons: tuple[nn.Module, ...]

    @property
    def name(self) -> str:
        return self.live.name

    def spikes(self, x: F32) -> list[F32]:
        """x: (T, batch, inputs). Returns the spikes (T, batch, N) of each spiking layer."""
        heard: list[list[Tensor]] = [[] for _ in self.neurons]
        handles = [
            module.register_forward_hook(lambda _m, _x, y, kept=kept: kept.append(first(y)))
            for module, kept in zip(self.neurons, heard, strict=True)
        ]
        try:
            self.live.run(torch.from_numpy(np.ascontiguousarray(x)))
        finally:
            for handle in handles:
                handle.remove()
        return [_over_time(kept, len(x), x.shape[1]) for kept in heard]


def trace(live: Live, opaque: Opaque) -> list[Call]:
    """The modules of one step in order.

    opaque: modules that are taken whole, such as neurons. Raises UnsupportedError where the model
    computes something between its modules, and UsageError where it does not run on such an input.
    """
    names = dict(_leaves(live.module, opaque, ""))
    calls: list[Call] = []
    own = torch.Generator().manual_seed(0)
    sample = torch.poisson(torch.ones(1, 1, int(np.prod(live.shape))), generator=own)
    kept: list[tuple[Tensor, Tensor]] = [(sample, sample.clone())]
    faults: list[str] = []

    def before(module: nn.Module, given: tuple[Any, ...]) -> None:
        x = given[0]
        if not _same(x, *kept[-1]):
            behind = f"'{calls[-1].name}'" if calls else "the input"
            faults.append(
                f"{names[module]}: does not take what {behind} gave; a network's layers are in one "
                "row, with nothing computed between them"
            )
        calls.append(Call(names[module], module, tuple(x.shape), x.numel()))

    def after(_module: nn.Module, _given: Any, gave: Any) -> None:
        y = first(gave)
        kept.append((y, y.detach().clone()))

    handles = [m.register_forward_pre_hook(before) for m in names]
    handles += [m.register_forward_hook(after) for m in names]
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
    _checked(calls, faults, out, kept[-1][1])
    return calls


def plain(call: Call, chain: Chain) -> bool:
    """Adds a module of PyTorch itself to the chain; False where it is none that networks have."""
    m, name = call.module, call.name
    if isinstance(m, NOTHING):
        return True
    if isinstance(m, nn.Linear):
        if m.in_features != call.size:
            raise UnsupportedError(
                f"{name}: a Linear over the last of several axes; flatten before"
            )
        chain.add(name, feeds.affine(array(m.weight), _optional(m.bias)))
    elif isinstance(m, nn.Conv1d | nn.Conv2d):
        if any(d != 1 for d in m.dilation) or m.padding_mode != "zeros":
            raise UnsupportedError(f"{name}: a convolution with dilation, or not padded with zeros")
        shape = call.shape[-3:] if isinstance(m, nn.Conv2d) else call.shape[-2:]
        kernel, bias = array(m.weight), _optional(m.bias)
        chain.add(name, feeds.convolution(kernel, bias, shape, m.stride, m.padding, m.groups))
    elif isinstance(m, NORMS):
        if m.running_mean is None or m.running_var is None:
            raise UnsupportedError(f"{name}: a BatchNorm without running statistics")
        mean, variance = array(m.running_mean), array(m.running_var)
        scale = feeds.batch_norm(mean, variance, m.eps, _optional(m.weight), _optional(m.bias))
        chain.add(name, feeds.per_channel(*scale, (len(mean), call.size // len(mean))))
    elif isinstance(m, nn.AvgPool1d | nn.AvgPool2d):
        padded = any(np.ravel(m.padding)) and not m.count_include_pad
        if padded or m.ceil_mode or getattr(m, "divisor_override", None):
            raise UnsupportedError(f"{name}: a mean whose windows differ at the edges")
        shape = call.shape[-3:] if isinstance(m, nn.AvgPool2d) else call.shape[-2:]
        chain.add(name, feeds.pooling("mean", m.kernel_size, m.stride, m.padding, shape))
    else:
        return False
    return True


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


def first(value: Any) -> Tensor:
    """The tensor, or the first one of several: the spikes of a neuron that gives a state too."""
    while isinstance(value, tuple | list):
        value = value[0]
    assert isinstance(value, Tensor)
    return value


def array(tensor: Any) -> NDArray[np.float64]:
    """A tensor or a number in float64."""
    if isinstance(tensor, Tensor):
        return np.asarray(tensor.detach().cpu().double().numpy())
    return np.asarray(tensor, np.float64)


@contextmanager
def evaluated(module: nn.Module) -> Iterator[None]:
    """The module as it infers, without gradients; afterwards as it was."""
    modes = {m: m.training for m in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for m, mode in modes.items():
            m.training = mode


def _leaves(module: nn.Module, opaque: Opaque, path: str) -> Iterator[tuple[nn.Module, str]]:
    children = list(module.named_children())
    if opaque(module) or not children:
        yield module, path or type(module).__name__
        return
    for name, child in children:
        yield from _leaves(child, opaque, f"{path}.{name}" if path else name)


def _over_time(kept: list[Tensor], steps: int, batch: int) -> F32:
    """(T, batch, N) from one tensor a step, or one of all steps."""
    joined = torch.stack(kept) if len(kept) > 1 or steps == 1 else kept[0]
    return np.asarray(joined.detach().float().reshape(steps, batch, -1).numpy())


def _same(x: Any, gave: Tensor, values: Tensor) -> bool:
    """Whether it is the same numbers in the same memory, in any shape."""
    if not isinstance(x, Tensor) or x.numel() != gave.numel():
        return False
    here, there = (t.untyped_storage().data_ptr() for t in (x, gave))
    return here == there and torch.equal(x.reshape(-1), values.reshape(-1))


def _checked(calls: list[Call], faults: list[str], out: list[Any], last: Tensor) -> None:
    if not calls:
        raise UnsupportedError("the model ran none of its modules")
    if faults:
        raise UnsupportedError(faults[0])
    names = [call.name for call in calls]
    for name in names:
        if names.count(name) > 1:
            raise UnsupportedError(f"{name}: is run more than once in a step")
    if not any(_equal(y, last) for y in _tensors(out)):
        raise UnsupportedError(
            f"the model's output is not that of its last module, '{names[-1]}': what is computed "
            "after it has no place in a network"
        )


def _equal(y: Tensor, last: Tensor) -> bool:
    return y.numel() == last.numel() and torch.equal(y.reshape(-1), last.reshape(-1))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)


def _optional(tensor: Any) -> Any:
    return None if tensor is None else array(tensor)
