"""Stands for the sensor: `python sensor.py FILE.npz` prints a line of six values per step.

An empty line ends a drive. With `--live` a step takes the 10 ms that it takes on the robot.
"""

import sys
import time

import numpy as np

if __name__ == "__main__":
    file, *options = sys.argv[1:]
    for drive in np.load(file)["values"]:
        for step in drive:
            print(*(f"{value:.9g}" for value in step), flush="--live" in options)
            time.sleep(0.01 if "--live" in options else 0)
        print()
