"""Faulty counts and damaged memory: membranes heal in every form, nothing is read out of place."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import cases
import numpy as np
import pytest
import torch
from fixtures.staged import artifact_here
from onnx.reference import ReferenceEvaluator

from delrec_compile.aliases import F32
from delrec_compile.network.state import HISTORY
from delrec_compile.network.torch_step import Step
from delrec_compile.ops.neuron import BROKEN
from delrec_compile.runners.gpu import GpuSession
from delrec_compile.runners.session import Session
from delrec_compile.system import toolchain

FAULTS = (np.inf, -np.inf, np.nan, 1e31, -1e31)
RESETS = ("odd_lif", "own_soft", "own_soft_later", "count_readout", "cuba_lif", "own_cuba_lif")
RESETS += ("own_alif", "own_adlif", "alpha", "own_alpha", "loihi")
STEPS = 400

Membranes = dict[str, F32]


def in_torch(name: str) -> Callable[[F32, Membranes], tuple[F32, Membranes]]:
    step = Step(cases.network(name))

    def run(x: F32, state: Membranes) -> tuple[F32, Membranes]:
        past = tuple(torch.from_numpy(state[k]) for k in step.names)
        y, _, _, new = step.inside(torch.from_numpy(x), past)
        return y.numpy(), {k: v.numpy() for k, v in zip(step.names, new, strict=True)}

    return run


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", RESETS)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_a_damaged_membrane_heals_at_once_in_every_form(
    name: str, fault: float, exported: Callable[..., object], compiled: Callable[..., Session]
) -> None:
    network, case = cases.network(name), cases.CASES[name]
    x = cases.counts(case, steps=1)[0]
    damaged = {
        k: v if k.endswith(HISTORY) else np.full_like(v, fault) for k, v in network.reset().items()
    }
    y, want = network.step(x, damaged)
    membranes = [k for k in want if not k.endswith(HISTORY)]
    assert all(np.abs(want[k]).max() <= BROKEN for k in membranes)
    y_torch, have = in_torch(name)(x, damaged)
    np.testing.assert_array_equal(y_torch, y)
    for k in membranes:
        np.testing.assert_array_equal(have[k], want[k])
    model = ReferenceEvaluator(exported(name, "portable"))
    feed = {"x": x, **{f"past_{k}": v for k, v in damaged.items()}}
    y_onnx, *rest = model.run(["y", *(f"present_{k}" for k in membranes)], feed)
    np.testing.assert_array_equal(y_onnx, y)
    for k, value in zip(membranes, rest, strict=True):
        np.testing.assert_array_equal(value, want[k])
    for target in ("x86_64", "portable_c"):
        session = compiled(network, target=target)
        session.reset()
        for k in membranes:
            session._views(0)[k][:] = fault
        np.testing.assert_array_equal(session.run(x), y)
        for k in membranes:
            np.testing.assert_array_equal(session.state()[k], want[k][0])


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_after_a_faulty_count_a_run_comes_back_to_the_clean_one(fault: float) -> None:
    network, case = cases.network("feed_forward"), cases.CASES["feed_forward"]
    x = cases.counts(case, steps=STEPS)
    for step in (network.step, in_torch("feed_forward")):
        clean, faulty = network.reset(), network.reset()
        for t, row in enumerate(x):
            hit = row.copy()
            if t == 20:
                hit[0, ::2] = fault
            _, clean = step(row, clean)
            _, faulty = step(hit, faulty)
            assert all(np.abs(v).max() <= BROKEN for v in faulty.values())
        for k, v in clean.items():
            np.testing.assert_array_equal(faulty[k], v)


@pytest.mark.parametrize("target", ["x86_64", "cuda"])
@pytest.mark.parametrize("fault", FAULTS)
def test_compiled_code_comes_back_to_the_clean_run(
    fault: float, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, case = cases.network("feed_forward"), cases.CASES["feed_forward"]
    clean = cases.counts(case, steps=260)  # 1e30 leaks away in some 130
    faulty = clean.copy()
    faulty[20, 0, ::2] = fault
    artifact = artifact_here(network, target, tmp_path)
    session = GpuSession(artifact, emulated=True) if target == "cuda" else Session(artifact)
    monkeypatch.setattr(session, "_checked", lambda x: np.ascontiguousarray(x, np.float32))
    want, have = session.trace(clean), session.trace(faulty)
    assert np.isfinite(have.y).all()
    np.testing.assert_array_equal(have.y[-40:], want.y[-40:])
    assert want.spikes[-1][-40:].any()


MAIN = """
#include <stdlib.h>
#include "NAME_test.h"
static NAME_state state;
int main(void)
{
    static const uint32_t words[] = {0xffffffffu, 0x7fffffffu, 0x80000000u, 0x7f800000u, 0xff800000u, 0};
    static uint8_t x[INPUTS];
    static float y[OUTPUTS];
    static uint8_t spikes[NEURONS];
    uint32_t random = 1;
    for (int round = 0; round < 60; round++) {
        uint8_t *bytes = (uint8_t *)&state;
        for (size_t i = 0; i < sizeof state; i++) {
            random = random * 1664525u + 1013904223u;
            const uint32_t word = words[round % 6];
            bytes[i] = round % 6 == 5 ? (uint8_t)(random >> 24) : (uint8_t)(word >> 8 * (i % 4));
        }
        for (int t = 0; t < 6; t++) {
            for (int i = 0; i < INPUTS; i++) {
                random = random * 1664525u + 1013904223u;
                x[i] = (uint8_t)(random >> 24);
            }
            if (NAME_run(&state, x, 1, y) != 0 || NAME_trace(&state, x, 1, y, spikes) != 0) {
                return 1;
            }
        }
    }
    return 0;
}
"""


@pytest.mark.parametrize(
    ("name", "numeric"),
    [
        ("mixed", "float32"),
        ("all_kinds", "float32"),
        ("own_soft_later", "float32"),
        ("heads", "int8"),
        ("own_soft", "int8"),
        ("own_soft_later", "int16"),
    ],
)
def test_no_state_makes_c_sources_read_or_write_out_of_place(
    name: str, numeric: str, tmp_path: Path
) -> None:
    network = cases.network(name)
    folder = artifact_here(network, "portable_c", tmp_path, numeric=numeric).path
    sizes = {"INPUTS": network.inputs, "OUTPUTS": network.outputs}
    sizes["NEURONS"] = sum(layer.size for layer in network.layers)
    main = folder / "main.c"
    main.write_text(MAIN.replace("NAME", name))
    files = [*(folder / "src").glob("*.c"), *(folder / "test").glob(f"{name}_*.c"), main]
    flags = ["-O0", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    flags += [f"-D{k}={v}" for k, v in sizes.items()]
    flags += [f"-I{folder / part}" for part in ("include", "src", "test")]
    subprocess.run([*toolchain.cc(), *flags, *files, "-o", tmp_path / "checked"], check=True)
    done = subprocess.run([tmp_path / "checked"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
