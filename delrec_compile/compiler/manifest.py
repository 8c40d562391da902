"""The manifest of what `assemble` built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from delrec_compile.aliases import Numeric
from delrec_compile.artifact.manifest import Manifest
from delrec_compile.network import checkpoint
from delrec_compile.network.grid import grids
from delrec_compile.network.model import Network


def manifest_of(
    network: Network,
    built: Mapping[str, Any],
    *,
    name: str,
    target: str,
    unroll: int = 1,
    numeric: Numeric = Numeric.FLOAT32,
) -> Manifest:
    """The manifest of a build that is not packed yet: it has no checksums.

    built: the result of `assemble`. name: prefix of the C entry points. target: name of the profile.
    unroll: time steps per call.
    """
    return Manifest.from_json(
        {
            "name": name,
            "target": target,
            "numeric": numeric,
            "steps_per_call": unroll,
            "dt_ms": network.dt_ms,
            "inputs": network.inputs,
            "outputs": network.outputs,
            "exact_grids": list(grids(network)),
            "source_sha256": checkpoint.digest(network),
            **({} if network.input_bits is None else _real(network)),
            "populations": tuple(p.size for p in network.spiking) if network.graph else (),
            **built,
        }
    )


def _real(network: Network) -> dict[str, float | None]:
    return {"input_bits": network.input_bits, "max_input": float(network.max_input)}
