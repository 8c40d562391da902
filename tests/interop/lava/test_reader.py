"""Files of lava-dl: the spikes of Lava's equations in whole numbers, through every form of layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.lava import conv, cuba, dense, fixed_point, written
from helpers import refusal
from numpy.typing import NDArray

import delrec_compile
from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.interop import hdf5_entries
from delrec_compile.interop.lava.reader import from_lava, plan_lava
from delrec_compile.network.grid import exact
from delrec_compile.runners.reference import ReferenceRunner

RNG = np.random.default_rng(3)
STEPS = 120


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read here rather than in a child."""
    monkeypatch.setattr(hdf5_entries.limited.child, "call", lambda *_, **__: 0)


def even(*shape: int) -> NDArray[Any]:
    """Weights as SLAYER's quantisation leaves them."""
    return 2 * RNG.integers(-60, 75, shape)


def inputs(size: int, rate: float = 0.2) -> NDArray[Any]:
    return (RNG.random((STEPS, 1, size)) < rate).astype(np.float32)


def check(path: Path, x: NDArray[Any], want: list[NDArray[Any]], **options: Any) -> Any:
    """Imports the file, whose spikes on x are these."""
    made = from_lava(path, **options)
    assert exact(made.network)
    spikes = ReferenceRunner(made.network).trace(x).spikes
    for mine, other in zip(spikes, want, strict=True):
        np.testing.assert_array_equal(mine[:, 0], other)
        assert 0.01 < other.mean() < 0.9
    assert made.check(x=x).differing == 0
    return made


def test_dense_layers_with_delays(tmp_path: Path) -> None:
    first, second, late = even(16, 20), even(8, 16), RNG.integers(0, 9, 16)
    path = written(
        tmp_path / "a.net",
        [
            {"type": "input", "shape": np.array([20])},
            dense(first, cuba(1024, 128, 280), delay=late + 0.5),
            dense(second, cuba(500, 4096, 90), bias=np.arange(8)),
        ],
    )
    x = inputs(20)
    one, _ = fixed_point(x[:, 0].astype(int) @ first.T, 1024, 128, 280, 0)
    sent = np.stack([np.roll(np.append(one[:, n], [0] * 9), d)[:STEPS] for n, d in enumerate(late)])
    currents = sent.T @ second.T
    two = np.concatenate(
        [fixed_point(currents[:, n : n + 1], 500, 4096, 90, n)[0] for n in range(8)], axis=1
    )
    made = check(path, x, [one, two], dt_ms=2.0)
    assert any("its delays are applied, as SLAYER does" in remark for remark in made.remarks)
    assert any("a step later" in remark for remark in made.remarks)
    assert made.network.dt_ms == 2.0
    rows = [(p.name, p.kind, p.becomes) for p in plan_lava(path).parts]
    assert delrec_compile.plan_import(path).parts == plan_lava(path).parts
    assert rows[1:4] == [
        ("layer.1", "dense", "weights 20 -> 16"),
        ("layer.1.neuron", "neuron", "loihi neurons"),
        ("layer.1.delay", "delay", "delays of up to 8 steps"),
    ]


def test_maps_pools_and_an_average(tmp_path: Path) -> None:
    import torch

    kernel, window, last = even(3, 2, 3, 3), np.full((1, 1, 2, 2), 80), even(6, 48)
    path = written(
        tmp_path / "maps.net",
        [
            {"type": "input", "shape": np.array([2, 8, 8])},
            conv(
                kernel[..., None],
                (3, 8, 8),
                cuba(2048, 256, 350),
                padding=(2, 1),
                dilation=(2, 1),
            ),
            {
                "type": "pool",
                "shape": (3, 4, 4),
                "kernelSize": (2, 2),
                "stride": (2, 2),
                "padding": (0, 0),
                "dilation": (1, 1),
                "weight": window,
                "neuron": cuba(4096, 4096, 79),
            },
            {"type": "flatten", "shape": (48, 1, 1)},
            dense(last, cuba(1024, np.array([64]), 200)),
            {"type": "average", "shape": (3, 1, 1)},
        ],
    )
    x = inputs(128)

    def convolved(values: NDArray[Any], weight: NDArray[Any], **own: Any) -> NDArray[Any]:
        rows = torch.from_numpy(np.asarray(values, np.float64))
        found = torch.nn.functional.conv2d(rows, torch.from_numpy(weight).double(), **own)
        return found.flatten(1).numpy().astype(int)

    spread = {"padding": (2, 1), "dilation": (2, 1)}
    currents = convolved(x.reshape(STEPS, 2, 8, 8), kernel, **spread)
    one, _ = fixed_point(currents, 2048, 256, 350, 0)
    pooled = convolved(one.reshape(STEPS * 3, 1, 8, 8), window, stride=2).reshape(STEPS, 48)
    two, _ = fixed_point(pooled, 4096, 4096, 79, 0)
    three, _ = fixed_point(two @ last.T, 1024, 64, 200, 0)
    made = check(path, x, [one, two, three])
    y = ReferenceRunner(made.network).trace(x).y[:, 0]
    np.testing.assert_allclose(y, three.reshape(STEPS, 3, 2).mean(axis=2))


def test_an_import_of_a_path(tmp_path: Path) -> None:
    path = written(tmp_path / "named.net", [dense(even(8, 12), cuba(1024, 128, 200))])
    made = delrec_compile.import_model(path)
    assert made.source == "Lava"
    assert made.network.name == "named"
    assert made.network.max_input == 1
    with refusal(CheckpointError, "weights make 8 values, its shape is .9", 3):
        bad = dense(even(8, 12), cuba(1, 1, 9)) | {"shape": np.array([9])}
        from_lava(written(tmp_path / "b.net", [bad]))


LAYER = dense(even(8, 12), cuba(1024, 128, 200))
REFUSED = {
    "sdnn": (LAYER | {"neuron": {"type": "SDNN", "vThMant": 3}}, "sigma-delta neurons"),
    "rf": (LAYER | {"neuron": {"type": "RF", "vThMant": 3}}, "resonate-and-fire neurons"),
    "unknown": (LAYER | {"neuron": {"type": "Izhi"}}, "neurons of type 'Izhi' are not known"),
    "graded": (LAYER | {"neuron": cuba(1, 1, 9, gradedSpike=True)}, "no graded spikes"),
    "refractory": (LAYER | {"neuron": cuba(1, 1, 9) | {"refDelay": 3}}, "a refractory period"),
    "exponent": (LAYER | {"neuron": cuba(1, 1, 9, wgtExp=2)}, "an exponent of the weights"),
    "norm": (LAYER | {"neuron": cuba(1, 1, 9, weight_exp=2)}, "an exponent of a norm"),
    "large": (dense(np.full((2, 3), 300), cuba(1, 1, 9)), "Lava clips weights to -256 to 255"),
    "fraction": (dense(np.full((2, 3), 0.5), cuba(1, 1, 9)), "0.5 is no whole number"),
    "concat": (LAYER | {"type": "concat"}, "no loader of Lava reads it"),
    "type": (LAYER | {"type": "kwta"}, "a layer of type 'kwta' is not known"),
    "input": (
        {"type": "input", "shape": np.array([12]), "neuron": cuba(1, 1, 9)},
        "neurons of the input, which make spikes of real values",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_networks_do_not_have(name: str, tmp_path: Path) -> None:
    layer, why = REFUSED[name]
    path = written(tmp_path / "a.net", [layer, LAYER] if name == "input" else [layer])
    with refusal(UnsupportedError, f"^layer.0.*{why}", 4):
        from_lava(path)
    told = plan_lava(path)
    assert told.parts[0].refused
    assert not told.ok
