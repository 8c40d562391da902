"""Paths between the units of a foreign model, each as the synapses of a projection.

A path is delays of its senders, then weights, then delays of its receivers. Delays of a constant, and
delays that differ between two weights, are no synapses of a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F64
from delrec_compile.errors import NetworkError, UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.linear_parts import Affine, Convolution, LinearPart, Scale
from delrec_compile.interop.parts import Delays, OnPath, Peak, SynapticWeights
from delrec_compile.network import model
from delrec_compile.network.model import ConvDelay, Dense, DenseDelay, Synapses, SynapticDelay
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.checks import MAX_DELAY
from delrec_compile.ops.feed import Feed

Named = tuple[str, OnPath]


@dataclass(frozen=True, eq=False)
class Path:
    """source: name of a unit, or INPUT. parts: with their names, in order. size: values it sends.

    step_inside: the step that closing a cycle takes is part of its delays.
    """

    source: str
    parts: tuple[Named, ...]
    size: int
    step_inside: bool = False

    @property
    def key(self) -> tuple[int, ...]:
        """Equal for paths with the same parts."""
        return (self.size, self.step_inside, *(id(_weights(part)) for _, part in self.parts))


def _weights(part: OnPath) -> object:
    """What a part and the same one without its bias share."""
    if isinstance(part, Scale):
        return part.factor
    return part.kernel if isinstance(part, Convolution) else getattr(part, "weight", part)


@dataclass(frozen=True, eq=False)
class Term:
    """weights, behind delays of each sender and before delays of each receiver, in steps.

    between: delays of each weight (N_out, N_in), or None.
    """

    sent: NDArray[np.int64]
    weights: Affine | Convolution
    received: NDArray[np.int64]
    between: NDArray[np.int64] | None = None

    @property
    def constant(self) -> F64:
        """Constant current (N_out,)."""
        return self.weights.biases

    @property
    def delayed(self) -> bool:
        own = self.between is not None and self.between.any()
        return bool(own or self.sent.any() or self.received.any())

    @property
    def longest(self) -> int:
        """Steps of its longest delay, or more."""
        own = 0 if self.between is None else self.between.max()
        return int(self.sent.max() + self.received.max() + own)


def term_of(path: Path) -> Term:
    """The path as one term. Raises UnsupportedError, with the name of a part."""
    sent = np.zeros(path.size, np.int64)
    pending: list[LinearPart] = []
    late: NDArray[Any] | None = None  # of the values behind the pending weights
    each: NDArray[Any] | None = None  # of the pending weights
    last, size = "", path.size
    for name, part in path.parts:
        if isinstance(part, Delays):
            _fits(name, len(part.steps), size)
            late = _behind(name, part, pending, path.size) + (0 if late is None else late)
            last = name
            continue
        _fits(name, part.inputs, size)
        if late is not None:
            sent, late = sent + _before_weights(last, late, pending), None
        own: LinearPart
        if isinstance(part, Peak):
            pending, size, last = [_with_peak(name, part, pending)], part.outputs, name
            continue
        _only_scaled(last, part, pending)
        if isinstance(part, SynapticWeights):
            _scaled_at_most(name, pending, "before")
            last, own, each = name, linear_parts.affine(part.weight[0], part.bias), part.delay[0]
        else:
            own = part
            _scaled_at_most(name, [own] if each is not None else [], "behind")
        pending.append(own)
        size = part.outputs
    weights = linear_parts.fold(pending, path.size)
    late = np.zeros(size, np.int64) if late is None else late
    if not pending or _uniform(late):
        sent, late = sent + (late if not pending else late[0]), np.zeros(size, np.int64)
    term = Term(sent, weights, late, each)
    if path.step_inside:
        term = _sooner(path, term)
    if term.longest > MAX_DELAY:
        raise UnsupportedError(
            f"{last}: a delay of {term.longest} steps; the longest allowed is {MAX_DELAY}"
        )
    return term


def _with_peak(name: str, part: Peak, pending: list[LinearPart]) -> Convolution:
    """The convolution whose sums it takes the largest of. Raises UnsupportedError."""
    own = linear_parts.fold(pending, part.inputs) if pending else None
    if not isinstance(own, Convolution) or _has_peak(own) or own.maps.out != part.shape:
        raise UnsupportedError(
            f"{name}: takes the largest of what is neither spikes nor the sums of one convolution; put "
            "it right behind a convolution or behind neurons"
        )
    return replace(own, maps=replace(own.maps, peak=part.window))


def _has_peak(part: object) -> bool:
    return isinstance(part, Convolution) and part.maps.peak is not None


def _only_scaled(name: str, part: OnPath, before: Sequence[LinearPart]) -> None:
    """Raises UnsupportedError for what does not commute with taking the largest of sums before it."""
    if not any(_has_peak(p) for p in before):
        return
    assert isinstance(before[0], Convolution)
    places = before[0].outputs // len(before[0].bias)
    if isinstance(part, Scale) and part.factor.min() >= 0:
        own = np.reshape([part.factor, part.shift], (2, -1, places))
        if (own == own[:, :, :1]).all():
            return
    raise UnsupportedError(
        f"{name}: takes the largest of sums that go on into other weights; put neurons behind it"
    )


def _scaled_at_most(name: str, parts: Sequence[LinearPart], where: str) -> None:
    """Raises UnsupportedError if more than scales stand beside weights with delays."""
    for part in parts:
        if not isinstance(part, Scale) or (where == "before" and part.shift.any()):
            raise UnsupportedError(
                f"{name}: weights with a delay each, and other weights {where}; put neurons between"
            )


def _sooner(path: Path, term: Term) -> Term:
    """The term without the step that closing a cycle takes. Raises UnsupportedError."""
    if term.sent.min() > 0:
        return replace(term, sent=term.sent - 1)
    if term.received.min() > 0:
        return replace(term, received=term.received - 1)
    raise UnsupportedError(
        f"{path.parts[0][0] if path.parts else 'a loop'}: a feedback path of less than a step; with "
        "--no-loop-step each needs a Delay of one step or more"
    )


def _fits(name: str, taken: int, sent: int) -> None:
    if taken != sent:
        raise UnsupportedError(f"{name}: takes {taken} values, what comes before sends {sent}")


def _behind(name: str, part: Delays, pending: list[LinearPart], size: int) -> NDArray[np.int64]:
    """Its steps, unless it delays a constant. Raises UnsupportedError."""
    if part.steps.any() and pending and linear_parts.fold(pending, size).biases.any():
        raise UnsupportedError(
            f"{name}: delays weights with a bias, which would come late too; move the bias behind the "
            "delay"
        )
    return part.steps


def _before_weights(name: str, late: NDArray[Any], pending: list[LinearPart]) -> Any:
    """Delays between weights as those of the senders. Raises UnsupportedError if they differ."""
    if not pending:
        return late
    if not _uniform(late):
        raise UnsupportedError(
            f"{name}: delays that differ between values, with weights before and behind; put neurons "
            "between, or one delay for all"
        )
    return late[0]


def _uniform(steps: NDArray[Any]) -> bool:
    return bool((steps == steps[0]).all())


def synapses_of(term: Term) -> Synapses | Feed:
    """The synapses of a term. Raises NetworkError."""
    weights, delay = term.weights, term.sent.astype(np.int32)
    if term.received.any() or term.between is not None:
        if _has_peak(weights):
            raise NetworkError("the largest of sums is delayed; delay the spikes before them")
        matrix = linear_parts.dense(weights).weight.astype(np.float32)
        lags = term.received[:, None] + term.sent[None]
        lags = lags if term.between is None else lags + term.between
        longest = np.where(matrix != 0, lags, 0).max(axis=0)
        if ((lags == longest) | (matrix == 0)).all():
            return DenseDelay(matrix, longest.astype(np.int32))
        return SynapticDelay(matrix, lags.astype(np.int32))
    if isinstance(weights, Affine):
        matrix = weights.weight.astype(np.float32)
        return DenseDelay(matrix, delay) if delay.any() else Dense(matrix)
    kernel, m = weights.kernel.astype(np.float32), weights.maps
    if not delay.any():
        return model.Convolution(kernel, m)
    flat = m.height == 1 and kernel.shape[2] == 1 and m.stride[0] == 1 and m.pad[0] == 0
    flat = flat and m.node == "Maps" and m.end is None
    same = m.stride == (1, 1) and m.pad[1] == kernel.shape[3] // 2 and kernel.shape[3] % 2
    if flat and same and kernel.shape[:2] == (1, 1):
        return ConvDelay(kernel[0, 0, 0], delay)
    if not flat:
        return ChannelConvDelay.of_maps(kernel, m, delay)
    return ChannelConvDelay(kernel[:, :, 0], delay, m.height, m.stride, m.pad, m.groups)


def joined(terms: Sequence[Term]) -> list[Term]:
    """The terms of one source: products are one if they have no delays, or one for each synapse."""
    return _with_delays(_without_delays(terms))


def _with_delays(terms: Sequence[Term]) -> list[Term]:
    """Products with delays as one, if no synapse has several."""
    late = [t for t in terms if t.delayed and isinstance(t.weights, Affine) and t.between is None]
    if len(late) < 2:
        return list(terms)
    total, lags = np.zeros((late[0].weights.outputs, late[0].weights.inputs)), None
    for t in late:
        weight = linear_parts.dense(t.weights).weight
        own = np.where(weight != 0, t.received[:, None] + t.sent[None], -1)
        if weight.shape != total.shape or (lags is not None and ((lags >= 0) & (own >= 0)).any()):
            return list(terms)
        total, lags = total + weight, own if lags is None else np.maximum(lags, own)
    assert lags is not None
    constant = np.sum([t.constant for t in late], axis=0)
    none = np.zeros_like(late[0].sent), np.zeros_like(late[0].received)
    made = Term(none[0], Affine(total, constant), none[1], np.maximum(lags, 0))
    return [*(t for t in terms if t not in late), made]


def _without_delays(terms: Sequence[Term]) -> list[Term]:
    plain = [t for t in terms if not t.delayed and isinstance(t.weights, Affine)]
    if len(plain) < 2:
        return list(terms)
    dense = [linear_parts.dense(t.weights) for t in plain]
    total = Affine(
        np.sum([d.weight for d in dense], axis=0), np.sum([d.bias for d in dense], axis=0)
    )
    first = replace(plain[0], weights=total)
    return [first, *(t for t in terms if t not in plain)]
