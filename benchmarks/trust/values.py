"""Rows 3 and 4: networks with a wrong key, shape or value are refused, and the tensor is named."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from benchmarks.trust import made
from benchmarks.trust.isolated import REFUSED, isolated
from benchmarks.trust.row import Result, Scale
from delrec_compile.network import checkpoint
from delrec_compile.network.tensor_file import CHECKSUM

Arrays = dict[str, NDArray[Any]]
Config = dict[str, Any]
Mutation = tuple[Arrays, Config, list[str]]  # and the words that the refusal has to hold
NUMBERS: tuple[float, ...] = (np.nan, np.inf, -np.inf)
DELAYS: tuple[tuple[float, type], ...] = ((-1, np.int16), (np.nan, np.float32), (1.5, np.float32))
LABELS = [f"class {k}" for k in range(999)]  # more than any network here has classes
CONSTANTS = [("dt_ms", 0), ("dt_ms", -1), ("max_input", 0), ("max_input", 1e9), ("labels", LABELS)]
NEURON = [("beta", -0.1), ("beta", 1.5), ("threshold", -1.0), ("reset", "x"), ("fires", "x")]


def opened(path: Path) -> tuple[Arrays, dict[str, str], Config]:
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    meta = header["__metadata__"]
    return dict(load_file(path)), meta, json.loads(meta["config"])


def keys(folder: Path, scale: Scale) -> Result:
    """Tensors renamed, taken away, added, and of other shapes."""
    return _measured(folder, scale, _wrong_keys)


def numbers(folder: Path, scale: Scale) -> Result:
    """NaN, infinity, delays that are negative or no integers, even kernels, constants out of range."""
    return _measured(folder, scale, _wrong_numbers)


def _measured(folder: Path, scale: Scale, mutations: Any) -> Result:
    result = Result()
    for seed in range(scale.of(12, 2)):
        arrays, meta, config = opened(made.network_file(folder, seed))
        kept = {k: v for k, v in meta.items() if k != CHECKSUM}  # it would tell of any change
        for changed, described, words in mutations(arrays, config, np.random.default_rng(seed)):
            path = folder / "changed.safetensors"
            whole = {k: np.ascontiguousarray(v) for k, v in changed.items()}
            save_file(whole, path, {**kept, "config": json.dumps(described)})
            outcome = isolated(checkpoint.load, path)
            missing = [word for word in words if not _named(word, outcome.said)]
            fault = None
            if outcome.kind != REFUSED:
                fault = f"seed {seed}, {words}: {outcome.kind}: {outcome.said[:99]}"
            elif missing:
                fault = f"seed {seed}: '{missing[0]}' is not named: {outcome.said}"
            result.count("refused, named" if fault is None else outcome.kind, fault)
    return result


def _named(key: str, message: str) -> bool:
    """Whether the message holds the key, or its parts, as in `layers.0: lif: beta`."""
    return key in message or all(
        part in message for part in re.split("[._]", key.replace("recurrent_", ""))
    )


def _wrong_keys(arrays: Arrays, config: Config, r: np.random.Generator) -> Iterator[Mutation]:
    for key, value in arrays.items():
        others = {k: v for k, v in arrays.items() if k != key}
        yield {**others, f"{key}x": value}, config, [key]
        yield others, config, [key]
        yield {**arrays, f"extra.{key}": value}, config, [f"extra.{key}"]
        # one head may be written with an axis of heads, and without; a kernel may have any odd taps
        headed = "recurrent" in key or value.shape == (1,)
        shapes = [value[..., None, None] if headed else value[..., None], value[:0]]
        if value.size > 1 and not key.endswith("kernel"):
            shapes.append(value.ravel()[:1])
        if value.ndim > 1 and value.shape != value.T.shape:
            shapes.append(value.T)
        for other in shapes:
            yield {**arrays, key: other}, config, [key]


def _wrong_numbers(arrays: Arrays, config: Config, r: np.random.Generator) -> Iterator[Mutation]:
    for key, value in arrays.items():
        if value.size == 0:
            continue
        at = int(r.integers(value.size))
        place = [int(i) for i in np.unravel_index(at, value.shape)]
        if value.dtype == np.float32:
            for number in NUMBERS:
                wrong: NDArray[Any] = value.copy()
                wrong.flat[at] = number
                yield {**arrays, key: wrong}, config, [key, str(place)]
        if key.endswith("delay"):
            for delay, kind in DELAYS:
                wrong = value.astype(kind)
                wrong.flat[at] = delay
                yield {**arrays, key: wrong}, config, [key]
    for name, constant in CONSTANTS:
        yield arrays, {**config, name: constant}, [name.removesuffix("s")]
    for name, constant in NEURON:
        described = deepcopy(config)
        described["layers"][0]["lif"][name] = constant
        yield arrays, described, [name]
