"""Engines side by side: variants that agree, the fastest of each, and times, interleaved."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.data.events import Events
from delrec_compile.errors import ParityError, ToolchainError, UnsupportedError
from delrec_compile.evaluation.baselines import registry
from delrec_compile.evaluation.baselines.baseline import Baseline, Workload
from delrec_compile.network.golden import same_bits
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import Network
from delrec_compile.network.tolerances import LOOSE, for_outputs
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Runner
from delrec_compile.runners.torch_runner import TorchRunner

References = dict[int, tuple[Any, F32]]  # id of a network -> the network and its outputs
SLICE_NS = 4_000_000
LONG_NS = 50_000_000  # a run this long needs none before it that warms the caches
PILOT = 3  # rounds in which the forms of an engine are compared; one where that takes long
DISTINCT = 25  # samples that slices take in turn, at least
DIFFERING = 0.02  # of a batch: streams in which another order of a sum may flip a spike


def inputs(events: Events, batch: int, count: int) -> list[F32]:
    """Arrays (T, batch, inputs): a sample each, or the same batch again and again."""

    def samples(first: int) -> F32:
        at = np.arange(first, first + batch) % len(events)
        return np.ascontiguousarray(events.counts[at].transpose(1, 0, 2), np.float32)

    return [samples(0)] * count if batch > 1 else [samples(i) for i in range(count)]


def select_engines(
    rows: list[str], artifact: Artifact, network: Network, work: Workload, x: list[F32]
) -> tuple[dict[str, Baseline], dict[str, dict[str, float]], dict[str, str]]:
    """Engines in their fastest variant that agrees, times of all variants, and reasons of skips."""
    engines: dict[str, Baseline] = {}
    forms: dict[str, dict[str, float]] = {}
    skipped: dict[str, str] = {}
    references: References = {}
    for name in rows:
        try:
            made = registry.make(name, artifact, network, work)
            agreeing = [p for p in made if _agrees(p, x[0], network, references)]
        except (UnsupportedError, ToolchainError) as error:
            skipped[name] = str(error)
            continue
        if not agreeing:
            skipped[name] = "rounding flips spikes here, so its outputs differ: not timed"
            continue
        engines[name], forms[name] = fastest(agreeing, x)
    return engines, forms, skipped


def _agrees(engine: Baseline, x: F32, network: Network, references: References) -> bool:
    """Whether the engine computes what it must; references: outputs computed so far, by network.

    A twin is compared with its own reference, an integer form with the integer one, bit for bit.
    Raises ParityError when it is our own engine that does not.
    """
    computed = engine.integer_network or engine.network or network
    if id(computed) not in references:
        runner: Runner = (
            ReferenceRunner(computed)
            if isinstance(computed, IntegerNetwork)
            else TorchRunner(computed)
        )
        references[id(computed)] = computed, runner.trace(x).y
    off = np.abs(engine.outputs(x) - references[id(computed)][1]).max(axis=(0, 2))
    if not engine.name.startswith("ours"):
        return bool((~(off <= LOOSE)).sum() <= DIFFERING * len(off))
    limit = for_outputs(same_bits(computed))
    if not (off <= limit).all():
        raise ParityError(
            f"bench: {engine.name} computes different outputs (off by {off.max():.3g})"
        )
    return True


def fastest(forms: list[Baseline], x: list[F32]) -> tuple[Baseline, dict[str, float]]:
    """The fastest of an engine's forms, and microseconds per step of each."""
    if len(forms) == 1:
        return forms[0], {}
    engines = {p.form: p for p in forms}
    times: dict[str, list[float]] = {form: [] for form in engines}
    for k in range(1 if x[0] is x[-1] else min(PILOT, len(x))):
        for form, spent in interleave(engines, [*x[k:], *x[:k]], 1).items():
            times[form] += spent
        if min(map(min, times.values())) * 1e3 * len(x[k]) >= LONG_NS:
            break
    took = {form: statistics.median(t) for form, t in times.items()}
    return min(forms, key=lambda p: took[p.form]), took


def interleave(
    engines: Mapping[str, Baseline], x: list[F32], rounds: int | None = None
) -> dict[str, list[float]]:
    """Microseconds per step, one figure per engine and round.

    x: arrays (T, batch, inputs). The slice of an engine in round k takes them in their order from the
    k-th on: branches and caches that know the last one do not know the next. rounds: by default as many
    as arrays.
    """
    times: dict[str, list[float]] = {name: [] for name in engines}
    for k in range(len(x) if rounds is None else rounds):
        first = k % len(x)
        for name, engine in engines.items():
            times[name].append(_slice_us(engine, [*x[first:], *x[:first]]))
    return times


def _slice_us(engine: Baseline, x: list[F32]) -> float:
    """Microseconds per step of runs on one array after the other; a short first run is not counted."""
    first, *others = x
    spent, steps = engine.timed([first]), len(first)
    if spent < LONG_NS:
        some = [*others, first][: math.ceil(SLICE_NS / max(spent, 1))]
        spent, steps = 0, 0
        while spent < SLICE_NS:
            spent, steps = spent + engine.timed(some), steps + sum(map(len, some))
    return spent / steps / 1e3
