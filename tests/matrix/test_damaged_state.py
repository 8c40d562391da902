"""Faulty counts and damaged memory: membranes heal in every form, nothing is read out of place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cases
import numpy as np
import pytest
import torch
from fixtures.staged import artifact_here
from onnx.reference import ReferenceEvaluator

from benchmarks.drawn_graphs import graph
from benchmarks.trust.memory import findings
from delrec_compile.aliases import F32
from delrec_compile.errors import DataError
from delrec_compile.network.model import INPUT, Synapses
from delrec_compile.network.state import HISTORY
from delrec_compile.network.torch_step import Step
from delrec_compile.ops.neuron import BROKEN
from delrec_compile.runners.gpu import GpuSession
from delrec_compile.runners.session import Session

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


@pytest.mark.parametrize(
    ("name", "numeric"),
    [
        ("mixed", "float32"),
        ("all_kinds", "float32"),
        ("own_soft_later", "float32"),
        ("channel_conv", "float32"),
        ("channel_conv", "int8"),
        ("heads", "int8"),
        ("own_soft", "int8"),
        ("own_soft_later", "int16"),
    ],
)
def test_no_state_makes_c_sources_read_or_write_out_of_place(
    name: str, numeric: str, tmp_path: Path
) -> None:
    artifact = artifact_here(cases.network(name), "portable_c", tmp_path, numeric=numeric)
    said = findings(artifact, optimise="-O0", rounds=60)
    assert not said, said[:2000]


@pytest.mark.parametrize(
    ("seed", "target", "numeric"),
    [(21, "portable_c", "int8"), (48, "cortex_m4", "int8"), (70, "portable_c", "int16")],
)
def test_no_memory_of_delayed_inputs_makes_c_sources_read_or_write_out_of_place(
    seed: int, target: str, numeric: str, tmp_path: Path
) -> None:
    """Counts and currents in it that no input can have."""
    network = graph(seed)
    projections = [e for p in network.populations for e in p.projections]
    assert any(e.source == INPUT and isinstance(e.synapses, Synapses) for e in projections)
    said = findings(artifact_here(network, target, tmp_path, numeric=numeric), optimise="-O0")
    assert not said, said[:2000]


@pytest.mark.parametrize("target", ["x86_64", "portable_c"])
@pytest.mark.parametrize(("name", "numeric"), [("mixed", "float32"), ("mixed", "int8")])
def test_c_tells_what_runs_do_not_leave_as_python_does(
    name: str, numeric: str, target: str, compiled: Callable[..., Session]
) -> None:
    session = compiled(cases.network(name), target=target, numeric=numeric)
    check = session.library[f"{name}_state_check"]
    session.reset()
    assert check(session._state_at) == 0
    session.run(cases.counts(cases.CASES[name], 1, 60)[:, 0])
    assert check(session._state_at) == 0
    assert check(None) == -1
    wrong: dict[str, tuple[float, ...]] = {
        "float32": (np.nan, np.inf, -np.inf),
        "int32": (-(1 << 31), (1 << 31) - 1),
        "uint32": (0xFFFFFFFF,),
        "uint8": (),
    }
    views, found = session._views(0), []
    for member, values in views.items():
        for value in wrong[str(values.dtype)]:
            kept, values[-1] = values[-1], value
            whole = len(views.get(member.removesuffix("ring") + "v", "")) % 32 == 0
            told = check(session._state_at)
            if member.endswith("ring") and whole:  # every bit is of a neuron
                assert told == 0
            else:
                found.append(told)
                with pytest.raises(DataError, match=f"'{member}'"):
                    session.load_state(session.state())
            values[-1] = kept
    assert check(session._state_at) == 0
    assert sorted(set(found)) == list(range(1, len(set(found)) + 1))
    assert len(set(found)) >= 5
