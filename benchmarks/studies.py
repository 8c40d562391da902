"""What is measured: tables of all engines in the three forms, and how cost grows with one number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.networks import Size, poisson_words, random_network
from delrec_compile import checkpoint
from delrec_compile.bench import FORMS, bench
from delrec_compile.build import build
from delrec_compile.data.events import save_words

STEPS, WORDS = 100, 256
FEW = ("ours", "ours_int8", "torch_eager", "authors_dense", "authors_conv", "onnxruntime")
OVER_TIME = (*FEW, "onnxruntime_sequence")
BUNDLED = ("conv_delay_256", "dense_delay_256")
Say = Callable[[str], None]


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
    """Points that belong together. over: what `value` is."""

    name: str
    title: str
    over: str
    points: tuple[Point, ...]


def studies(quick: bool = False) -> tuple[Study, ...]:
    """All studies; quick: a few engines and points, for CI."""
    return (*_tables(quick), *_scaling(quick))


def _tables(quick: bool) -> Iterator[Study]:
    rows = OVER_TIME if quick else None
    streams = 32 if quick else 256
    nets: dict[str, Size | str] = {n: n for n in BUNDLED[: 1 if quick else 2]}
    nets["rate_5"] = Size()
    for name, network in nets.items():
        what = "random weights, 5 % of the hidden neurons active" if name == "rate_5" else name
        points = []
        for form in FORMS:
            batch = streams if form == "batch" else None
            some = rows and tuple(r for r in rows if form != "step" or r != "onnxruntime_sequence")
            points.append(Point(form, network, form, batch, some))
        yield Study(name, what, "form", tuple(points))


def _scaling(quick: bool) -> Iterator[Study]:
    base = Size()

    def steps(values: tuple[float, ...], make: Callable[[Any], Size]) -> tuple[Point, ...]:
        chosen = (values[0], values[-1]) if quick else values
        return tuple(Point(v, make(v), rows=FEW) for v in chosen)

    neurons = (64, 128, 256, 512) if quick else (64, 128, 256, 512, 1024)
    yield Study(
        "neurons",
        "neurons per layer",
        "neurons",
        steps(neurons, lambda n: replace(base, neurons=n)),
    )
    yield Study(
        "delay",
        "longest delay",
        "steps",
        steps((8, 30, 62, 126, 250), lambda d: replace(base, delays=(d // 3, d))),
    )
    yield Study("taps", "kernel", "taps", steps((1, 3, 5, 9, 15), lambda k: replace(base, taps=k)))
    yield Study(
        "rate",
        "hidden neurons active per step",
        "%",
        steps((1, 2, 5, 10, 20), lambda r: replace(base, rate=r / 100)),
    )
    batches = (1, 16) if quick else (1, 4, 16, 64, 256)
    yield Study(
        "batch",
        "streams at once",
        "streams",
        tuple(Point(b, base, "batch" if b > 1 else "sequence", b, OVER_TIME) for b in batches),
    )


def measure(study: Study, folder: Path, rounds: int | None, say: Say) -> dict[str, Any]:
    """The study's points, measured. folder: where artifacts are kept between studies."""
    points = []
    for i, point in enumerate(study.points):
        say(f"{study.name} {i + 1}/{len(study.points)}: {point.value}")
        artifact, words = prepared(point.network, folder)
        found = bench(
            artifact,
            words,
            rows=point.rows,
            rounds=rounds,
            form=point.form,
            batch=point.batch,
        )
        network = point.network if isinstance(point.network, str) else asdict(point.network)
        points.append({"value": point.value, "network": network, **found.as_dict()})
    return {"study": study.name, "title": study.title, "over": study.over, "points": points}


def prepared(which: Size | str, folder: Path) -> tuple[Path, str]:
    """The artifact of a network, built unless it is there, and the words to run on."""
    if isinstance(which, str):
        artifact, words = folder / which, "words"
    else:
        key = "_".join(str(v) for v in asdict(which).values()).translate(
            {ord(c): "_" for c in "(, )"}
        )
        artifact, words = folder / key, str(folder / f"{which.inputs}.npz")
        if not Path(words).exists():
            save_words(words, poisson_words(WORDS, STEPS, which.inputs))
    if not artifact.exists():
        network = checkpoint.load(which) if isinstance(which, str) else random_network(which)
        build(network, out=artifact)
    return artifact, words
