"""Rows 2 and 19: files with cuts and flipped bits, and weights with one flipped bit in the library."""

from __future__ import annotations

import ctypes
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.staged import artifact_here
from benchmarks.trust import made
from benchmarks.trust.isolated import ACCEPTED, REFUSED, isolated
from benchmarks.trust.row import Result, Scale
from delrec_compile.artifact.host_library import compile_library
from delrec_compile.artifact.manifest import FILE, Artifact, load_artifact
from delrec_compile.compiler import tables as c_tables
from delrec_compile.interop.source import import_model
from delrec_compile.network import checkpoint
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.runners.emulated.core import EmulatedRunner

DETECTED = "detected"


def damage(raw: bytes, r: np.random.Generator) -> bytes:
    """The bytes cut somewhere, or with one or two bits flipped; never the same bytes."""
    if r.random() < 0.4:
        return raw[: int(r.integers(len(raw)))]
    data = bytearray(raw)
    for at in r.choice(len(raw), int(r.integers(1, 3)), replace=False):
        data[at] ^= 1 << int(r.integers(8))
    return bytes(data)


def files(folder: Path, scale: Scale) -> Result:
    """Damage in every file that carries a checksum: refused, each time."""
    result = Result()
    for target, numeric in (("x86_64", "float32"), ("portable_c", "int8")):
        artifact = made.artifact(folder, made.network(), target, numeric)
        listed = sorted(artifact.manifest.files)
        for name, count in ((None, scale.of(500, 40)), (FILE, scale.of(500, 20))):
            paths = [artifact.path / (name or file) for file in listed]
            _damaged(result, paths, _of_artifact, count)
    network = made.network_file(folder)
    _damaged(result, [network], checkpoint.load, scale.of(500, 40))
    weights = folder / "weights.pth"
    weights.write_bytes(_checkpoint())
    _damaged(result, [weights], _imported, scale.of(200, 10), repr(_imported(weights)))
    return result


def _of_artifact(path: Path) -> object:
    root = next(p for p in path.parents if (p / FILE).exists())
    return load_artifact(root)


def _imported(path: Path) -> str:
    return checkpoint.digest(import_model(path, recipe="delrec-ssc").network)


def _checkpoint() -> bytes:
    state = {"layers.0.weight": torch.ones(4, 3), "layers.0.bias": torch.zeros(4)}
    state |= {"layers.1.weight": torch.ones(2, 4), "layers.1.bias": torch.zeros(2)}
    buffer = io.BytesIO()
    torch.save({"net": state, "epoch": 1}, buffer)
    return buffer.getvalue()


def _damaged(
    result: Result,
    paths: list[Path],
    load: Callable[[Path], Any],
    count: int,
    good: str | None = None,
) -> None:
    """good: what the whole file is read as, where parts of its format have no checksum and no effect."""
    r = np.random.default_rng(len(paths) + count)
    for _ in range(count):
        path = paths[int(r.integers(len(paths)))]
        raw = path.read_bytes()
        if not raw:
            continue
        path.write_bytes(damage(raw, r))
        outcome = isolated(load, path)
        path.write_bytes(raw)
        same = outcome.kind == ACCEPTED and outcome.said == good
        fault = None if same or outcome.kind == REFUSED else f"{path.name}: {outcome.said}"
        result.count("the same weights" if same else outcome.kind, fault)


def self_test(folder: Path, scale: Scale) -> Result:
    """One bit of a weight flipped in a library or a chip's program: its self-test says so, each time."""
    result = Result()
    for target, numeric in (("x86_64", "float32"), ("x86_64", "int8"), ("portable_c", "float32")):
        artifact, tables = _with_tables(folder, target, numeric)
        name = artifact.manifest.name
        library = artifact.library or compile_library(artifact.path, name, folder)
        _flipped(result, artifact, library, tables, _fails_here, scale.of(100, 15))
    for target, numeric in (("cortex_m4", "float32"), ("cortex_m0plus", "int8")):
        artifact, tables = _with_tables(folder, target, numeric)
        image = artifact.path / str(artifact.manifest.image)
        _flipped(result, artifact, image, tables, _fails_emulated, scale.of(50, 5))
    return result


def _flipped(
    result: Result,
    artifact: Artifact,
    program: Path,
    tables: list[bytes],
    fails: Callable[[Artifact, Path], bool],
    count: int,
) -> None:
    """Flips, each in a new copy of the program. fails: whether the self-test of a copy does."""
    raw, m = program.read_bytes(), artifact.manifest
    assert not fails(artifact, program)
    for start, bit in _flips(raw, tables, count):
        flipped = bytearray(raw)
        flipped[start + bit // 8] ^= 1 << bit % 8
        copy = program.with_name(f"flipped{program.suffix}")
        copy.unlink(missing_ok=True)
        copy.write_bytes(flipped)
        outcome = isolated(fails, artifact, copy)
        seen = outcome.kind == ACCEPTED and outcome.said == "True"
        fault = f"{m.target} {m.numeric}: bit {bit} at {start}: {outcome.said}"
        kind = f"{DETECTED}, emulated" if fails is _fails_emulated else DETECTED
        result.count(kind if seen else "missed", None if seen else fault)


def _fails_here(artifact: Artifact, library: Path) -> bool:
    return int(ctypes.CDLL(str(library))[f"{artifact.manifest.name}_self_test"]()) != 0


def _fails_emulated(artifact: Artifact, image: Path) -> bool:
    manifest = replace(artifact.manifest, image=image.name)
    return not EmulatedRunner(Artifact(image.parent, manifest)).self_test()


def _with_tables(folder: Path, target: str, numeric: str) -> tuple[Artifact, list[bytes]]:
    """An artifact and the bytes of each table whose checksum it holds."""
    tables: list[bytes] = []
    checksum = c_tables.crc

    def noting(table: NDArray[Any]) -> str:
        tables.append(table.tobytes())
        return checksum(table)

    network = made.network()
    quantised = None if numeric == "float32" else quantise(network, numeric)
    c_tables.crc = noting
    try:
        artifact = artifact_here(network, target, folder / f"{target}-{numeric}-here", quantised)
    finally:
        c_tables.crc = checksum
    return artifact, tables


def _flips(raw: bytes, tables: list[bytes], count: int) -> Iterator[tuple[int, int]]:
    """Bits all over the tables, by their sizes; those that lie in the file just once."""
    places = [(raw.find(t), 8 * len(t)) for t in tables if len(t) >= 16 and raw.count(t) == 1]
    sizes = np.array([size for _, size in places], float)
    r = np.random.default_rng(19)
    for i in r.choice(len(places), count, p=sizes / sizes.sum()):
        start, size = places[i]
        yield start, int(r.integers(size))
