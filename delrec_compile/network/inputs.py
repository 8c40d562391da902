"""The inputs of a network: one way to read samples, at the network's own time step and width."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.data.arrays import load_samples
from delrec_compile.data.events import Events, save_samples
from delrec_compile.data.generated import DENSITY, random_samples
from delrec_compile.data.samples import (
    BUNDLED,
    HDF5,
    bundled_file,
    file_of,
    first,
    fitting,
    read_samples,
)
from delrec_compile.data.sounds import bundled_sounds
from delrec_compile.errors import DataError, UsageError
from delrec_compile.network.drive import drive
from delrec_compile.network.front_end import NOTE, front_end_of
from delrec_compile.network.model import Network
from delrec_compile.network.reading import Reading
from delrec_compile.network.taker import Taker
from delrec_compile.system.folders import work_folder

AUTO, RANDOM = "auto", "random"
Source = str | Path | Events | npt.NDArray[Any]
PLAIN = Reading()
CLOSE = 1e-6  # relative: time steps that differ by rounding of their decimals


@dataclass(frozen=True)
class Inputs:
    """Samples for a network. remark: one line on what they are, or empty where that is plain."""

    samples: Events
    remark: str = ""


def read_inputs(
    network: Network | Taker, source: Source = AUTO, reading: Reading = PLAIN
) -> Inputs:
    """The samples that `source` names, as the network takes them.

    source: `auto`, the bundled samples where they fit, else random ones; `samples`, the bundled ones;
    `random`, `random:SEED`, `random:DENSITY` or `random:DENSITY:SEED`, such as random:0.1:7; a file
    that `read_samples` takes; samples; or an array (samples, steps, inputs) of counts, or of real values
    for a network that takes them. Labels of
    another set than the network's classes are left out. Raises DataError for samples that do not fit,
    UsageError for a source that is none.
    """
    taker = network if isinstance(network, Taker) else Taker.of(network)
    if isinstance(source, np.ndarray):
        source = Events(taker.values("the samples", source), None, None, None, taker.dt_ms)
    if isinstance(source, Events):
        return _fitted(taker, source, reading, "the samples", "")
    if str(source) == AUTO:
        return _automatic(taker)
    if str(source).split(":")[0] == RANDOM and not Path(source).exists():
        return _random(taker, *_random_options(str(source)), "")
    return _from_file(taker, source, reading)


@contextmanager
def stored(network: Network | Taker, source: Source, limit: int | None = None) -> Iterator[str]:
    """Name of the samples for a child process, which reads it with `read_samples`."""
    inputs = read_inputs(network, source)
    bundled = isinstance(source, str) and source in (AUTO, *BUNDLED)
    if bundled and not inputs.remark and inputs.samples.labels is not None:
        yield str(bundled_file())
        return
    with work_folder() as folder:
        path = folder / "samples.npz"
        save_samples(path, first(inputs.samples, limit), compressed=False)
        yield str(path)


def _automatic(taker: Taker) -> Inputs:
    if taker.network is not None and NOTE in taker.network.notes:
        return _heard(taker.network)
    samples = load_samples(bundled_file())
    if samples.channels != taker.inputs:
        why = (
            f"the bundled samples have {samples.channels} inputs, the network takes {taker.inputs}"
        )
    elif not _same_step(samples.dt_ms, taker.dt_ms):
        why = (
            f"the bundled samples have steps of {samples.dt_ms:g} ms, the network of "
            f"{taker.dt_ms:g} ms"
        )
    elif samples.counts.max() > taker.max_input:
        why = (
            f"the bundled samples have counts up to {samples.counts.max()}, the network takes up to "
            f"{taker.max_input}"
        )
    else:
        unlabelled = replace(samples, labels=None)  # the classes of such a network are unknown
        return Inputs(_without_foreign_labels(taker, samples) if taker.labels else unlabelled)
    return _random(taker, None, 0, f" ({why})")


def _heard(network: Network) -> Inputs:
    """The bundled sounds through the network's own front end."""
    sounds = bundled_sounds()
    counts, labels = front_end_of(network).encode(sounds.pcm), sounds.labels
    known = sounds.keys == network.labels
    samples = Events(counts, labels if known else None, None, None, network.dt_ms)
    return Inputs(samples, f"{len(counts)} bundled words through the network's front end")


def _random_options(source: str) -> tuple[float | None, int]:
    """Density and seed of random:DENSITY:SEED. Raises UsageError."""
    words = source.split(":")[1:]
    alone = len(words) == 1 and words[0].isdecimal() and words[0] != "1"
    try:
        density = float(words[0]) if words and not alone else None
        seed = int(words[-1]) if alone or len(words) > 1 else 0
        if len(words) > 2:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"'{source}' is none of: random, random:SEED (an integer; a lone 1 is a density), "
            "random:DENSITY (such as 0.1), random:DENSITY:SEED"
        ) from None
    return density, seed


def _random(taker: Taker, density: float | None, seed: int, why: str) -> Inputs:
    if taker.network is None:
        density = DENSITY if density is None else density
        options: dict[str, Any] = {"density": density, "seed": seed, "dt_ms": taker.dt_ms}
        samples = random_samples(taker.inputs, **options)
        n, steps = samples.counts.shape[:2]
        text = f"{n} random samples of {steps} steps, density {density:.3g}, seed {seed}"
        return Inputs(samples, f"inputs: {text}{why}")
    made = drive(taker.network, density=density, seed=seed)
    text = f"{made}; {made.rate:.1%} of the hidden neurons fire in a step"
    if not made.fires:
        text = f"{made}; no neuron fires on them" + (
            "" if density else ", nor at any other density"
        )
    return Inputs(made.samples, f"inputs: {text}{why}")


def _from_file(taker: Taker, source: str | Path, reading: Reading) -> Inputs:
    dt_ms = taker.dt_ms if reading.dt_ms is None else reading.dt_ms
    if isinstance(source, str) and source in BUNDLED:
        samples = read_samples(source)
        return _fitted(taker, samples, reading, "the bundled samples", "")
    path = file_of(Path(source))
    if path.suffix not in HDF5:
        _refuse_binning(path, reading)
        samples = read_samples(path, dt_ms=dt_ms, real=taker.real)
        text = f"inputs: {_counted(samples, path)} of {samples.dt_ms:g} ms"
        if samples.unread:
            text += f"; not read: {', '.join(samples.unread)}"
        return _fitted(taker, samples, reading, str(path), text)
    steps = taker.steps if reading.steps is None else reading.steps
    align = (
        taker.align_first_spike if reading.align_first_spike is None else reading.align_first_spike
    )
    lead = taker.lead if reading.lead is None else reading.lead
    samples = read_samples(
        path,
        steps=steps,
        dt_ms=dt_ms,
        inputs=taker.inputs,
        align_first_spike=bool(align),
        lead=lead or 0,
    )
    text = f"inputs: {_counted(samples, path)} of {dt_ms:g} ms"
    text += ", first spike at step 0" if align else ""
    text += f", after {lead} empty step{'' if lead == 1 else 's'}" if lead else ""
    if samples.outside:
        text += f"; {samples.outside:.1%} of the spikes come later and are left out"
    if not _same_step(dt_ms, taker.dt_ms):
        text += f"; the network's own step is {taker.dt_ms:g} ms: it was not made for this binning"
    return _fitted(replace(taker, dt_ms=dt_ms), samples, Reading(), str(path), text)


def _counted(samples: Events, path: Path) -> str:
    plural = "" if len(samples) == 1 else "s"
    return f"{len(samples):,} sample{plural} of {path}, {samples.steps:,} steps"


def _refuse_binning(path: Path, reading: Reading) -> None:
    """Raises UsageError for options of .h5 files."""
    flags = (
        ("--steps", reading.steps is not None),
        ("--align-first-spike", bool(reading.align_first_spike)),
        ("--lead", bool(reading.lead)),
    )
    for flag, given in flags:
        if given:
            raise UsageError(
                f"{flag} is of .h5 files, whose spikes are binned; {path} holds counts"
            )


def _fitted(taker: Taker, samples: Events, reading: Reading, name: str, remark: str) -> Inputs:
    """The samples at the network's step, checked, without labels of another set."""
    samples = replace(samples, counts=taker.values(name, samples.counts))
    fitting(samples, taker.inputs, name)
    _require_own_front_end(taker, samples, name)
    told = []
    if reading.dt_ms is not None:
        if not _same_step(samples.dt_ms, reading.dt_ms):
            told.append(f"taken as steps of {reading.dt_ms:g} ms")
        samples = replace(samples, dt_ms=reading.dt_ms)
    if not _same_step(samples.dt_ms, taker.dt_ms):
        stated = samples.dt_ms
        samples = _converted(taker, samples, name)
        told.append(f"its steps of {stated:g} ms are summed to the network's {taker.dt_ms:g} ms")
    if taker.real:
        told += _clipped(taker, samples)
    else:
        _require_small(taker, samples, name)
    known = _without_foreign_labels(taker, samples)
    if known.labels is None and samples.labels is not None:
        told.append("its labels are of another set than the network's classes: no accuracy")
    return Inputs(known, "; ".join([remark or f"inputs: {name}", *told] if told else [remark]))


def _require_own_front_end(taker: Taker, samples: Events, name: str) -> None:
    """Raises DataError for counts of another front end than the network's."""
    network = taker.network
    own = network.notes.get(NOTE) if network else None
    if network and own and samples.front_end and json.loads(samples.front_end) != own:
        raise DataError(
            f"{name}: counted by another front end than the one that network '{network.name}' was "
            "trained behind; count the sound anew with the network's own"
        )


def _same_step(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=CLOSE)


def _converted(taker: Taker, samples: Events, name: str) -> Events:
    """Counts summed to the network's step, where that is a multiple. Raises DataError."""
    ratio = taker.dt_ms / samples.dt_ms
    times = round(ratio)
    if taker.real or times < 2 or not _same_step(ratio, times):
        raise DataError(
            f"{name}: steps of {samples.dt_ms:g} ms, the network's are of {taker.dt_ms:g} ms; bin the "
            f"samples at its step, or run their steps as they are with --dt-ms {taker.dt_ms:g}"
        )
    n, steps, inputs = samples.counts.shape
    padded = np.zeros((n, -steps % times, inputs), np.uint8)
    whole = np.concatenate([samples.counts, padded], axis=1)
    sums = whole.reshape(n, -1, times, inputs).sum(2, dtype=np.int64)
    if sums.max() > np.iinfo(np.uint8).max:
        raise DataError(
            f"{name}: a step of {taker.dt_ms:g} ms has {sums.max()} spikes; at most 255 fit"
        )
    return replace(samples, counts=sums.astype(np.uint8), dt_ms=taker.dt_ms)


def _clipped(taker: Taker, samples: Events) -> list[str]:
    """A line on the values beyond max_input, if there are any."""
    beyond = float((np.abs(samples.counts) > taker.max_input).mean())
    return [f"{beyond:.2%} of its values are beyond {taker.max_input:g}: clipped"] if beyond else []


def _require_small(taker: Taker, samples: Events, name: str) -> None:
    """Raises DataError for a count above the network's largest."""
    largest = int(samples.counts.max())
    if largest > taker.max_input:
        n, step, at = np.unravel_index(int(samples.counts.argmax()), samples.counts.shape)
        raise DataError(
            f"{name}: sample {n}, step {step}, input {at} is a count of {largest}; the network takes "
            f"up to {taker.max_input}, its max_input: import it again with --max-input {largest}, or "
            "use shorter steps"
        )


def _without_foreign_labels(taker: Taker, samples: Events) -> Events:
    """The samples; labels are left out where they cannot be the network's classes."""
    if samples.labels is None:
        return samples
    theirs, own = samples.keys, taker.labels
    named = not (theirs and own) or tuple(theirs) == tuple(own)
    outputs = taker.outputs
    within = outputs is None or int(samples.labels.max(initial=0)) < outputs
    counted = bool(own) or not theirs or outputs in (None, len(theirs))
    return samples if named and within and counted else replace(samples, labels=None)
