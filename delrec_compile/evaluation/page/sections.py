"""Sections that every page has: the network, a sample of it, its delays, its energy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from delrec_compile.data.events import Events
from delrec_compile.evaluation import report
from delrec_compile.evaluation.claims.cost import ADD_PJ, MAC_PJ, SOURCE, cost
from delrec_compile.evaluation.page import delays as learned
from delrec_compile.evaluation.page.figures import Command, Lines, Section, Table
from delrec_compile.evaluation.page.graph import graph
from delrec_compile.evaluation.page.raster import raster, raster_table
from delrec_compile.evaluation.page.recording import Recording
from delrec_compile.evaluation.page.traces import traces, traces_table
from delrec_compile.network.drive import firing_rates
from delrec_compile.network.model import Network

MOST_SAMPLES = 20  # of those that rates are measured on


def network_section(summary: dict[str, Any]) -> Section:
    """The graph and what stands behind its lines. summary: see `network.summary`."""
    columns, rows = report.network_table({**summary, "layers": []})
    lead = (
        "Blue lines carry delays, in steps; a projection that closes a cycle takes one step more."
    )
    table = Table("Populations and projections", columns, list(rows), right=False)
    lines = Lines(tuple(report.network_lines(summary)))
    return Section("network", "Network", (graph(summary), table, lines), lead)


def sample_sections(r: Recording) -> tuple[Section, Section]:
    """The raster, and membranes."""
    lead = f"{r.steps} steps of {r.dt_ms:g} ms, computed in PyTorch. {_beside(r)}"
    first = Section("raster", "One sample", (raster(r), raster_table(r)), lead)
    plots, words = traces(r), traces_table(r)
    return first, Section("membranes", "Membranes", (plots, words))


def _beside(r: Recording) -> str:
    """The artifact's own code on the sample, in a sentence."""
    if r.other is None:
        return f"{r.engine[:1].upper()}{r.engine[1:]}." if r.engine else ""
    compared = sum(s.size for s in r.spikes)
    text = f"The compiled step ({r.engine}) ran on it too: {r.differing:,} of {compared:,} spikes differ"
    if r.first is None:
        return f"{text}."
    f = r.first
    return f"{text}, first in {f.population}, neuron {f.neuron}, at step {f.step} (red)."


def delays_section(network: Network) -> Section | None:
    """None of a network without delays and kernels."""
    parts = learned.delays(network)
    if not parts:
        return None
    return Section("delays", "Delays and kernels", tuple(parts))


def energy_section(network: Network, samples: Events) -> Section:
    """Operations at the rates of the samples, and the energy of their arithmetic."""
    counts = samples.counts[:MOST_SAMPLES]
    active = float((counts != 0).mean())
    rates, _ = firing_rates(network, counts)
    c = cost(network, (active, *rates))
    rows = (
        ("events", f"{c.macs:,.0f}", f"{c.additions:,.0f}", f"{c.energy_nj:,.1f} nJ"),
        ("every weight, each step", f"{c.dense_macs:,}", "0", f"{c.dense_energy_nj:,.1f} nJ"),
    )
    columns = ("work follows", "multiply-accumulates", "additions", "energy per step")
    table = Table("Operations and energy of a step", columns, rows)
    lead = (
        f"An estimate of arithmetic alone: {MAC_PJ} pJ a multiply-accumulate, {ADD_PJ} pJ an addition. "
        "Memory and control are left out, so it compares networks and predicts no chip."
    )
    n = len(counts)
    measured = ", ".join(
        f"{name} {rate:.1%}"
        for name, rate in zip(
            ("input", *(p.name for p in network.spiking)), (active, *rates), strict=True
        )
    )
    lines = Lines(
        (
            f"Constants: {SOURCE}.",
            f"Rates per step, mean of {n} sample{'' if n == 1 else 's'}: {measured}.",
        )
    )
    return Section("energy", "Energy, an estimate", (table, lines), lead)


def environment_section(tools: dict[str, str], machine: dict[str, str], command: str,
                        rebuilt: str = "") -> Section:  # fmt: skip
    """Where it was measured, with what, and the commands that make it again."""
    rows = [(name, text) for name, text in (*machine.items(), *tools.items())]
    parts: list[Any] = [Table("Machine and versions", ("what", "value"), rows, right=False)]
    parts += [Command(command, "This page")] if command else []
    parts += [Command(rebuilt, "The artifact")] if rebuilt else []
    return Section("environment", "Environment and commands", tuple(parts))


def present(parts: Sequence[Section | None]) -> tuple[Section, ...]:
    """The sections that there are."""
    return tuple(p for p in parts if p is not None)
