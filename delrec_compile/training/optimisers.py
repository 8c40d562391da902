"""AdamW for the weights and AdamW for the delays, each with its schedule.

Gradients of both are clipped, each by its own norm: AdamW remembers the square of one outlier for
thousands of steps, in which a delay that had it would hardly move.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, lr_scheduler

from delrec_compile.errors import DeviceError, UsageError
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.model import SpikingNet


class Optimisers:
    """Weights and delays with their schedules, stepped together."""

    def __init__(self, net: SpikingNet, config: TrainConfig, batches: int) -> None:
        self.net, self.clip, self.waits = net, config.clip, config.delays_from * batches
        self.steps = 0
        weights = AdamW(net.weights(), lr=config.lr, weight_decay=config.weight_decay)
        self.parts: list[tuple[AdamW, Any]] = [
            (weights, _schedule(weights, config, config.epochs * batches))
        ]
        if net.timing():
            delays = AdamW(net.timing(), lr=config.delay_lr, weight_decay=0)
            steps = max(1, config.live_epochs - config.delays_from) * batches
            self.parts.append((delays, lr_scheduler.CosineAnnealingLR(delays, T_max=steps)))

    def step(self, loss: Tensor) -> bool:
        """Makes one update; returns False, with nothing changed, if loss or gradient is not finite."""
        self.net.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        parts = (self.net.weights(), self.net.timing())
        norms = [nn.utils.clip_grad_norm_(part, self.clip) for part in parts]
        if not all(value.isfinite() for value in (loss, *norms)):
            return False
        moving = self.net.timing() and self.steps >= self.waits
        for optimiser, schedule in self.parts if moving else self.parts[:1]:
            optimiser.step()
            schedule.step()
        self.net.clamp_constants()
        if moving:
            self.net.clamp_delays()
        self.steps += 1
        return True

    def state(self) -> dict[str, Any]:
        """State for `restore`."""
        states = [[each.state_dict() for each in pair] for pair in self.parts]
        return {"steps": self.steps, "parts": states}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over the `state` of optimisers of the same net and config."""
        self.steps = state["steps"]
        for pair, states in zip(self.parts, state["parts"], strict=True):
            for each, values in zip(pair, states, strict=True):
                each.load_state_dict(values)


def _schedule(optimiser: AdamW, config: TrainConfig, steps: int) -> Any:
    if config.schedule == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    if config.schedule == "constant":
        return lr_scheduler.ConstantLR(optimiser, factor=1.0)
    return lr_scheduler.OneCycleLR(optimiser, max_lr=config.lr, total_steps=steps)


def device_of(config: TrainConfig) -> torch.device:
    """The torch device of the config.

    Raises UsageError for a name that torch does not know, DeviceError for one it cannot use here.
    """
    try:
        device = torch.device(config.device)
    except RuntimeError as error:
        raise UsageError(
            f"device is '{config.device}', which torch does not know; use cpu"
        ) from error
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DeviceError(
            f"device is '{config.device}', which this torch cannot use ({reason}); use cpu, or "
            "install a torch that supports it"
        ) from error
    return device
