"""Delays that learn, wherever a map has them: their spread, their range, and their frozen form."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from delrec_compile.training.config import TrainConfig
from delrec_compile.training.delay_lines import spread


class Timed(nn.Module):
    """Delays in steps, of any shape, from 0 to `longest`. learns: whether they learn."""

    def __init__(
        self, config: TrainConfig, delay: Tensor, longest: int, *, learns: bool = True
    ) -> None:
        super().__init__()
        self.sigma, self.max_delay, self.form = 0.0, longest, config.interpolation
        self.rounds_delays = bool(config.whole_delays)
        self.delay = nn.Parameter(delay, requires_grad=learns and longest > 0)
        learns_width = config.spread == "learned" and self.delay.requires_grad
        self.width = nn.Parameter(torch.zeros_like(delay)) if learns_width else None

    def timing(self) -> list[nn.Parameter]:
        """Delays and spreads that still learn."""
        parameters = [p for p in (self.delay, self.width) if p is not None]
        return [p for p in parameters if p.requires_grad]

    def spread_to(self, sigma: float) -> None:
        """Sets the spread of the delays that still learn."""
        self.sigma = sigma if self.delay.requires_grad else 0.0

    def shares(self) -> Tensor:
        """Share (..., L) of a spike that arrives l steps later, as `spread` gives it."""
        sigma: float | Tensor = self.sigma
        if self.width is not None and self.sigma:
            sigma = 2 * self.sigma * self.width.sigmoid()
        return spread(self.delay, sigma, self.form)

    @torch.no_grad()
    def clamp(self) -> None:
        """Keeps the delays in their range."""
        if self.delay.requires_grad:
            self.delay.clamp_(0, self.max_delay)

    @torch.no_grad()
    def freeze(self) -> None:
        """Takes the frozen form: delays no longer learn and are rounded if configured so; no spread."""
        self.sigma = 0.0
        if self.rounds_delays and self.delay.requires_grad:
            self.delay.round_().clamp_(0, self.max_delay)
        for p in self.timing():
            p.requires_grad_(False)

    def frozen_delay(self) -> NDArray[Any]:
        """The delays as a frozen op takes them: whole steps, or real ones where they stay so."""
        delay = self.delay.detach().double().numpy()
        return np.rint(delay).astype(np.int32) if self.rounds_delays else delay
