"""A plain step's artifact beside ONNX Runtime: equal outputs, and the latency of both."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.plain import load_plain_artifact
from delrec_compile.errors import InputError, ParityError
from delrec_compile.network.tolerances import ONE_CALL
from delrec_compile.plain_onnx.emulated import BoardSession, EmulatedSession, emulated
from delrec_compile.plain_onnx.reference import inputs_of, outputs_of
from delrec_compile.plain_onnx.session import PlainSession
from delrec_compile.plain_onnx.step_graph import StepGraph, read
from delrec_compile.runners.onnxruntime import onnx_session

STEPS, STREAMS = 200, 4
EMULATED_STEPS = 4  # of one stream; more where a step is short
EMULATED_INSTRUCTIONS = 10_000_000  # of all steps, about: seconds
ROUNDS = 15
AnySession = PlainSession | EmulatedSession | BoardSession
AXES = ("step", "sequence", "output")


def check_plain(path: str, steps: int | None = None, streams: int | None = None) -> dict[str, Any]:
    """Compares free-running outputs on fixed pseudo-random counts with ONNX Runtime. Runs in a child.

    steps, streams: by default 200 of 4; in an emulator, as many as last seconds.
    Passes when each output lies within ONE_CALL of 1 plus its size: other engines add in another
    order, so that equal bits are not promised. Raises InputError where it cannot run.
    """
    graph, session = _opened(path)
    usual = (STEPS, STREAMS) if isinstance(session, PlainSession) else _affordable(graph, session)
    steps, streams = steps or usual[0], streams or usual[1]
    x = inputs_of(graph, steps, streams)
    want = np.stack([outputs_of(graph, x[:, b]) for b in range(streams)], axis=1)
    got = np.stack([_fresh(session, x[:, b]) for b in range(streams)], axis=1)
    self_test = session.self_test()
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0.0, np.abs(got.astype(np.float64) - want))
    bad = ~same & ~(np.isfinite(want) & (error <= ONE_CALL * (1 + np.abs(want))))
    first = dict(zip(AXES, np.argwhere(bad)[0].tolist(), strict=True)) if bad.any() else None
    return {
        "target": session.artifact.manifest.target,
        "reference": "onnxruntime",
        "steps": steps,
        "sequences": streams,
        "values": int(want.size),
        "differing": int(bad.sum()),
        "same_bits": int((got.view(np.uint32) == want.view(np.uint32)).sum()),
        "max_abs_error": float(np.nanmax(error, initial=0.0)),
        "tolerance": ONE_CALL,
        "first": first,
        "self_test": self_test,
        "passed": self_test and not bad.any(),
        "emulated": None if isinstance(session, PlainSession) else cost(session),
    }


def cost(session: EmulatedSession | BoardSession) -> dict[str, Any]:
    """What the steps so far took in an emulator."""
    mean, m = statistics.mean(session.instructions), session.artifact.manifest
    return {
        "how": session.how,
        "instructions_per_step": mean,
        "worst_instructions": max(session.instructions),
        "stack_bytes": session.stack_bytes,
        "clock_mhz": m.clock_mhz,
        # no emulator here models cycles: one per instruction is the best case of these cores
        "estimated_us": mean / m.clock_mhz if m.clock_mhz else None,
    }


def _affordable(graph: StepGraph, session: EmulatedSession | BoardSession) -> tuple[int, int]:
    """Steps and streams of a check that ends in seconds, after a first step."""
    session.run(inputs_of(graph, 1, 1)[:, 0])
    affordable = EMULATED_INSTRUCTIONS // session.instructions[0]
    return max(EMULATED_STEPS, min(STEPS, affordable)), 1


def judge(result: dict[str, Any]) -> None:
    """Raises ParityError for a check that did not pass."""
    if result["passed"]:
        return
    if result["first"] is None:
        raise ParityError("the self-test of the library fails; build it again")
    at = result["first"]
    raise ParityError(
        f"{result['target']} differs from ONNX Runtime in {result['differing']} of {result['values']} "
        f"outputs, first at sequence {at['sequence']}, step {at['step']}, output {at['output']}; "
        "where the graph has a threshold, another order of a sum can flip it: a network in a "
        ".safetensors file has exact sums"
    )


def bench_plain(path: str, rounds: int = ROUNDS, steps: int = STEPS) -> dict[str, Any]:
    """Median microseconds of CPU per step, interleaved with ONNX Runtime; instructions in an emulator.

    Runs in a child.
    """
    graph, session = _opened(path)
    if not isinstance(session, PlainSession):
        session.run(inputs_of(graph, EMULATED_STEPS, 1)[:, 0])
        return {"unit": "instructions per step", **cost(session)}
    sequences = inputs_of(graph, steps, rounds)
    x = np.empty((steps, graph.x.elements), np.float32)
    y = np.empty((steps, graph.y.elements), np.float32)
    theirs = _OnnxSteps(graph, x)
    forms = {"plain": lambda: session.run_in_place(x, y), "onnxruntime": theirs.run}
    times: dict[str, list[float]] = {name: [] for name in forms}
    for k in range(rounds):
        x[:] = sequences[:, k]
        for name, call in forms.items():
            began = time.thread_time_ns()
            call()
            times[name].append((time.thread_time_ns() - began) / steps / 1000)
    pairs = zip(times["onnxruntime"], times["plain"], strict=True)
    return {
        "unit": "us of CPU per step",
        "rounds": rounds,
        "medians": {name: statistics.median(t) for name, t in times.items()},
        "ratio": statistics.median(a / b for a, b in pairs),
    }


class _OnnxSteps:
    """ONNX Runtime, its state fed back, on what x holds."""

    def __init__(self, graph: StepGraph, x: F32) -> None:
        self.session = onnx_session(graph.proto.SerializeToString())
        self.graph, self.rows = graph, [row.reshape(graph.x.shape) for row in x]
        self.names = [graph.y.name, *(q.name for q in graph.present)]

    def run(self) -> None:
        past = [p.name for p in self.graph.past]
        state = {p.name: np.zeros(p.shape, p.dtype) for p in self.graph.past}
        for row in self.rows:
            _, *present = self.session.run(self.names, {self.graph.x.name: row, **state})
            state = dict(zip(past, present, strict=True))


def _opened(path: str) -> tuple[StepGraph, AnySession]:
    artifact = load_plain_artifact(path)
    m = artifact.manifest
    if not m.runs_here and not m.core:
        raise InputError(
            f"{path} is built for {m.machine}; copy it to such a machine and check it there"
        )
    session = PlainSession(artifact) if m.runs_here else emulated(artifact)
    return read(Path(path) / "model.onnx"), session


def _fresh(session: AnySession, x: F32) -> F32:
    session.reset()
    return session.run(x)
