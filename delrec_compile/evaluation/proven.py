"""Network + target -> artifact that is proven before it is in its place: parity, times, report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from delrec_compile import targets
from delrec_compile.aliases import Progress
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.artifact.package import check_output
from delrec_compile.compiler.build import build
from delrec_compile.data.events import Events
from delrec_compile.errors import DeviceError, ParityError, ToolchainError
from delrec_compile.evaluation.devices import bench_on, check_on
from delrec_compile.evaluation.proof import Proof, describe_difference, prove
from delrec_compile.evaluation.report import write_report
from delrec_compile.network.inputs import AUTO, Source, read_inputs
from delrec_compile.network.model import Network
from delrec_compile.network.summary import inspect
from delrec_compile.runners.devices import discover
from delrec_compile.runners.devices.url import Device
from delrec_compile.system import doctor, toolchain
from delrec_compile.targets import Target

ROUNDS = 9


@dataclass(frozen=True)
class Built:
    """A proven artifact. summary: of its network, see `inspect`. remote: `devices` and `on_devices`,
    the results of `check_on` and `bench_on`; empty without devices.
    """

    artifact: Artifact
    proof: Proof
    summary: dict[str, Any]
    remote: dict[str, Any] = field(default_factory=dict)


def build_proven(
    network: Network,
    target: str = "x86_64",
    out: Path | str | None = None,
    *,
    samples: Source = AUTO,
    limit: int | None = None,
    devices: Sequence[Device] = (),
    allow_unproven: bool = False,
    allow_silent: bool = False,
    force: bool = False,
    progress: Progress = lambda _: None,
    **options: Any,
) -> Built:
    """Builds the artifact, checks and times it, writes its report, and then moves it into its place.

    samples: see `read_inputs`; limit: the first of them. devices: machines that check and time it too.
    allow_unproven: whether to do without an emulator that is missing. The manifest of code that was
    not run says `proven` false. allow_silent: a check in which no neuron fires passes.
    options: of `build`. Samples, tools and devices are tried first. After an error nothing has
    changed. Raises ParityError, DeviceError, ToolchainError, and the errors of `build`.
    """
    if out is not None:
        check_output(Path(out), force)
    chosen = read_inputs(network, samples).samples
    emulate = _tried(targets.load(target), devices, allow_unproven, progress)
    summary = inspect(network)
    results: dict[str, Any] = {}
    checks: dict[str, Any] = {"limit": limit, "allow_silent": allow_silent, "progress": progress}

    def proving(artifact: Artifact) -> bool:
        results["proof"] = proof = prove(artifact, chosen, emulate=emulate, **checks)
        results["remote"] = _on_devices(artifact.path, devices, chosen, **checks)
        write_report(artifact, summary, proof)
        return proof.check is not None or bool(devices)

    artifact = build(network, target, out, force=force, prove=proving, progress=progress, **options)
    return Built(artifact, results["proof"], summary, results["remote"])


def _tried(profile: Target, devices: Sequence[Device], allow: bool, progress: Progress) -> bool:
    """Whether the target's code can be emulated; False only where `allow` is set."""
    emulate = not allow or not doctor.missing(profile, doctor.PROOF)
    if emulate:
        check_provable(profile)
    if devices:
        progress(f"connecting to {', '.join(map(str, devices))}")
        reach(devices)
    return emulate


def check_provable(profile: Target) -> None:
    """Raises ToolchainError where a tool that runs the target's code is missing."""
    if profile.generator == "cuda":
        toolchain.cxx()
    for tool in doctor.missing(profile, doctor.PROOF):
        finding = doctor.PROBES[tool]()
        raise ToolchainError(
            f"code of {profile.name} is run by {finding.name}: {finding.detail}; {finding.fix}; "
            "or build it unproven with allow_unproven=True"
        )


def reach(devices: Sequence[Device]) -> None:
    """Connects to every device. Raises DeviceError for the first that does not answer."""
    answers = {entry.device: entry for entry in discover.devices(None, devices)}
    for device in devices:
        entry = answers[device.url]
        if entry.state == "not reached":
            raise DeviceError(f"{entry.device} {entry.detail}")


def _on_devices(
    path: Path,
    devices: Sequence[Device],
    samples: Events,
    *,
    limit: int | None,
    allow_silent: bool,
    progress: Progress,
) -> dict[str, Any]:
    """Parity and times on every machine. Raises ParityError for the first that differs."""
    if not devices:
        return {}
    names = ", ".join(map(str, devices))
    progress(f"checking spikes on {names}")
    result = check_on(path, devices, samples, limit, allow_silent=allow_silent)
    for row in result["devices"]:
        if not row["passed"]:
            raise ParityError(f"{row['device']}: {describe_difference(row)}")
    progress(f"timing on {names}")
    return {"devices": result["devices"], "on_devices": bench_on(path, devices, samples, ROUNDS)}
