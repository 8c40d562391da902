"""Training on a CPU: the trainable form, its loop, and the way to the frozen network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from delrec_compile.training.config import TrainConfig

if TYPE_CHECKING:
    from delrec_compile.training.loop import TrainResult, train
    from delrec_compile.training.state import Epoch

__all__ = ["Epoch", "TrainConfig", "TrainResult", "train"]


def __getattr__(name: str) -> Any:
    # torch is imported by the first use of what needs it
    if name in __all__:
        from delrec_compile.training import loop

        return getattr(loop, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
