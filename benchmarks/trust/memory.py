"""Row 5: no state, count or clock makes generated C read or write out of place, under ASan and UBSan."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import drawn, drawn_graphs
from benchmarks.staged import artifact_here
from benchmarks.trust.row import Result, Scale
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Network
from delrec_compile.system import toolchain

FLAGS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SECONDS = 300
ROUNDS = 40  # states per network: words that are hostile, and noise
MAIN = Path(__file__).with_name("hostile.c.in")


@dataclass(frozen=True)
class Variant:
    """A form of an artifact. listens: with a front end, where the network takes counts."""

    target: str = "portable_c"
    numeric: str = "float32"
    unroll: int = 1
    listens: bool = False

    def __str__(self) -> str:
        parts = [self.target, self.numeric, f"unroll {self.unroll}", "front end"]
        return " ".join(parts[: 2 + (self.unroll > 1)] + parts[3:] * self.listens)

    def of(self, network: Network, folder: Path) -> Artifact:
        """The artifact, in a new folder."""
        integer = None if self.numeric == "float32" else quantise(network, self.numeric)
        front = FrontEnd(channels=network.inputs, step_ms=2) if self.listens else None
        return artifact_here(network, self.target, folder, integer, self.unroll, front)


VARIANTS = (
    Variant(),
    Variant(numeric="int8"),
    Variant(numeric="int16", unroll=3),
    Variant("cortex_m0plus", "int8", listens=True),
    Variant("cortex_m4", unroll=4),
    Variant(numeric="int16", listens=True),
    Variant("cortex_m4", "int8"),
)
OF_VALUES = (Variant(), Variant("cortex_m4"), Variant(unroll=3))  # real inputs are float32


def drawn_artifacts(
    count: int,
    folder: Path,
    variants: Sequence[Variant] = VARIANTS,
    of_values: Sequence[Variant] = OF_VALUES,
) -> Iterator[tuple[Network, str, Artifact]]:
    """So many networks that are drawn, chains and graphs in turn, each built as one variant; its name.

    variants: of networks of counts; of_values: of those of real inputs; an odd number of each, or
    chains would never be built as graphs are. Where a neuron model has no such integers, it is the next.
    """
    for k in range(count):
        network = (drawn.network, drawn_graphs.graph)[k % 2](k // 2)
        allowed = variants if network.real_input is None else of_values
        for turn in range(len(allowed)):
            variant = allowed[(k + turn) % len(allowed)]
            try:
                artifact = variant.of(network, folder / f"{network.name}-{k}")
            except UnsupportedError:
                continue
            yield network, f"{network.name} {variant}", artifact
            break


def measure(folder: Path, scale: Scale) -> Result:
    """Chains and graphs that are drawn, of each variant in turn."""
    result = Result()
    for _, name, artifact in drawn_artifacts(scale.of(300, 7), folder):
        said = findings(artifact)
        result.count("finding" if said else "clean", f"{name}: {said[:300]}" if said else None)
    return result


def findings(artifact: Artifact, optimise: str = "-O1", rounds: int = ROUNDS) -> str:
    """What the sanitizers, or the compiler, say of C sources with hostile states; empty where clean."""
    stage, m = artifact.path, artifact.manifest
    main, program = stage / "main.c", stage / "checked"
    text = MAIN.read_text().replace("NAME", m.name).replace("MACRO", m.name.upper())
    main.write_text(text)
    files = [*(stage / "src").glob("*.c"), *(stage / "test").glob(f"{m.name}_*.c"), main]
    flags = [optimise, *FLAGS, f"-DROUNDS={rounds}"]
    if m.input_bits is None:
        flags.append(f"-DEVENTS={'uint16_t' if m.inputs <= 1 << 16 else 'uint32_t'}")
    if (stage / "include" / f"{m.name}_frontend.h").exists():
        flags.append("-DLISTENS")
    flags += [f"-I{stage / part}" for part in ("include", "src", "test")]
    for command in (
        [*toolchain.cc(), *flags, *map(str, files), "-o", str(program)],
        [str(program)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            return done.stderr or f"exit code {done.returncode}"
    return ""
