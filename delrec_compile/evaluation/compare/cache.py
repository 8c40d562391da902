"""Artifacts in a folder, reused while nothing that they are made of has changed."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from delrec_compile import targets
from delrec_compile.aliases import Numeric, Progress
from delrec_compile.artifact.abi import artifact_name
from delrec_compile.artifact.manifest import Artifact, Manifest, load_artifact
from delrec_compile.artifact.package import TOOLS, measured
from delrec_compile.compiler.build import build
from delrec_compile.compiler.schedules import choice
from delrec_compile.errors import InputError
from delrec_compile.network import checkpoint
from delrec_compile.network.model import Network
from delrec_compile.system.host import machine
from delrec_compile.targets import Target
from delrec_compile.targets.schedule import Schedule

OUT = Path("delrec-compare")  # not in `out`, the folder of an artifact


def cached_build(
    network: Network,
    target: str,
    numeric: str = Numeric.FLOAT32,
    out: Path | str = OUT,
    *,
    rebuild: bool = False,
    db: Path | str | None = None,
    progress: Progress = lambda _: None,
) -> tuple[Artifact, bool]:
    """The artifact stored in `out`, or a new one; and whether it was reused.

    It is reused when its files are intact and it was made of this network, for this target and CPU,
    with these tools and the schedule that a build would have now. db: the store of tuned schedules.
    """
    profile = targets.load(target)
    name, content = artifact_name(network.name), checkpoint.digest(network)[:8]
    folder = Path(out) / f"{name}-{content}-{profile.name}-{numeric}"
    if not rebuild:
        progress("looking for a cached artifact")
        try:
            stored = load_artifact(folder)
        except InputError:
            stored = None
        if stored is not None and _current(stored, network, profile, numeric, db):
            return stored, True
    made = build(network, target, folder, numeric=numeric, db=db, force=True, progress=progress)
    return made, False


def _current(
    artifact: Artifact, network: Network, profile: Target, numeric: str, db: Path | str | None
) -> bool:
    m = artifact.manifest
    same = (
        m.source_sha256 == checkpoint.digest(network)
        and m.target == profile.name
        and m.numeric == numeric
        and m.steps_per_call == 1
        and m.memory == (profile.memory.to_json() if profile.memory else {})
        and m.flash == (profile.flash.to_json() if profile.flash else {})
        and m.clock_mhz == profile.clock_mhz
        and m.tools == {tool: importlib.metadata.version(tool) for tool in TOOLS}
    )
    if same and profile.llvm.get("mcpu") == "host":
        there = measured(artifact).get("machine", machine())
        same = isinstance(there, dict) and there.get("cpu") == machine()["cpu"]
    return same and _schedule(m, profile, artifact.integer or network, db) == m.schedule


def _schedule(
    m: Manifest, profile: Target, network: Any, db: Path | str | None
) -> dict[str, Any] | None:
    """The schedule that a build would have now; the profile's is the one that was used last."""
    own = (m.tuning or {}).get("own", m.schedule)
    if not own:
        return None
    key = choice.key_of(profile, m.llvm, network)
    return vars(choice.choose(key, Schedule(**own), db).schedule)
