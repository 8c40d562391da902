"""Artifacts compiled in this process, which has TVM loaded: neither proven nor packed."""

from __future__ import annotations

from pathlib import Path

from delrec_compile.aliases import Numeric
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.compiler.assemble import assemble
from delrec_compile.compiler.manifest import manifest_of
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.network import checkpoint
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import Network


def artifact_here(
    network: Network,
    target: str,
    stage: Path,
    quantised: IntegerNetwork | None = None,
    unroll: int = 1,
    front: FrontEnd | None = None,
    cpu: str | None = None,
) -> Artifact:
    """The artifact of a network, or of its integer form, in the new folder `stage`.

    front: the front end to put beside it. cpu: as in `build`.
    """
    stage.mkdir()
    checkpoint.save(network, stage / "network.safetensors")
    if quantised is not None:
        integer_checkpoint.save(quantised, stage / integer_checkpoint.NAME)
    beside = front.to_json() if front else None
    name = network.name
    built = assemble(str(stage), target, name, unroll, cpu, None, front=beside)
    numeric = Numeric.FLOAT32 if quantised is None else quantised.numeric
    manifest = manifest_of(network, built, name=name, target=target, unroll=unroll, numeric=numeric)
    return Artifact(stage, manifest)
