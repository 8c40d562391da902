"""A step with fixed shapes as a file, what must come out of it, and how near an engine comes.

Imports nothing of the package: it runs in the environment of the engine.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

Array = NDArray[Any]
Values = dict[str, Array]
Step = Callable[[Values], Values]  # inputs by name -> outputs by name
NEAR = 1e-5  # of the largest difference of a value, where every spike is right


@dataclass(frozen=True)
class StepFile:
    """ins, outs: shape by name, in the order of the graph."""

    path: Path
    proto: onnx.ModelProto
    ins: dict[str, list[int]]
    outs: dict[str, list[int]]

    @staticmethod
    def read(path: Path) -> StepFile:
        proto = onnx.load(str(path))
        ins, outs = (
            {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
            for values in (proto.graph.input, proto.graph.output)
        )
        return StepFile(path, proto, ins, outs)

    def named(self, results: Any) -> Values:
        """Results in the order of the outputs, by name."""
        return {
            name: np.asarray(value).reshape(self.outs[name])
            for name, value in zip(self.outs, results, strict=True)
        }


def compare(f: StepFile, step: Step) -> dict[str, Any]:
    """How near a step comes to the values beside its file, its own state fed back.

    `<file>.npz` holds `x` and each output of the calls that must come out, stacked.
    """
    want = np.load(f.path.with_suffix(".npz"))
    state = {n: np.zeros(shape, np.float32) for n, shape in f.ins.items() if n != "x"}
    same, worst, wrong = True, 0.0, 0
    for k, x in enumerate(want["x"]):
        out = step({"x": np.ascontiguousarray(x), **state})
        for name, value in out.items():
            right = want[name][k]
            same &= np.array_equal(value.view(np.uint32), right.view(np.uint32))
            wrong += int((value != right).sum()) if name.endswith("_hist") else 0
            worst = max(worst, float(np.nan_to_num(np.abs(value - right), nan=np.inf).max()))
        state = {n: np.array(out[n.replace("past_", "present_", 1)]) for n in state}
    near = "same spikes" if worst < NEAR and not wrong else "differs"
    return {"verdict": "same bits" if same else near, "worst": worst}


def run_tool(*command: str | Path, cwd: Path | None = None) -> str:
    """What a program prints. Raises RuntimeError."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or "no word"
        raise RuntimeError(f"{Path(command[0]).name} ends with {done.returncode}: {said[-600:]}")
    return done.stdout
