"""Network + target -> artifact folder, written completely or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from delrec_compile import targets
from delrec_compile.aliases import Numeric, Progress
from delrec_compile.artifact.abi import artifact_name, checked_name
from delrec_compile.artifact.manifest import Artifact, Manifest
from delrec_compile.artifact.package import checksums, named, staging, tools
from delrec_compile.compiler.fitting import smaller
from delrec_compile.compiler.manifest import manifest_of
from delrec_compile.compiler.schedules.store import Store
from delrec_compile.data.events import Events
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.errors import BudgetError, UnsupportedError, UsageError
from delrec_compile.network import checkpoint
from delrec_compile.network.front_end import front_end_of
from delrec_compile.network.golden import golden_hash
from delrec_compile.network.inputs import Source, read_inputs
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.model import AnyNetwork
from delrec_compile.network.integer.quantise import check_calibration, quantise
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.export import export
from delrec_compile.system import child, nvrtc, toolchain
from delrec_compile.system.files import check_writable


def build(
    network: Network,
    target: str = "x86_64",
    out: Path | str | None = None,
    *,
    name: str | None = None,
    numeric: str = Numeric.FLOAT32,
    calibrate: Source | None = None,
    unroll: int = 1,
    cpu: str | None = None,
    tuned: bool = True,
    db: Path | str | None = None,
    with_frontend: bool = False,
    force: bool = False,
    dump: Path | None = None,
    prove: Callable[[Artifact], bool] | None = None,
    progress: Progress = lambda _: None,
) -> Artifact:
    """Exports, compiles in a child process, links and packs the artifact.

    out: folder, by default `<network>-<target>` and the options that differ from their defaults.
    name: prefix of all files and C symbols, by default the network's name. numeric: float32, int16
    or int8. calibrate: samples of training or validation to calibrate the integer modes on, see
    `read_inputs`. unroll: time steps per call of `step`. cpu: LLVM's name of a CPU in place of this
    machine's, such as `x86-64-v3`, or a GPU's architecture. tuned: whether to take the schedule that
    `tune` found. db: folder of its store. with_frontend: puts the front end that the network carries
    beside it, see `network.front_end`. dump: folder for the result of each phase of the lowering.
    prove: called with the artifact before it is moved into its place, may write in it; its result is
    `proven` of the manifest. After an error, also one of `prove`, everything is as before. Raises
    UnsupportedError, UsageError, InputError, ToolchainError, CompilerCrash.
    """
    profile = targets.load(target)
    mode = profile.numeric_mode(numeric)
    network = network if name is None else replace(network, name=checked_name(name))
    samples = _calibration(network, mode, calibrate)
    front = _front_end(network, profile).to_json() if with_frontend else None
    name = artifact_name(network.name)
    out = _output(out, default_folder(name, profile.name, mode, cpu, unroll, with_frontend))
    _check_before(profile, cpu, dump, unroll)
    with staging(out, force) as stage:
        folder = stage.folder
        progress("exporting to ONNX and proving it against PyTorch")
        checkpoint.save(network, folder / "network.safetensors")
        export(network, folder / "model.onnx", unroll=unroll)
        compiled = _compiled_network(network, folder, mode, samples, progress)
        progress(f"compiling for {profile.name} with TVM")
        work: dict[str, Any] = {"stage": str(folder), "name": name, "unroll": unroll, "cpu": cpu}
        work["target"] = target if target.endswith(".toml") else profile.name
        work |= {"dump": str(dump) if dump else None, "db": _store(db, tuned), "front": front}
        built = _assembled(network, profile, mode, work)
        chosen: dict[str, Any] = {"target": profile.name, "unroll": unroll, "numeric": mode}
        manifest = manifest_of(network, built, name=name, **chosen)
        return stage.complete(_complete(manifest, compiled, folder), Artifact, prove, progress)


def _calibration(network: Network, mode: Numeric, calibrate: Source | None) -> Events | None:
    """The samples, as the network takes them. Raises UsageError for a mode that takes none."""
    check_calibration(mode, calibrate)
    return None if calibrate is None else read_inputs(network, calibrate).samples


def _store(db: Path | str | None, tuned: bool) -> str | None:
    """The folder of tuned schedules; None where none are wanted."""
    return str(Store(db).folder) if tuned else None


def _front_end(network: Network, profile: targets.Target) -> FrontEnd:
    """The front end of the network. Raises UnsupportedError."""
    if profile.generator == "cuda":
        raise UnsupportedError(
            f"--with-frontend: {profile.name} takes spikes; a front end is C for the processor that "
            "has the microphone: choose another target"
        )
    return front_end_of(network)


def _complete(manifest: Manifest, network: AnyNetwork, stage: Path) -> Manifest:
    """The manifest with its golden hash, the versions of the tools, and the files of the stage."""
    golden = golden_hash(network)
    return replace(manifest, golden_sha256=golden, tools=tools(), files=checksums(stage))


def _assembled(
    network: Network, profile: targets.Target, mode: Numeric, work: dict[str, Any]
) -> dict[str, Any]:
    """The entries of the manifest. Raises BudgetError, with what would fit."""
    try:
        built: dict[str, Any] = child.call("delrec_compile.compiler.assemble:assemble", **work)
    except BudgetError as error:
        raise BudgetError(f"{error}; {smaller(network, profile, mode)}") from error
    return built


def _output(out: Path | str | None, default: str) -> Path:
    """The folder of the artifact, with a name of its own."""
    return named(Path(out if out is not None else default))


def _check_before(profile: targets.Target, cpu: str | None, dump: Path | None, unroll: int) -> None:
    """Raises UnsupportedError, ToolchainError or InputError before anything is written."""
    if unroll < 1:
        raise UsageError(f"unroll={unroll}: at least 1 time step per call is required")
    toolchain.cc(profile.triple or profile.core)
    if profile.generator == "cuda":
        nvrtc.known_arch(nvrtc.find(), cpu or profile.arch)
    if dump is not None:
        check_writable(dump / "phase.txt")


def _compiled_network(
    network: Network, stage: Path, mode: Numeric, calibrate: Events | None, progress: Progress
) -> AnyNetwork:
    """The network in the numeric mode; an integer one is written into the stage."""
    if not mode.is_integer:
        return network
    progress(f"quantising to {mode}")
    quantised = quantise(network, mode, calibrate)
    integer_checkpoint.save(quantised, stage / integer_checkpoint.NAME)
    return quantised


def default_folder(
    name: str, target: str, mode: Numeric, cpu: str | None, unroll: int, with_frontend: bool = False
) -> str:
    """Name of the folder: builds of other options lie beside each other."""
    options = [cpu or "", f"unroll{unroll}" if unroll > 1 else "", mode if mode.is_integer else ""]
    options += ["frontend"] if with_frontend else []
    return "-".join(filter(None, (name, target, *options)))
