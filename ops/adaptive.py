"""Shared parts of the adaptive neurons, `alif` and `adlif`: constants, refractory period, all forms.

Their state holds the membrane before its reset. So the spike of the step before is known from it,

    rested = v < level                 a NaN is not rested: it is reset
    r      = where(rested, v, reset)   the membrane after the reset

and reset and adaptation take effect in the step after the spike, in every variant that is published.

Both may have a refractory period: `ops.refractory`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import refractory
from delrec_compile.ops.adaptive_tir import AdaptiveTile, scalar_table
from delrec_compile.ops.checks import one_size
from delrec_compile.ops.constants import Number, number
from delrec_compile.ops.neuron import BROKEN, Neuron
from delrec_compile.ops.refractory import REFRACTORY, WAITS

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.ops.nodes import Node, NodeWriter

Where = Callable[[Any, Any, Any], Any]  # `numpy.where`, or torch's


class Adaptive(Neuron):
    """A neuron of constants `numbers`, float32 values, and `choices`: fields with a few allowed words.

    adaptation: name of the state variable beside the membrane, and its meaning. `form` and `of_form`:
    name of the ONNX function of the choices, and back. Raises NetworkError.
    """

    numbers: ClassVar[tuple[str, ...]]
    choices: ClassVar[Mapping[str, tuple[str, ...]]]
    adaptation: ClassVar[tuple[str, str]]
    tile_class: ClassVar[type[AdaptiveTile]]
    threshold: Number
    v_reset: Number
    gain: Number
    refractory: Number
    fires: str
    reset: str

    def __post_init__(self) -> None:
        for name in (*self.numbers, REFRACTORY):
            object.__setattr__(self, name, number(self.kind, name, getattr(self, name)))
        for name, allowed in self.choices.items():
            if getattr(self, name) not in allowed:
                raise NetworkError(
                    f"{self.kind}: unknown {name} '{getattr(self, name)}'; "
                    f"allowed: {', '.join(allowed)}"
                )
        one_size(self.kind, self.arrays())
        for name, test, required in self._bounds():
            self.require(name, test(getattr(self, name)), required)
        self.require("v_reset", self.v_reset < self.threshold, "a value below the threshold")

    def _bounds(self) -> list[tuple[str, Callable[[Any], Any], str]]:
        """What each constant must satisfy: its name, the test, and the test in words."""
        return [
            ("beta", lambda x: (x >= 0) & (x <= 1), "0 <= beta <= 1"),
            ("rho", lambda x: (x >= 0) & (x <= 1), "0 <= rho <= 1"),
            ("gain", lambda x: x > 0, "a positive number"),
            ("threshold", lambda x: x > 0, "a positive number"),
            (REFRACTORY, refractory.is_period, refractory.ALLOWED),
        ]

    def require(self, name: str, holds: Any, allowed: str) -> None:
        holds = np.asarray(holds)
        if holds.all():
            return
        at = int(np.flatnonzero(~np.atleast_1d(holds))[0])
        value = np.atleast_1d(getattr(self, name))
        where = f"[{at}]" if value.size > 1 else ""
        raise NetworkError(
            f"{self.kind}: {name}{where} is {value[min(at, value.size - 1)]}; {allowed} is required"
        )

    @property
    def states(self) -> Mapping[str, str]:
        """See `Neuron.states`."""
        name, meaning = self.adaptation
        own = {"v": "membrane before reset", name: meaning}
        return own | ({REFRACTORY: refractory.MEANING} if self.is_refractory else {})

    @cached_property
    def is_refractory(self) -> bool:
        """Whether any neuron has a refractory period."""
        return bool(np.any(np.asarray(self.refractory) > 0))

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the constants that its step reads."""
        return (*self.numbers, REFRACTORY) if self.is_refractory else self.numbers

    def arrays(self) -> dict[str, F32]:
        """See `Neuron.arrays`."""
        own = {name: getattr(self, name) for name in (*self.numbers, REFRACTORY)}
        return {name: value for name, value in own.items() if isinstance(value, np.ndarray)}

    def attributes(self) -> dict[str, Any]:
        """See `Neuron.attributes`; what has a default only where it differs from it."""
        own = {k: getattr(self, k) for k in (*self.numbers, *self.choices, REFRACTORY)}
        return {
            name: value
            for name, value in own.items()
            if not isinstance(value, np.ndarray) and value != getattr(type(self), name, None)
        }

    def summary(self) -> dict[str, Any]:
        """See `Neuron.summary`."""
        shown = {k: getattr(self, k) for k in ("beta", "rho", "threshold")}
        shown |= {REFRACTORY: self.refractory} if self.is_refractory else {}
        own = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in shown.items()}
        return {"neuron": self.kind, **own}

    @property
    def rheobase(self) -> float:
        """See `Neuron.rheobase`."""
        return float(np.min(self.threshold / self.gain))

    def is_below(self, v: Any, level: Any) -> Any:
        """Whether a membrane does not fire, in NumPy or torch; False for NaN."""
        return v < level if self.fires == "at" else v <= level

    def is_at(self, v: Any, level: Any) -> Any:
        """Whether a membrane fires, in NumPy or torch; False for NaN."""
        return v >= level if self.fires == "at" else v > level

    @abstractmethod
    def membrane(
        self, current: Any, v: Any, adapted: Any, c: Mapping[str, Any], where: Where
    ) -> tuple[Any, Any, Any]:
        """The membrane m, the new adaptation, and the level at which m fires; NumPy or torch.

        c: constants by name.
        """

    def _step(
        self, current: Any, state: Mapping[str, Any], c: Mapping[str, Any], where: Where
    ) -> tuple[Any, dict[str, Any], Any, Any]:
        """Whether it fires, the new state, m, and the level."""
        name, v_reset = self.adaptation[0], c["v_reset"]
        m, adapted, level = self.membrane(current, state["v"], state[name], c, where)
        new = {"v": m, name: adapted}
        if self.is_refractory:
            left, steps = state[REFRACTORY], c[REFRACTORY]
            m = where(refractory.is_busy(left, steps), v_reset, m)
            new[REFRACTORY] = refractory.count(left, steps, self.is_at(m, level), where)
        new["v"] = where(abs(m) <= BROKEN, m, v_reset)
        return self.is_at(m, level), new, m, level

    def reference(self, current: F32, state: Mapping[str, F32]) -> tuple[F32, dict[str, F32]]:
        """See `Neuron.reference`."""
        constants = {name: np.float32(getattr(self, name)) for name in self.used}
        fires, new, _, _ = self._step(current, state, constants, np.where)
        return fires.astype(np.float32), {k: x.astype(np.float32) for k, x in new.items()}

    def torch_form(
        self, current: torch.Tensor, state: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """See `Neuron.torch_form`; the membrane is less by what the level is above the threshold."""
        import torch

        v = state["v"]
        constants = {
            name: torch.from_numpy(np.array(getattr(self, name), np.float32)).to(v.dtype)
            for name in self.used
        }
        fires, new, m, level = self._step(current, state, constants, torch.where)
        return fires.to(m.dtype), new, m - (level - constants["threshold"])

    def constants(self) -> dict[str, NDArray[Any]]:
        """See `Neuron.constants`."""
        return {name: np.asarray(getattr(self, name), np.float32) for name in self.used}

    @property
    @abstractmethod
    def form(self) -> str:
        """Name of the ONNX function of its choices."""

    @classmethod
    @abstractmethod
    def of_form(cls, op: str) -> dict[str, str]:
        """The choices of an ONNX function."""

    def write_nodes(
        self, nodes: NodeWriter, current: str, past: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """See `Neuron.write_nodes`."""
        inputs = [current, *past.values(), *(nodes.constant(name) for name in self.used)]
        after = {name: nodes.value(f"{name}_next") for name in past}
        spikes = nodes.value("spikes")
        nodes.call(self.form, inputs, [spikes, *after.values()])
        return spikes, after

    @classmethod
    def from_node(cls, node: Node) -> tuple[Adaptive, Any]:
        """See `Neuron.from_node`."""
        waits = node.op.endswith(WAITS)
        names = (*cls.numbers, REFRACTORY) if waits else cls.numbers
        first = 4 if waits else 3
        own: dict[str, Any] = {name: node.array(first + k) for k, name in enumerate(names)}
        return cls(**own, **cls.of_form(node.op)), node.inputs[0]

    def tables(self, unit: F32) -> dict[str, NDArray[Any]]:
        """See `Neuron.tables`."""
        own = {f"{self.kind}_{k}": x for k, x in self.arrays().items() if k in self.used}
        return {self.kind: np.append(scalar_table(self), unit)} | own

    def tile(self, e: Emitter, buffers: Callable[[str], Any], base: Any, size: int) -> AdaptiveTile:
        """See `Neuron.tile`."""
        return self.tile_class.of(e, self, buffers, base, size)
