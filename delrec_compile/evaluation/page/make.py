"""The report of an artifact, a network, a comparison or the claims, and its files."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.artifact.package import MEASURED, measured
from delrec_compile.data.events import Events
from delrec_compile.errors import InputError, UnsupportedError
from delrec_compile.evaluation.compare.result import Comparison
from delrec_compile.evaluation.page.card import card
from delrec_compile.evaluation.page.compared import comparison_page
from delrec_compile.evaluation.page.figures import Page
from delrec_compile.evaluation.page.measured import artifact_page, network_page
from delrec_compile.evaluation.page.picture import picture
from delrec_compile.evaluation.page.recording import Recording
from delrec_compile.evaluation.page.render import render
from delrec_compile.network import checkpoint
from delrec_compile.network.inputs import AUTO, PLAIN, Source, read_inputs
from delrec_compile.network.model import Network
from delrec_compile.network.reading import Reading
from delrec_compile.network.tensor_file import DAMAGE
from delrec_compile.system.fields import parse_json
from delrec_compile.system.recognise import Kind, recognise, wrong_file

NETWORKS = (Kind.NETWORK, Kind.BUNDLED)
LICENCE = "apache-2.0"
NETWORK = "network.safetensors"
NEEDED = "an artifact's folder, a network, or what 'compare --json' or 'claims --json' printed"


@dataclass(frozen=True)
class Report:
    """A page and what it was made of. recording: of the sample shown; None without a network. remark:
    on the samples, where that is not plain. licence: of the network, where it is known."""

    page: Page
    recording: Recording | None = None
    remark: str = ""
    licence: str = ""

    def html(self) -> str:
        """One file that loads nothing."""
        return render(self.page)

    def markdown(self, licence: str = "") -> str:
        """A model card. licence: its identifier; by default that of a bundled network, else none."""
        return card(self.page, licence or self.licence)

    def png(self) -> bytes:
        """A picture. Raises ToolchainError without matplotlib."""
        return picture(self.page, self.recording)

    def as_dict(self) -> dict[str, Any]:
        """The fields for JSON."""
        r = self.recording
        shown = None
        if r is not None:
            shown = {
                "index": r.index,
                "steps": r.steps,
                "class": r.decided,
                "label": r.label,
                "engine": r.engine,
                "spikes": {
                    "compared": sum(s.size for s in r.spikes) if r.other else 0,
                    "differing": r.differing,
                    "first": asdict(r.first) if r.first else None,
                },
            }
        return {
            "title": self.page.title,
            "sections": [s.name for s in self.page.sections],
            "facts": [asdict(f) for f in self.page.facts],
            "sample": shown,
        }


def report(
    source: Path | str,
    *,
    samples: Source = AUTO,
    reading: Reading = PLAIN,
    sample: int | None = None,
    command: str = "",
) -> Report:
    """The report of an artifact's folder, of a network, or of a file that `compare --json` or
    `claims --json` printed.

    samples, reading: see `read_inputs`; sample: number of the one that is drawn, by default that of the
    first difference, else the first. command: what made it, which the page repeats. Raises InputError,
    UnsupportedError, UsageError.
    """
    chosen = _Chosen(samples, reading, sample, command)
    kind = recognise(source).kind
    if kind in NETWORKS:
        network = checkpoint.load(source)
        inputs = read_inputs(network, samples, reading)
        made = network_page(network, inputs.samples, sample or 0, command)
        return Report(*made, inputs.remark, _licence(network))
    if kind is Kind.PLAIN_ARTIFACT:
        raise UnsupportedError(
            f"{source} is {kind}, which has no populations to draw; delrec-compile inspect {source}"
        )
    if kind is Kind.TEXT and (told := _printed(Path(source))) is not None:
        return _of_printed(Path(source), told, chosen)
    if kind is not Kind.ARTIFACT:
        raise InputError(wrong_file(source, NEEDED))
    artifact = load_artifact(source)
    network = checkpoint.load(artifact.path / NETWORK)
    inputs = read_inputs(network, samples, reading)
    try:
        made = artifact_page(artifact, network, inputs.samples, sample, command)
    except DAMAGE as error:
        if not measured(artifact):
            raise
        raise InputError(
            f"{artifact.path / MEASURED} is of another version of this package, or damaged "
            f"({type(error).__name__}: {error}); remove it, or build the artifact again"
        ) from error
    return Report(*made, inputs.remark, _licence(network))


def of_comparison(
    comparison: Comparison, network: Network, samples: Events, command: str = ""
) -> Report:
    """The report of a comparison of this network on these samples."""
    return Report(*comparison_page(comparison, network, samples, 0, command))


def _licence(network: Network) -> str:
    """That of this package for the networks that ship with it; empty of others."""
    if network.name not in checkpoint.BUNDLED:
        return ""
    own = checkpoint.digest(checkpoint.load(checkpoint.bundled(network.name)))
    return LICENCE if own == checkpoint.digest(network) else ""


@dataclass(frozen=True)
class _Chosen:
    """The arguments of `report`."""

    samples: Source
    reading: Reading
    sample: int | None
    command: str


def _printed(path: Path) -> dict[str, Any] | None:
    """What a file of JSON holds, if it is an object that a command printed."""
    try:
        told = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    return (
        told
        if isinstance(told, dict) and str(told.get("schema", "")).startswith("delrec.")
        else None
    )


def _of_printed(path: Path, told: dict[str, Any], chosen: _Chosen) -> Report:
    """Raises InputError for what another command printed, or where keys are missing."""
    schema = told["schema"]
    try:
        if schema == "delrec.claims/1":
            return Report(_of_claims(told, chosen.command))
        if schema == "delrec.compare/1":
            return _of_rows(path, Comparison.from_dict(told), chosen)
    except DAMAGE as error:
        raise InputError(
            f"{path}: a {schema} of another version of this package, or damaged "
            f"({type(error).__name__}: {error}); print it again with --json"
        ) from error
    raise InputError(f"{path} is a {schema}; {NEEDED} is required")


def _of_claims(told: dict[str, Any], command: str) -> Page:
    # they load PyTorch
    from delrec_compile.evaluation.claims.claim import Claims
    from delrec_compile.evaluation.page.claimed import claims_page

    return claims_page(Claims.from_dict(told), command)


def _of_rows(path: Path, comparison: Comparison, chosen: _Chosen) -> Report:
    """With the network, where an artifact of the rows is still in its place."""
    folders = [Path(row.artifact) for row in comparison.rows if row.artifact]
    places = [root / f / NETWORK for f in folders for root in (Path(), path.parent)]
    found = next((p for p in places if p.is_file()), None)
    if found is None:
        return Report(*comparison_page(comparison, command=chosen.command))
    network = checkpoint.load(found)
    inputs = read_inputs(network, chosen.samples, chosen.reading)
    page = comparison_page(comparison, network, inputs.samples, chosen.sample or 0, chosen.command)
    return Report(*page, inputs.remark)
