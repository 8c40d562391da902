"""Row 1: files that run code when they are unpickled, through everything that reads a file."""

from __future__ import annotations

import functools
import io
import operator
import os
import pickle
import shutil
import subprocess
import timeit
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.trust.isolated import REFUSED, isolated
from benchmarks.trust.row import Result, Scale
from delrec_compile.data.samples import read_samples
from delrec_compile.interop.source import import_model
from delrec_compile.network import checkpoint
from delrec_compile.network.onnx_step.schema import load_model
from delrec_compile.training import state
from delrec_compile.training.config import TrainConfig


class Gadget:
    """Pickles to a call, which runs when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def gadgets(canary: Path, folder: Path) -> list[Gadget]:
    """Twelve ways to make the canary file."""
    words, text = ["touch", str(canary)], f"touch {canary}"
    python = f"open({str(canary)!r}, 'w')"
    np.save(folder / "inner.npy", np.array([Gadget(os.system, text)], object), allow_pickle=True)
    torch.save(Gadget(os.system, text), folder / "inner.pt")
    return [
        Gadget(os.system, text),
        Gadget(eval, python),
        Gadget(exec, python),
        Gadget(open, str(canary), "w"),
        Gadget(subprocess.Popen, words),
        Gadget(subprocess.check_output, words),
        Gadget(timeit.timeit, python, "pass", timeit.default_timer, 1),
        Gadget(Path.touch, canary),
        Gadget(operator.methodcaller("touch"), canary),
        Gadget(shutil.copy, "/etc/hostname", str(canary)),
        Gadget(functools.partial(np.load, allow_pickle=True), str(folder / "inner.npy")),
        Gadget(functools.partial(torch.load, weights_only=False), str(folder / "inner.pt")),
    ]


def wrapped(gadget: Gadget, protocol: int) -> Iterator[tuple[str, bytes]]:
    """The gadget in each kind of file: its suffix and its bytes."""
    plain = pickle.dumps({"net": gadget}, protocol)
    for suffix in (".pkl", ".pth", ".safetensors", ".nir", ".onnx", ".h5", ".net", ".npz"):
        yield suffix, plain
    for model in ({"net": {"layers.0.weight": gadget}}, gadget):
        for old in (False, True):
            buffer = io.BytesIO()
            torch.save(model, buffer, _use_new_zipfile_serialization=not old)
            yield ".pth", buffer.getvalue()
    array, archive = io.BytesIO(), io.BytesIO()
    np.save(array, np.array([gadget], object), allow_pickle=True)
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("counts.npy", array.getvalue())
        members.writestr("labels.npy", array.getvalue())
    yield ".npz", archive.getvalue()


READERS: dict[str, Callable[[Path], Any]] = {
    "load": checkpoint.load,
    "import": import_model,
    "samples": read_samples,
    "ONNX": load_model,
    "resume": lambda path: state.read(path, TrainConfig(), ""),
}


def measure(folder: Path, scale: Scale) -> Result:
    """Each gadget in each wrapping through each reader; in short every third gadget."""
    canary, result = folder / "canary", Result()
    chosen = gadgets(canary, folder)[:: scale.of(1, 3)]
    fires(chosen[0], canary)
    for i, gadget in enumerate(chosen):
        for suffix, raw in wrapped(gadget, 2 + i % 4):
            path = folder / f"gadget{suffix}"
            path.write_bytes(raw)
            for name, read in READERS.items():
                outcome = isolated(read, path)
                fault = None if outcome.kind == REFUSED else f"{name} {suffix}: {outcome.said}"
                if canary.exists():
                    canary.unlink()
                    fault = f"{name} {suffix}: the code of gadget {i} ran"
                result.count(outcome.kind, fault)
    result.figures["gadgets"] = len(chosen)
    return result


def fires(gadget: Gadget, canary: Path) -> None:
    """Proves that a gadget does run where pickles are trusted: else the row would prove nothing."""
    isolated(pickle.loads, pickle.dumps(gadget))
    assert canary.exists()
    canary.unlink()
