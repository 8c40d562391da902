"""What is measured: tables of all engines in the three forms, and how cost grows with one number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.networks import Size, poisson_samples, random_network
from delrec_compile.aliases import Progress
from delrec_compile.compiler.build import build
from delrec_compile.data.events import save_samples
from delrec_compile.evaluation.baselines.baseline import FORMS
from delrec_compile.evaluation.latency.bench import bench
from delrec_compile.network import checkpoint

STEPS, SAMPLES = 100, 256
FEW = ("ours", "ours_int8", "torch_eager", "authors_dense", "authors_conv", "onnxruntime")
OVER_TIME = (*FEW, "onnxruntime_sequence")
QUICK = ("conv_delay_256", "delay", "rate")


@dataclass(frozen=True)
class Point:
    """One measurement. network: a bundled one, or the size of a random one. rows: None for all."""

    value: float | str
    network: Size | str
    form: str = "step"
    batch: int | None = None
    rows: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Study:
    """Points that belong together. over: meaning and unit of their values."""

    name: str
    title: str
    over: str
    points: tuple[Point, ...]


def studies(quick: bool = False) -> tuple[Study, ...]:
    """All studies; quick: a few of them, with few engines and points, for CI."""
    every = (*_tables(quick), *_scaling(quick))
    return tuple(s for s in every if s.name in QUICK) if quick else every


def _tables(quick: bool) -> Iterator[Study]:
    streams = 32 if quick else 256
    nets: dict[str, tuple[str, Size | str]] = {
        "conv_delay_256": ("the bundled conv_delay_256", "conv_delay_256"),
        "rate_5": ("random weights, 5 % of the hidden neurons active", Size()),
        "dense_delay_256": ("the bundled dense_delay_256", "dense_delay_256"),
    }
    for name, (title, network) in nets.items():
        points = []
        for form in FORMS:
            batch = streams if form == "batch" else None
            few = quick or name == "dense_delay_256"
            rows = (FEW if form == "step" else OVER_TIME) if few else None
            points.append(Point(form, network, form, batch, rows))
        yield Study(name, title, "form", tuple(points))


def _scaling(quick: bool) -> Iterator[Study]:
    base = Size()

    def study(
        name: str, title: str, over: str, values: tuple[int, ...], make: Callable[[Any], Size]
    ) -> Study:
        chosen = (values[0], values[-1]) if quick else values
        return Study(name, title, over, tuple(Point(v, make(v), rows=FEW) for v in chosen))

    sizes, delays, widths = (64, 128, 256, 512, 1024), (8, 30, 62, 126, 250), (1, 3, 5, 9, 15)
    yield study("neurons", "layer size", "neurons", sizes, lambda n: replace(base, neurons=n))
    yield study(
        "delay", "longest delay", "steps", delays, lambda d: replace(base, delays=(d // 3, d))
    )
    yield study("taps", "kernel", "taps", widths, lambda k: replace(base, taps=k))
    yield study("rate", "activity", "%", (1, 2, 5, 10, 20), lambda r: replace(base, rate=r / 100))
    forms = {1: "sequence", 4: "batch", 16: "batch", 64: "batch", 256: "batch"}
    points = tuple(Point(b, base, form, b, OVER_TIME) for b, form in forms.items())
    yield Study("batch", "batch", "streams", points)


def measure(study: Study, folder: Path, rounds: int | None, progress: Progress) -> dict[str, Any]:
    """The study's points, measured. folder: cache of artifacts, shared by the studies."""
    points = []
    for i, point in enumerate(study.points):
        progress(f"{study.name} {i + 1}/{len(study.points)}: {point.value}")
        artifact, samples = prepared(point.network, folder)
        result = bench(
            artifact,
            samples,
            rows=point.rows,
            rounds=rounds,
            form=point.form,
            batch=point.batch,
        )
        network = point.network if isinstance(point.network, str) else asdict(point.network)
        points.append({"value": point.value, "network": network, **result.as_dict()})
    return {"study": study.name, "title": study.title, "over": study.over, "points": points}


def prepared(which: Size | str, folder: Path) -> tuple[Path, str]:
    """The artifact of a network, built unless it is there, and the samples to run on."""
    if isinstance(which, str):
        artifact, samples = folder / which, "samples"
    else:
        key = "_".join(str(v) for v in asdict(which).values()).translate(
            {ord(c): "_" for c in "(, )"}
        )
        artifact, samples = folder / key, str(folder / f"{which.inputs}.npz")
        if not Path(samples).exists():
            save_samples(samples, poisson_samples(SAMPLES, STEPS, which.inputs))
    if not artifact.exists():
        network = checkpoint.load(which) if isinstance(which, str) else random_network(which)
        build(network, out=artifact)
    return artifact, samples
