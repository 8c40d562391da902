"""Rows 7, 8 and 10: faulty inputs, foreign states, and every way to cut a stream into calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import drawn
from benchmarks.staged import artifact_here
from benchmarks.trust.isolated import REFUSED, isolated
from benchmarks.trust.memory import Variant, drawn_artifacts
from benchmarks.trust.row import Result, Scale
from delrec_compile.aliases import F32
from delrec_compile.network.model import Network
from delrec_compile.network.state import HISTORY
from delrec_compile.network.torch_step import Step
from delrec_compile.ops.lif import Lif
from delrec_compile.ops.registry import make_readout
from delrec_compile.runners.session import Session

STEPS, STREAMS, HIT, SILENT = 200, 5, 20, 250
IN_INPUT, IN_STATE = (np.nan, np.inf, -np.inf), (np.nan, np.inf, -np.inf, 1e31, -1e31, 3e38, -3e38)
HEALED = 380  # steps after which a fault has to be forgotten, SILENT ones among them
# what is cut: chains and graphs in turn, as each of these
CUT = (
    Variant("x86_64"),
    Variant("x86_64", "int8", unroll=3),
    Variant("x86_64", "int16"),
    Variant("x86_64", unroll=4),
    Variant("portable_c", "int8"),
)
CUT_OF_VALUES = (Variant("x86_64"), Variant("x86_64", unroll=3), Variant("portable_c"))
LEAK = 0.9  # the most that is kept of a membrane in a step, where a run shall come back
# v = round(LEAK * v + I) of a constant I stands still at several values: those so many last bits apart
STILL = 2 / (1 - LEAK)


def _networks(count: int) -> Iterator[tuple[int, Network]]:
    """Networks of counts: real inputs are clipped before they reach a neuron."""
    found = ((seed, drawn.network(seed)) for seed in range(10 * count))
    whole = ((seed, n) for seed, n in found if n.real_input is None)
    for _ in range(count):
        yield next(whole)


def faults(folder: Path, scale: Scale) -> Result:
    """Faulty inputs and membranes in one step: states stay finite, and are equal in two forms.

    Without feedback, and with membranes that leak, the run comes back to the clean one after a silence,
    but for the last bits in which a readout's membrane can stand still. (A neuron that fires at a steady
    current keeps its phase, whatever moved it.) The faults and the clean run are streams of one batch.
    """
    result = Result()
    with np.errstate(invalid="ignore", over="ignore"):
        for seed, drawn_one in _networks(scale.of(40, 3)):
            for network in (drawn_one, _forgetting(drawn_one)):
                x = drawn.counts(network, HIT + HEALED + 40, 1, seed)
                x = x.repeat(1 + len(IN_INPUT) + len(IN_STATE), 1)
                x[-40 - SILENT : -40] = 0
                for stream, fault in enumerate(IN_INPUT, 1):
                    x[HIT, stream, ::2] = fault
                runs = {form: _run(network, form, x) for form in ("reference", "torch")}
                for form, (y, finite) in runs.items():
                    for stream, fault in enumerate((*IN_INPUT, *IN_STATE), 1):
                        wrong = None
                        if not finite[stream]:
                            wrong = "a value of the state is not finite"
                        elif not np.array_equal(y[:, stream], runs["torch"][0][:, stream]):
                            wrong = "the forms differ"
                        elif network is not drawn_one and _apart(y[-40:, stream], y[-40:, 0]):
                            wrong = f"the outputs still differ after {HEALED} steps"
                        said = wrong and f"{network.name}, {form}, stream {stream} {fault}: {wrong}"
                        result.count("healed" if wrong is None else "not healed", said)
    return result


def _apart(y: F32, clean: F32) -> bool:
    """Whether outputs differ by more than the last bits in which membranes can stand still."""
    return bool((np.abs(y - clean) > STILL * np.spacing(np.abs(clean).max())).any())


def _forgetting(network: Network) -> Network:
    """The layers without recurrence and biases, with leaks: what was long ago is forgotten.

    A neuron that a bias lets fire in silence keeps its phase for ever, whatever moved it.
    """
    layers = []
    for layer in network.layers:
        assert isinstance(layer.neuron, Lif)
        neuron = replace(layer.neuron, beta=np.minimum(layer.neuron.beta, LEAK))
        bias = np.zeros_like(layer.bias)
        layers.append(replace(layer, bias=bias, recurrence=None, neuron=neuron))
    readout = make_readout("leaky", network.readout.weight, network.readout.bias, LEAK)
    return replace(
        network, layers=tuple(layers), readout=readout, name=f"{network.name}_forgetting"
    )


def _run(network: Network, form: str, x: F32) -> tuple[F32, NDArray[np.bool_]]:
    """Outputs of each step, and for each stream whether its state was finite after each.

    x: (steps, streams, inputs).
    """
    step = Step(network) if form == "torch" else None
    state, outputs, finite = network.reset(x.shape[1]), [], np.ones(x.shape[1], bool)
    for t, row in enumerate(x):
        if t == HIT:
            _break(state)
        if step is None:
            y, state = network.step(row, state)
        else:
            past = tuple(torch.from_numpy(state[k]) for k in step.names)
            y_torch, _, _, new = step.inside(torch.from_numpy(row), past)
            y, state = y_torch.numpy(), {k: v.numpy() for k, v in zip(step.names, new, strict=True)}
        for value in state.values():
            finite &= np.isfinite(value).reshape(len(finite), -1).all(axis=1)
        outputs.append(y.copy())
    return np.array(outputs), finite


def _break(state: dict[str, NDArray[Any]]) -> None:
    """Each second membrane of the streams after those with faulty inputs."""
    for name, value in state.items():
        for stream, fault in enumerate(IN_STATE, 1 + len(IN_INPUT)):
            if not name.endswith(HISTORY):
                value[stream, ..., ::2] = fault


def cuts(folder: Path, scale: Scale) -> Result:
    """One stream in pieces, after a reset, from a saved state, in a batch, on threads: equal bits."""
    result = Result()
    built = drawn_artifacts(scale.of(60, len(CUT)), folder, CUT, CUT_OF_VALUES)
    for seed, (network, form, artifact) in enumerate(built):
        session = Session(artifact)
        x = drawn.counts(network, STEPS, STREAMS, seed)
        one = np.ascontiguousarray(x[:, 0]).astype(artifact.manifest.counts_dtype)
        whole = session.run(one).view(np.uint32).copy()
        for name, run in (*_pieces(session, one, seed), *_batches(session, x, one.dtype)):
            same = np.array_equal(run.view(np.uint32), whole)
            fault = None if same else f"{form}: {name} gives other bits"
            result.count("equal" if same else "differs", fault)
        assert whole.any(), form
    return result


def _pieces(session: Session, x: NDArray[Any], seed: int) -> Iterator[tuple[str, F32]]:
    r = np.random.default_rng(seed)
    for longest in (1, 2, 4, 9, 70, STEPS):
        session.reset()
        parts, at = [], 0
        while at < len(x):
            end = at + int(r.integers(1, longest + 1))
            parts.append(session.run(np.ascontiguousarray(x[at:end])).copy())
            at = end
        yield f"pieces of up to {longest} steps", np.concatenate(parts)
    session.reset()
    first = session.run(x[:77].copy()).copy()
    saved = session.state()
    session.run(x[::-1].copy())
    session.load_state(saved)
    yield "a saved state", np.concatenate([first, session.run(x[77:].copy())])
    session.reset()
    yield "a reset", session.run(x).copy()


def _batches(session: Session, x: F32, kind: np.dtype[Any]) -> Iterator[tuple[str, F32]]:
    rows = np.ascontiguousarray(x.transpose(1, 0, 2)).astype(kind)
    for threads in (1, 2):
        batch = Session(session.artifact, streams=STREAMS, threads=threads)
        yield f"a batch on {threads} threads", batch.run(rows)[0].copy()
        batch.reset()
        other = rows.copy()
        other[1:] = 0
        yield f"other rows on {threads} threads", batch.run(other)[0].copy()


def states(folder: Path, scale: Scale) -> Result:
    """States of other networks, or with other names, shapes, types or no numbers: refused."""
    result, sessions = Result(), []
    for seed, network in _networks(scale.of(8, 2)):
        readout = replace(network.readout, weight=-network.readout.weight)
        for k, n in enumerate((network, replace(network, readout=readout))):  # of equal shapes
            sessions.append(Session(artifact_here(n, "x86_64", folder / f"state-{seed}-{k}")))
    for one, other in permutations(sessions, 2):
        _refused(result, one, other.state(), "the state of another network")
    own = sessions[0].state()
    for name, value in own.items():
        for what, wrong in _wrong(value):
            _refused(result, sessions[0], {**own, name: wrong}, f"{name}: {what}")
    _refused(result, sessions[0], {}, "nothing")
    _refused(result, sessions[0], None, "None")
    sessions[0].load_state(own)
    return result


def _wrong(value: NDArray[Any]) -> Iterator[tuple[str, Any]]:
    yield "float64", value.astype(np.float64)
    yield "one axis more", value[None]
    yield "text", ["x"] * len(value)
    yield "None", None
    if value.size:
        yield "shorter", value[:-1]
    if value.size and value.dtype == np.float32:
        yield (
            "NaN",
            np.where(np.arange(value.size).reshape(value.shape) == 0, np.nan, value).astype(
                np.float32
            ),
        )


def _refused(result: Result, session: Session, state: Any, what: str) -> None:
    outcome = isolated(session.load_state, state)
    fault = None if outcome.kind == REFUSED else f"{what}: {outcome.kind}: {outcome.said}"
    result.count(outcome.kind, fault)
