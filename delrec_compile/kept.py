"""Artifacts kept in a folder, and found again when nothing they are made of has changed."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Any

from delrec_compile import checkpoint, targets
from delrec_compile.build import TOOLS, Artifact, Progress, build, load_artifact
from delrec_compile.errors import InputError
from delrec_compile.glue import c_name
from delrec_compile.network import Network
from delrec_compile.prove import machine
from delrec_compile.targets import Target

OUT = Path("out") / "compare"


def artifact_for(
    network: Network,
    target: str,
    numeric: str = "float32",
    out: Path | str = OUT,
    *,
    rebuild: bool = False,
    progress: Progress = lambda _: None,
) -> tuple[Artifact, bool]:
    """The artifact kept in `out`, or a new one; and whether it was there.

    It is taken when its files are whole and it was made of this network, for this target and CPU,
    with these tools.
    """
    profile = targets.load(target)
    folder = Path(out) / f"{c_name(network.name)}-{profile.name}-{numeric}"
    if not rebuild:
        progress("looking for its artifact")
        try:
            found = load_artifact(folder)
        except InputError:
            found = None
        if found is not None and _current(found, network, profile, numeric):
            return found, True
    return build(network, target, folder, numeric=numeric, force=True, progress=progress), False


def _current(artifact: Artifact, network: Network, profile: Target, numeric: str) -> bool:
    m = artifact.manifest
    same = (
        m.get("source_sha256") == checkpoint.digest(network)
        and m.get("target") == profile.name
        and m.get("numeric") == numeric
        and m.get("steps_per_call") == 1
        and m.get("memory", {}) == profile.memory
        and m.get("flash", {}) == profile.flash
        and m.get("clock_mhz") == profile.clock_mhz
        and m.get("tools") == {tool: importlib.metadata.version(tool) for tool in TOOLS}
    )
    if not same or profile.llvm.get("mcpu") != "host":
        return same
    here = measured(artifact).get("machine", machine())
    return bool(here.get("cpu") == machine()["cpu"])


def measured(artifact: Artifact) -> dict[str, Any]:
    """measured.json of an artifact; empty where there is none."""
    try:
        found = json.loads((artifact.path / "measured.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
