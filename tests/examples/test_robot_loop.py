"""The robot's loop changes its speed when PyTorch says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.examples import Run, needs

from delrec_compile.network import checkpoint
from delrec_compile.network.torch_step import Step

SPEED = {"smooth": 1.0, "rough": 0.5, "step up": 0.2, "step down": 0.1}
SURE = 20


def changes(file: Path, values: np.ndarray, keys: list[str]) -> list[list[str]]:
    """What the loop prints of each drive (n, steps, 6), by the frozen network in PyTorch."""
    step = Step(checkpoint.load(file))
    state, score = step.reset(len(values)), np.zeros((len(values), len(keys)))
    printed: list[list[str]] = [[] for _ in values]
    for t, x in enumerate(torch.from_numpy(values).transpose(0, 1), start=1):
        y, *_, state = step.inside(x, state)
        powers = np.exp(y.numpy().astype(np.float64))
        score += powers / powers.sum(axis=1, keepdims=True)
        for lines, best in zip(printed, score.argmax(axis=1), strict=True):
            said = f"{keys[best]}, {SPEED[keys[best]]:.1f} m/s"
            if t >= SURE and not (lines and lines[-1].endswith(f"s: {said}")):
                lines.append(f"{t / 100:.2f} s: {said}")
    return printed


def test_the_loop(follow: Run, tmp_path: Path) -> None:
    needs("cc")
    printed = follow("robot_loop")
    data = np.load(tmp_path / "robot_loop" / "data" / "ground_test.npz")
    keys = [str(key) for key in data["keys"]]
    expected = changes(tmp_path / "robot_loop" / "ground.safetensors", data["values"], keys)
    said = [line for line in printed.splitlines() if line == "stop" or line.endswith(" m/s")]
    drives = [drive.splitlines() for drive in "\n".join(said).split("stop")[:-1]]
    drives = [[line for line in drive if line] for drive in drives]
    assert drives == expected
    right = [
        lines[-1].split(": ")[1].startswith(keys[label])
        for lines, label in zip(drives, data["labels"], strict=True)
    ]
    assert np.mean(right) == pytest.approx(
        0.98, abs=0.08
    )  # by the training, whose last bits may differ
