"""The robot's loop changes its speed when PyTorch says so; an 8-bit Arduino has the same bits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.examples import Run, needs

from delrec_compile.network import checkpoint
from delrec_compile.network.torch_step import Step

SPEED = {"smooth": 1.0, "rough": 0.5, "step up": 0.2, "step down": 0.1}
SURE = 20


def fresh(file: Path, streams: int) -> tuple[Step, Any]:
    step = Step(checkpoint.load(file))
    return step, step.reset(streams)


def shares(y: np.ndarray) -> np.ndarray:
    powers = np.exp(y.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


def changes(file: Path, values: np.ndarray, keys: list[str]) -> list[list[str]]:
    """What the loop prints of each drive (n, steps, 6), by the frozen network in PyTorch."""
    (step, state), score = fresh(file, len(values)), np.zeros((len(values), len(keys)))
    printed: list[list[str]] = [[] for _ in values]
    for t, x in enumerate(torch.from_numpy(values).transpose(0, 1), start=1):
        y, *_, state = step.inside(x, state)
        score += shares(y.numpy())
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


def test_an_arduino_has_the_bits_of_pytorch(follow: Run, tmp_path: Path) -> None:
    """The sketch, built by Arduino's builder, in an emulator of its 8-bit chip."""
    needs("arduino-builder", "avr-gcc", "simavr")
    printed = re.sub(r"\x1b\[\d+m", "", follow("arduino"))  # the emulator colours it
    folder = tmp_path / "arduino"
    assert "self-test passed" in printed
    drives = re.findall(r"([a-z ]+)((?: [0-9A-F]{1,8}){4}) us (\d+)", printed)
    data = np.load(folder / "data" / "ground_test.npz")
    x = data["values"][: len(drives)]
    assert len(drives) == 4
    (step, state), score = fresh(folder / "ground.safetensors", len(x)), np.zeros((len(x), 4))
    for row in torch.from_numpy(x).transpose(0, 1):
        y, *_, state = step.inside(row, state)
        score += shares(y.numpy())
    bits = [[int(word, 16) for word in words.split()] for _, words, _ in drives]
    np.testing.assert_array_equal(np.array(bits, np.uint32), y.numpy().view(np.uint32))
    assert [said for said, _, _ in drives] == [data["keys"][best] for best in score.argmax(axis=1)]
    assert all(int(us) < 10_000 for *_, us in drives)
