"""Artifacts compiled in this process, which has TVM loaded: neither proven nor packed."""

from __future__ import annotations

from pathlib import Path

from delrec_compile.aliases import Numeric
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.compiler.assemble import assemble
from delrec_compile.compiler.manifest import manifest_of
from delrec_compile.network import checkpoint
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import Network


def artifact_here(
    network: Network, target: str, stage: Path, quantised: IntegerNetwork | None = None
) -> Artifact:
    """The artifact of a network, or of its integer form, in the new folder `stage`."""
    stage.mkdir()
    checkpoint.save(network, stage / "network.safetensors")
    if quantised is not None:
        integer_checkpoint.save(quantised, stage / integer_checkpoint.NAME)
    built = assemble(str(stage), target, network.name, 1, None, None)
    numeric = Numeric.FLOAT32 if quantised is None else quantised.numeric
    manifest = manifest_of(network, built, name=network.name, target=target, numeric=numeric)
    return Artifact(stage, manifest)
