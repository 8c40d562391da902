"""The claims about the networks, measured: accuracy, parameters, cost, latency, and what delays buy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from delrec_compile.evaluation.claims.measure import Claim, Claims, claims

__all__ = ["Claim", "Claims", "claims"]


def __getattr__(name: str) -> Any:
    # torch is imported by the first use of what needs it
    if name in __all__:
        from delrec_compile.evaluation.claims import measure

        return getattr(measure, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
