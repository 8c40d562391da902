"""Each kind of file and text that the project reads: what makes a good one, and what reads it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from benchmarks.trust import good_files as good
from benchmarks.trust import seals
from delrec_compile import targets
from delrec_compile.artifact.describe import describe
from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.cli import defaults
from delrec_compile.cli.app import app
from delrec_compile.cli.durations import Durations, clock
from delrec_compile.compiler.schedules import choice, store
from delrec_compile.data.audio import Wav
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.data.samples import describe_samples, read_samples
from delrec_compile.errors import InputError
from delrec_compile.evaluation.page.make import report
from delrec_compile.interop.lava.layers import LayerReader
from delrec_compile.interop.nir.file import graph_of
from delrec_compile.interop.source import import_model
from delrec_compile.network import checkpoint
from delrec_compile.network.integer import checkpoint as integer
from delrec_compile.network.onnx_step.schema import load_model
from delrec_compile.plain_onnx import step_graph
from delrec_compile.runners.devices import discover, url, wire
from delrec_compile.system.fields import parse_json, parse_toml
from delrec_compile.training import config_file, state

OPTIONS = {"epochs": int, "lr": float, "recurrence": str}


@dataclass(frozen=True)
class Reader:
    """make: writes a good file into a folder. read: raises DelrecError alone.

    in_child: by a process of its own, some 0.3 s each. sealed: the bytes with their checksums made
    right, where there are some: a damage that they would tell otherwise.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    in_child: bool = False
    sealed: Callable[[bytes], bytes] | None = None


def _profile(path: Path) -> Any:
    return targets.load(str(path))


def _recipe(path: Path) -> Any:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    words = [line for line in text.splitlines() if "=" in line and line[0] != "r"][:4]
    return config_file.read(path, OPTIONS), config_file.parse(words, OPTIONS)


def _durations(path: Path) -> list[str]:
    known = Durations(path, "build").known
    return [clock(3.0, seconds) for seconds in known.values()]


@functools.cache
def _commands() -> Any:
    return typer.main.get_command(app)


def _defaults(path: Path) -> Any:
    return defaults.read(path, _commands())


def _tuning(path: Path) -> Any:
    contents = store.read(path)
    return contents.trials, contents.winners


def _exported(path: Path) -> choice.Exported:
    try:
        text = path.read_bytes().decode()
        return choice.Exported.from_toml(parse_toml(text))
    except ValueError as error:
        raise InputError("damaged") from error


def _entries(path: Path) -> dict[str, Any]:
    """The tree of an HDF5 file from JSON, so that no library of HDF5 is needed to vary it."""
    try:
        held = parse_json(path.read_bytes())
    except ValueError as error:
        raise InputError("no JSON") from error
    if not isinstance(held, dict):
        raise InputError("no group")
    return {key: _entry(value) for key, value in held.items()}


def _entry(value: Any) -> Any:
    """A value as h5py gives it. Raises InputError for one that it does not give."""
    if isinstance(value, dict):
        return {key: _entry(inner) for key, inner in value.items()}
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and _is_text(value):
        return np.array(value, object)
    try:
        held = np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise InputError("rows of several lengths") from error
    if held.dtype.kind not in "bifu":
        raise InputError("no numbers")
    return held if held.ndim else held[()]


def _is_text(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_is_text, value))
    return isinstance(value, str)


def _graph(path: Path) -> Any:
    return import_model(graph_of(str(path), _entries(path)), dt_ms=1.0)


def _layers(path: Path) -> Any:
    return LayerReader(_entries(path)).read().network(dt_ms=1.0, name="net", max_input=1)


def _front_end(path: Path) -> Any:
    return FrontEnd.parse(path.read_bytes().decode("utf-8", "replace"))


def _sound(path: Path) -> int:
    return sum(len(piece) for piece in Wav.open(path).pieces())


def _url(path: Path) -> Any:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    return url.parse_all([text])


def _answer(path: Path) -> Any:
    return wire.decode(path.read_bytes(), good.REQUEST, good.SHAPE)


READERS: dict[str, Reader] = {
    "network": Reader(good.network, checkpoint.load, sealed=seals.tensors),
    "integer network": Reader(good.integer_network, integer.load, sealed=seals.tensors),
    "ONNX step": Reader(good.step, load_model),
    "plain ONNX step": Reader(good.plain_step, step_graph.read),
    "manifest": Reader(
        good.manifest, lambda path: load_artifact(path.parent), sealed=seals.manifest
    ),
    "archive": Reader(good.archive, describe, sealed=seals.packed),
    "target": Reader(good.profile, _profile),
    "recipe": Reader(good.recipe, _recipe),
    "defaults": Reader(good.defaults, _defaults),
    "durations": Reader(good.durations, _durations),
    "checkpoint": Reader(
        good.weights, lambda path: import_model(path, recipe="delrec-ssc"), sealed=seals.archive
    ),
    "unfinished training": Reader(
        good.unfinished, lambda path: state.read(path, good.TRAINING, "data"), sealed=seals.archive
    ),
    "NIR graph": Reader(good.graph, lambda path: import_model(path, dt_ms=1.0), in_child=True),
    "NIR entries": Reader(good.graph_entries, _graph),
    "Lava network": Reader(good.lava, import_model, in_child=True),
    "Lava entries": Reader(good.lava_entries, _layers),
    "samples": Reader(good.counts, read_samples, sealed=seals.archive),
    "array": Reader(good.array, read_samples),
    "table": Reader(good.csv, read_samples),
    "front end": Reader(good.front_end, _front_end),
    "events": Reader(good.events, describe_samples, in_child=True),
    "sound": Reader(good.sound, _sound),
    "store": Reader(good.tuning, _tuning, sealed=seals.lines),
    "tuned schedule": Reader(good.tuned, _exported),
    "device": Reader(good.url, _url),
    "ssh configuration": Reader(good.ssh_config, discover.ssh_hosts),
    "answer of a device": Reader(good.answer, _answer),
    "comparison": Reader(good.compared, report),
    "claims": Reader(good.claimed, report),
}
