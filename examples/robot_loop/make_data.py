"""What a small robot's motion sensor feels, simulated: `python make_data.py FOLDER`.

A rover on two axles drives at 100 steps per second. Six values a step: acceleration in g along x,
y and z, turning in rad/s about them. What is below its wheels is the class. The axles meet a step 120 ms
apart, and turn the rover one way and back: only the order of the turns tells up from down.
"""

import sys
from pathlib import Path

import numpy as np

GROUND = ("smooth", "rough", "step up", "step down")
STEPS, AXLES = 100, 12  # steps of 10 ms; those between the axles


def drives(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(count, STEPS, 6) float32 values, (count,) classes."""
    labels = rng.integers(0, len(GROUND), count)
    values = rng.normal(0, 0.03, (count, STEPS, 6))
    values[:, :, 2] += 1  # gravity
    for felt, label in zip(values, labels, strict=True):
        if GROUND[label] == "rough":
            felt[:, 2] += np.convolve(rng.normal(0, 0.3, STEPS), [0.5, 0.5], "same")
            felt[:, 4] += rng.normal(0, 0.15, STEPS)
        elif GROUND[label].startswith("step"):
            climbs = 1 if GROUND[label] == "step up" else -1
            front = rng.integers(10, STEPS - 2 * AXLES)
            for axle, turn in ((front, -climbs), (front + AXLES, climbs)):
                felt[axle : axle + 4, 2] += 0.8 * rng.uniform(0.7, 1.3)
                felt[axle : axle + 4, 4] += 0.5 * turn
    return values.astype(np.float32), labels


if __name__ == "__main__":
    folder, rng = Path(sys.argv[1]), np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for part, count in {"train": 400, "valid": 100, "test": 100}.items():
        values, labels = drives(count, rng)
        np.savez(
            folder / f"ground_{part}.npz", values=values, labels=labels, keys=GROUND, dt_ms=10.0
        )
