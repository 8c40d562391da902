"""The loss of a training step: class loss, soft targets of a teacher, and penalties."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from delrec_compile.training.config import TrainConfig
from delrec_compile.training.distillation import Teacher
from delrec_compile.training.model import SpikingNet, class_scores


def loss_and_scores(
    net: SpikingNet, x: Tensor, labels: Tensor, teacher: Teacher | None = None
) -> tuple[Tensor, Tensor]:
    """The loss on counts x (T, B, channels), and the class scores (B, classes)."""
    config: TrainConfig = net.config
    seen: list[Tensor] | None = [] if config.rate_penalty else None
    y = net(x, seen)
    scores = class_scores(y, config.decision)
    loss = functional.cross_entropy(scores, labels)
    if teacher is not None:
        loss = (1 - config.distill) * loss + config.distill * soft_loss(y, teacher(x))
    if config.l1:
        loss = (
            loss + config.l1 * torch.stack([r.weight.abs().sum() for r in net.recurrences()]).sum()
        )
    if seen:
        loss = loss + config.rate_penalty * rate_cost(seen)
    return loss, scores


def soft_loss(y: Tensor, target: Tensor) -> Tensor:
    """Kullback-Leibler divergence from the teacher's class shares, mean over steps and samples.

    y, target: outputs (T, B, classes).
    """
    shares = functional.log_softmax(y, 2)
    wanted = functional.log_softmax(target, 2)
    return functional.kl_div(shares, wanted, reduction="none", log_target=True).sum(2).mean()


def rate_cost(seen: list[Tensor]) -> Tensor:
    """Half the squared spikes per neuron, step and sample, mean over layers. seen: (T, B, N) each."""
    return torch.stack([0.5 * spikes.square().mean() for spikes in seen]).mean()
