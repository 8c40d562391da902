"""The report of an artifact, a network, a comparison or the claims, and its files."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.errors import InputError, UnsupportedError
from delrec_compile.evaluation.page.figures import Page
from delrec_compile.evaluation.page.measured import artifact_page, network_page
from delrec_compile.evaluation.page.recording import Recording
from delrec_compile.evaluation.page.render import render
from delrec_compile.network import checkpoint
from delrec_compile.network.inputs import AUTO, PLAIN, Source, read_inputs
from delrec_compile.network.reading import Reading
from delrec_compile.system.recognise import Kind, recognise, wrong_file

NETWORKS = (Kind.NETWORK, Kind.BUNDLED)
NEEDED = "an artifact's folder or a network"


@dataclass(frozen=True)
class Report:
    """A page and what it was made of. recording: of the sample shown; None without a network. remark:
    on the samples, where that is not plain."""

    page: Page
    recording: Recording | None = None
    remark: str = ""

    def html(self) -> str:
        """One file that loads nothing."""
        return render(self.page)

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
    """The report of an artifact's folder, or of a network.

    samples, reading: see `read_inputs`; sample: number of the one that is drawn, by default that of the
    first difference, else the first. command: what made it, which the page repeats. Raises InputError,
    UnsupportedError, UsageError.
    """
    kind = recognise(source).kind
    if kind in NETWORKS:
        network = checkpoint.load(source)
        inputs = read_inputs(network, samples, reading)
        made = network_page(network, inputs.samples, sample or 0, command)
        return Report(*made, inputs.remark)
    if kind is Kind.PLAIN_ARTIFACT:
        raise UnsupportedError(
            f"{source} is {kind}, which has no populations to draw; delrec-compile inspect {source}"
        )
    if kind is not Kind.ARTIFACT:
        raise InputError(wrong_file(source, NEEDED))
    artifact = load_artifact(source)
    network = checkpoint.load(artifact.path / "network.safetensors")
    inputs = read_inputs(network, samples, reading)
    made = artifact_page(artifact, network, inputs.samples, sample, command)
    return Report(*made, inputs.remark)
