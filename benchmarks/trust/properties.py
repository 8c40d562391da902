"""Networks and files that hypothesis makes: what is written is read as the same bits, damage is refused
or harmless, and the engines of this machine agree.

    python -m benchmarks.trust.properties --cases 10000
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmarks import drawn
from benchmarks.staged import artifact_here
from benchmarks.trust.mutations import Damage
from benchmarks.trust.strategies import SEEDS, Drawn, damages, networks, numerics
from delrec_compile.compiler.schedules import store
from delrec_compile.data.arrays import load_samples
from delrec_compile.data.events import Events, save_samples
from delrec_compile.errors import DelrecError, InputError, UnsupportedError
from delrec_compile.interop.nir.reader import from_nir
from delrec_compile.interop.nir.writer import to_nir
from delrec_compile.network import checkpoint
from delrec_compile.network.integer import checkpoint as integer
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.network.onnx_step.schema import read_model
from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.open import artifact_runner
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Trace
from delrec_compile.runners.torch_runner import TorchRunner

STEPS = 12
OUTCOMES: Counter[str] = Counter()


@dataclass(frozen=True)
class Property:
    """check: raises where it does not hold. share: one of so many cases is of this property."""

    check: Callable[..., None]
    given: dict[str, st.SearchStrategy[Any]]
    share: int = 1


def network_file(one: Drawn, damage: Damage) -> None:
    """A network's file: the same network, the same bytes; damaged: the same network, or refused."""
    network = one.network()
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoint.save(network, Path(folder) / "a.safetensors")
        raw, own = path.read_bytes(), checkpoint.digest(network)
        again = checkpoint.load(path)
        assert checkpoint.digest(again) == own
        assert checkpoint.save(again, path).read_bytes() == raw
        path.write_bytes(damage.of(raw))
        try:
            assert checkpoint.digest(checkpoint.load(path)) == own
            OUTCOMES["harmless"] += 1
        except InputError:
            OUTCOMES["refused"] += 1


def integer_file(one: Drawn, numeric: str, damage: Damage) -> None:
    """The same of a network's integer form, where it has one."""
    try:
        quantised = quantise(one.network(), numeric)
    except UnsupportedError:
        OUTCOMES["no integer form"] += 1
        return
    with tempfile.TemporaryDirectory() as folder:
        path = integer.save(quantised, Path(folder) / "a.safetensors")
        raw = path.read_bytes()
        assert integer.save(integer.load(path), path).read_bytes() == raw
        path.write_bytes(damage.of(raw))
        try:
            assert integer.save(integer.load(path), path).read_bytes() == raw
            OUTCOMES["harmless"] += 1
        except InputError:
            OUTCOMES["refused"] += 1


def samples_file(seed: int, real: bool, damage: Damage) -> None:
    """A file of samples: the same samples; damaged: those, or refused."""
    r = np.random.default_rng(seed)
    shape = tuple(int(n) for n in r.integers(1, 6, 3))
    values = (
        r.normal(size=shape).astype(np.float32) if real else r.integers(0, 256, shape, np.uint8)
    )
    classes = int(r.integers(1, 5))
    keys = tuple(f"class {k}" for k in range(classes))
    labels = r.integers(0, classes, shape[0]).astype(np.int64)
    events = Events(values, labels, keys, None, float(r.uniform(0.1, 20)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.npz"
        save_samples(path, events, compressed=bool(seed % 2))
        raw = path.read_bytes()
        assert _same(load_samples(path, real=real), events)
        path.write_bytes(damage.of(raw))
        try:
            # a damaged directory can hide an array: then the file has fewer, each as it was
            again = load_samples(path, real=real)
            np.testing.assert_array_equal(again.counts, events.counts)
            OUTCOMES["harmless"] += 1
        except InputError:
            OUTCOMES["refused"] += 1


def _same(one: Events, other: Events) -> bool:
    assert one.labels is not None
    assert other.labels is not None
    equal = np.array_equal(one.counts, other.counts) and np.array_equal(one.labels, other.labels)
    return equal and one.keys == other.keys and one.dt_ms == other.dt_ms


def tuning_file(seed: int, damage: Damage) -> None:
    """A tuning store: what is read of a damaged one was written, in its order."""
    r = np.random.default_rng(seed)
    key = store.Key("1", "x86_64", "any", drawn_numeric(r), "c", {"parts": [int(r.integers(9))]})
    records = [{"trial": {"n": int(n), "cost": float(r.normal())}} for n in range(r.integers(1, 9))]
    with tempfile.TemporaryDirectory() as folder:
        database = store.Store(folder)
        database.append(key, *records)
        assert list(database.read(key).records) == records
        path = database.path(key)
        path.write_bytes(damage.of(path.read_bytes()))
        kept = list(store.read(path).records)
        left = iter(records * 2)  # a part of the file may be doubled
        assert all(any(record == one for one in left) for record in kept)
        OUTCOMES["whole" if kept == records else "in part"] += 1


def drawn_numeric(r: np.random.Generator) -> Any:
    from delrec_compile.aliases import Numeric

    return list(Numeric)[int(r.integers(len(Numeric)))]


def engines(one: Drawn, seed: int) -> None:
    """The reference, PyTorch and ONNX Runtime: the same bits, also of what NIR gives back."""
    network = one.network()
    x = drawn.counts(network, STEPS, 2, seed % 1000)
    want = ReferenceRunner(network).trace(x)
    for runner in (TorchRunner(network), OnnxRunner(read_model(model_of(network)))):
        require_equal(runner.trace(x), want)
    with suppress(DelrecError):
        again = from_nir(to_nir(network), dt_ms=network.dt_ms).network
        require_equal(ReferenceRunner(again).trace(x), want)
        OUTCOMES["through NIR too"] += 1
    OUTCOMES["equal"] += 1


def compiled(one: Drawn, numeric: str, seed: int) -> None:
    """Portable C, of float32 and of an integer form where there is one: the bits of its reference."""
    network = one.network()
    x = drawn.counts(network, STEPS, 2, seed % 1000)
    forms: list[Any] = [network]
    with suppress(UnsupportedError):
        forms.append(quantise(network, numeric))
    for form in forms:
        with tempfile.TemporaryDirectory() as folder:
            quantised = form if form is not network else None
            artifact = artifact_here(network, "portable_c", Path(folder) / "net", quantised)
            require_equal(artifact_runner(artifact).trace(x), ReferenceRunner(form).trace(x))
        OUTCOMES[f"equal in {form.numeric}"] += 1


def require_equal(have: Trace, want: Trace) -> None:
    """Raises AssertionError where a spike or a bit of the outputs differs."""
    for one, other in zip(have.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(have.y.view(np.uint32), want.y.view(np.uint32))


PROPERTIES: dict[str, Property] = {
    "network files": Property(network_file, {"one": networks(), "damage": damages()}),
    "integer files": Property(
        integer_file, {"one": networks(), "numeric": numerics(), "damage": damages()}
    ),
    "samples": Property(samples_file, {"seed": SEEDS, "real": st.booleans(), "damage": damages()}),
    "tuning records": Property(tuning_file, {"seed": SEEDS, "damage": damages()}),
    "engines": Property(engines, {"one": networks(), "seed": SEEDS}, share=20),
    "portable C": Property(
        compiled, {"one": networks(), "numeric": numerics(), "seed": SEEDS}, share=400
    ),
}


def checked(
    one: Property, cases: int, seed: int | None = None, shrink: bool = True
) -> Counter[str]:
    """How many cases ended in which way. seed: of hypothesis; None: of the
    property. Raises what the property raises; shrink: for the smallest case that hypothesis finds.
    """
    from hypothesis import seed as seeded

    OUTCOMES.clear()
    chosen = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=seed is None,
        suppress_health_check=list(HealthCheck),
        phases=[phase for phase in Phase if shrink or phase is Phase.generate],
    )
    test = chosen(given(**one.given)(one.check))
    (test if seed is None else seeded(seed)(test))()
    return Counter(OUTCOMES)


def main(argv: list[str] | None = None) -> int:
    """Prints the outcomes of each property; exit code 6 where one does not hold."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trust.properties", description="Properties of files and engines."
    )
    parser.add_argument("--cases", type=int, default=1000, help="of all properties together")
    parser.add_argument("--seed", type=int, default=2604)
    parser.add_argument("--only", choices=PROPERTIES, help="one property")
    options = parser.parse_args(argv)
    chosen = {k: v for k, v in PROPERTIES.items() if options.only in (None, k)}
    parts = sum(1 / one.share for one in chosen.values())
    for name, one in chosen.items():
        started, cases = time.monotonic(), max(1, round(options.cases / parts / one.share))
        try:
            told = checked(one, cases, options.seed)
        except Exception as error:
            print(f"{name}: broken: {error!r:.2000}")
            return 6
        ways = ", ".join(f"{n:,} {way}" for way, n in sorted(told.items()))
        print(f"{name}: {cases:,} cases, {time.monotonic() - started:.0f} s: {ways}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
