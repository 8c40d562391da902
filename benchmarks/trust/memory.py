"""Row 5: no state, count or clock makes generated C read or write out of place, under ASan and UBSan."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks import drawn, drawn_graphs
from benchmarks.staged import artifact_here
from benchmarks.trust.row import Result, Scale
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.system import toolchain

FLAGS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SECONDS = 300
TYPES = {"uint8": "uint8_t", "float32": "float", "int16": "int16_t", "int8": "int8_t"}
ROUNDS = 40  # states per network: words that are hostile, and noise
# Each round fills the state with one hostile word or with noise, and runs 6 steps of noise as input.
MAIN = """
#include <stdlib.h>
#include "NAME_test.h"
static NAME_state state;
int main(void)
{
    static const uint32_t words[] = {0xffffffffu, 0x7fffffffu, 0x80000000u, 0x7f800000u, 0xff800000u, 0};
    static TYPE x[INPUTS];
    static float y[OUTPUTS];
    static uint8_t spikes[NEURONS];
    uint32_t random = 1;
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t *bytes = (uint8_t *)&state;
        for (size_t i = 0; i < sizeof state; i++) {
            random = random * 1664525u + 1013904223u;
            const uint32_t word = words[round % 6];
            bytes[i] = round % 6 == 5 ? (uint8_t)(random >> 24) : (uint8_t)(word >> 8 * (i % 4));
        }
        for (int t = 0; t < 6; t++) {
            for (size_t i = 0; i < sizeof x; i++) {
                random = random * 1664525u + 1013904223u;
                ((uint8_t *)x)[i] = (uint8_t)(random >> 24);
            }
            if (NAME_run(&state, x, 1, y) != 0 || NAME_trace(&state, x, 1, y, spikes) != 0) {
                return 1;
            }
        }
    }
    return 0;
}
"""


def measure(folder: Path, scale: Scale) -> Result:
    """Chains and graphs that are drawn, in float32 and int8, as portable C."""
    result = Result()
    for seed in range(scale.of(150, 3)):
        for network in (drawn.network(seed), drawn_graphs.graph(seed)):
            for numeric in ("float32", "int8") if network.real_input is None else ("float32",):
                quantised = None if numeric == "float32" else quantise(network, numeric)
                stage = folder / f"memory-{result.tried}"
                said = findings(artifact_here(network, "portable_c", stage, quantised))
                fault = f"{network.name} {numeric}: {said[:300]}" if said else None
                result.count("finding" if said else "clean", fault)
    return result


def findings(artifact: Artifact, optimise: str = "-O1", rounds: int = ROUNDS) -> str:
    """What the sanitizers, or the compiler, say of C sources with hostile states; empty where clean."""
    stage, m = artifact.path, artifact.manifest
    words = {
        "INPUTS": m.inputs,
        "OUTPUTS": m.outputs,
        "NEURONS": max(sum(m.neurons), 1),
        "ROUNDS": rounds,
        "TYPE": TYPES[str(m.counts_dtype)],
    }
    main, program = stage / "main.c", stage / "checked"
    main.write_text(MAIN.replace("NAME", m.name))
    files = [*(stage / "src").glob("*.c"), *(stage / "test").glob(f"{m.name}_*.c"), main]
    flags = [optimise, *FLAGS, *(f"-D{k}={v}" for k, v in words.items())]
    flags += [f"-I{stage / part}" for part in ("include", "src", "test")]
    for command in (
        [*toolchain.cc(), *flags, *map(str, files), "-o", str(program)],
        [str(program)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            return done.stderr or f"exit code {done.returncode}"
    return ""
