"""The compiled network that listens: an artifact, or one that is built once and kept."""

from __future__ import annotations

from pathlib import Path

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.errors import InputError, UnsupportedError
from delrec_compile.evaluation.listening.listener import Listener, require_listener
from delrec_compile.network import checkpoint
from delrec_compile.network.taker import Taker
from delrec_compile.runners.session import Session
from delrec_compile.system.files import cache_folder
from delrec_compile.system.recognise import Kind, recognise, wrong_file

CACHE, VARIABLE = "built", "DELREC_BUILT"
HERE = "x86_64"
NETWORKS = (Kind.NETWORK, Kind.BUNDLED)


def artifact_of(model: Path | str) -> Path | None:
    """The artifact that `model` is; None for a network, which is to be built. Raises InputError."""
    if recognise(model).kind in NETWORKS:
        require_listener(Taker.of(checkpoint.load(model)))
        return None
    if Path(model).is_dir():
        return load_artifact(model).path
    raise InputError(wrong_file(Path(model), "an artifact or a network"))


def build_kept(model: str) -> str:
    """In a child: path of the artifact of a network, from the user's cache where it is current."""
    from delrec_compile.evaluation.compare.cache import cached_build

    folder = cache_folder(CACHE, VARIABLE)
    folder.mkdir(parents=True, exist_ok=True)
    return str(cached_build(checkpoint.load(model), HERE, out=folder)[0].path)


def open_listener(path: Path) -> Listener:
    """A listener on an artifact. Raises UnsupportedError for one that this machine does not run."""
    artifact = load_artifact(path)
    m = artifact.manifest
    if m.is_gpu or not m.runs_here:
        raise UnsupportedError(
            f"{path} is built for {m.target}; listening needs an artifact that runs here: build it "
            f"with --target {HERE}"
        )
    network = checkpoint.load(path / "network.safetensors")
    return Listener(Session(artifact), Taker.of(network), network.readout.decision)
