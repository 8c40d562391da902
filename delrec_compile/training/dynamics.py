"""Trainable neuron models of two state variables: one step, and the same step run backwards.

    m(t), z(t) = step(I(t), m(t - 1), z(t - 1), y(t - 1)),   y(t) = m(t) >= level(t)

m is the membrane before its reset, z the other variable: see `ops.cuba_lif`, `ops.alif` and `ops.adlif`.
A step rounds what they round, in their order, so on frozen weights it gives their bits.

No reset passes a gradient, as in `neuron`; what a spike adds to the adaptation does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from delrec_compile.training.surrogate import SURROGATES

Constants = Mapping[str, Tensor]  # (N, 1), or (1, 1) for all neurons


@dataclass(frozen=True)
class Before:
    """State before a step, (..., N, B) each: membrane before its reset, other variable, spikes."""

    m: Tensor
    z: Tensor
    y: Tensor


@dataclass(frozen=True)
class Dynamics(ABC):
    """fires, reset: as the frozen model. backflow: see `neuron.Neuron`.

    names: of its constants, as the frozen model has them.
    """

    fires: str = "at"
    reset: str = "hard"
    surrogate: str = "atan"
    backflow: float = 1.0
    names: ClassVar[tuple[str, ...]]

    def slope(self, over: Tensor, alpha: float) -> Tensor:
        """Surrogate derivative of a spike, of the membrane less the level."""
        return SURROGATES[self.surrogate](over, alpha)

    def spikes(self, m: Tensor, level: Tensor) -> Tensor:
        """Spikes, 0 or 1 in the type of m."""
        return (m > level if self.fires == "above" else m >= level).to(m.dtype)

    def rested(self, at: Before, c: Constants) -> Tensor:
        """The membrane after its reset."""
        fired = at.y.detach() != 0
        if self.reset == "hard":
            return torch.where(fired, c["v_reset"].detach(), at.m)
        if self.reset == "soft":
            return torch.where(fired, at.m - c["threshold"].detach(), at.m)
        return at.m

    def stays(self, y: Tensor) -> Tensor:
        """Share of the membrane's gradient that its reset passes."""
        return 1 - y if self.reset == "hard" else torch.ones_like(y)

    def level(self, z: Tensor, c: Constants) -> Tensor:
        """The membrane that fires, of the new z."""
        return c["threshold"]

    @abstractmethod
    def step(self, current: Tensor, at: Before, c: Constants) -> tuple[Tensor, Tensor]:
        """The new m and z of the current (..., N, B)."""

    @abstractmethod
    def back(
        self, dm: Tensor, dz: Tensor, stays: Tensor, c: Constants
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """dL/d(current, m, z, y) before a step, of dL/dm and dL/dz after it.

        stays: see `stays`, of the spikes before. None: the spikes have no gradient.
        """

    def level_gradient(self, slope: Tensor) -> Tensor | None:
        """dL/dz through the level, of dL/d(m - level); None where the level is fixed."""
        return None


@dataclass(frozen=True)
class CubaDynamics(Dynamics):
    """`ops.cuba_lif`. enters: which synaptic current enters the membrane, "new" or "old"."""

    enters: str = "new"
    names: ClassVar[tuple[str, ...]] = ("alpha", "beta", "threshold", "v_reset", "gain", "gain_i")

    def step(self, current: Tensor, at: Before, c: Constants) -> tuple[Tensor, Tensor]:
        z = at.z * c["alpha"] + current * c["gain_i"]
        m = self.rested(at, c) * c["beta"] + (z if self.enters == "new" else at.z) * c["gain"]
        if self.reset == "soft_later":
            m = torch.where(at.y.detach() != 0, m - c["threshold"].detach(), m)
        return m, z

    def back(
        self, dm: Tensor, dz: Tensor, stays: Tensor, c: Constants
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        entered = dm * c["gain"]
        if self.enters == "new":
            dz = dz + entered
        before = dz * c["alpha"]
        if self.enters == "old":
            before = before + entered
        return dz * c["gain_i"], dm * c["beta"] * stays, before, None


@dataclass(frozen=True)
class AlifDynamics(Dynamics):
    """`ops.alif`: z is the rise of the threshold."""

    names: ClassVar[tuple[str, ...]] = ("beta", "rho", "jump", "threshold", "v_reset", "gain")

    def level(self, z: Tensor, c: Constants) -> Tensor:
        return c["threshold"] + z

    def step(self, current: Tensor, at: Before, c: Constants) -> tuple[Tensor, Tensor]:
        z = c["rho"] * at.z + at.y * c["jump"]
        m = c["beta"] * self.rested(at, c) + c["gain"] * current
        if self.reset != "hard":
            drop = self.level(z, c) if self.reset == "adapted" else c["threshold"]
            m = m - at.y.detach() * drop.detach()
        return m, z

    def back(
        self, dm: Tensor, dz: Tensor, stays: Tensor, c: Constants
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        return dm * c["gain"], dm * c["beta"] * stays, dz * c["rho"], dz * c["jump"]

    def level_gradient(self, slope: Tensor) -> Tensor | None:
        return -slope


@dataclass(frozen=True)
class AdlifDynamics(Dynamics):
    """`ops.adlif`: z is the adaptation current. order: as there."""

    order: str = "symplectic"
    names: ClassVar[tuple[str, ...]] = ("beta", "rho", "a", "b", "threshold", "v_reset", "gain")

    def step(self, current: Tensor, at: Before, c: Constants) -> tuple[Tensor, Tensor]:
        r = self.rested(at, c)
        driver = at.m if self.order == "unreset" else r
        z = c["rho"] * at.z + c["a"] * driver + at.y * c["b"]
        drive = current - (at.z if self.order == "euler" else z)
        return c["beta"] * r + c["gain"] * drive, z

    def back(
        self, dm: Tensor, dz: Tensor, stays: Tensor, c: Constants
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        drive = dm * c["gain"]
        if self.order != "euler":
            dz = dz - drive
        before = dz * c["rho"]
        if self.order == "euler":
            before = before - drive
        driven = dz * c["a"]
        if self.order == "unreset":
            membrane = dm * c["beta"] * stays + driven
        else:
            membrane = (dm * c["beta"] + driven) * stays
        return drive, membrane, before, dz * c["b"]


DYNAMICS: dict[str, type[Dynamics]] = {
    "cuba_lif": CubaDynamics,
    "alif": AlifDynamics,
    "adlif": AdlifDynamics,
}
