"""Every `next:` line, of networks of any size, works when it is pasted."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from fixtures.command import read_as_a_command
from fixtures.plain_steps import HEAD, STATE_FIRST

import delrec_compile
from delrec_compile.cli.app import _exit_code
from delrec_compile.cli.terminal import show_next_build, unused
from delrec_compile.evaluation import proof
from delrec_compile.network.model import Layer, Network
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.lif import Lif

pytestmark = pytest.mark.usefixtures("children_here")
# what a line leaves open, at its cheapest
CHEAP = {
    "bench": ("--rows", "ours", "--rounds", "1"),
    "tune": ("--trials", "1"),
    "build": ("--limit", "1"),
    "run": ("--limit", "1"),
    "check": ("--limit", "1"),
}
STARTS = (
    "inspect small.safetensors",
    "run small.safetensors",
    "export small.safetensors -o small.onnx",
    "export small.safetensors --form nir -o small.nir",
    "compare small.safetensors --targets x86_64",
    "build step.onnx -o plain",
    "build small.safetensors --target portable_c -o sources",
    "data info counts.npz",
    "inspect step.onnx",
    "tune small.safetensors",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Networks of 8 inputs, and samples of them."""
    root = tmp_path_factory.mktemp("next")
    rng = np.random.default_rng(0)
    weight = (rng.integers(-20, 60, (6, 8)) / 64).astype(np.float32)
    out = (rng.integers(-32, 32, (3, 6)) / 64).astype(np.float32)
    layer = Layer(weight, np.zeros(6, np.float32), Lif(0.5))
    network = Network((layer,), LeakyReadout(out, np.zeros(3, np.float32), 0.5), name="small")
    delrec_compile.save(network, root / "small.safetensors")
    np.savez(root / "counts.npz", counts=rng.poisson(0.3, (2, 30, 8)).astype(np.uint8))
    onnx.save(onnx.parser.parse_model(HEAD + STATE_FIRST), root / "step.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("DELREC_DB", str(root / "db"))
        patch.setattr(proof, "QUICK", ("ours",))  # a build's times beside none of the others
        yield root


def follow(line: str, done: set[str], run: Callable[[list[str]], list[str]]) -> None:
    """Runs a line, and those that it says come next."""
    if line in done:
        return
    done.add(line)
    for following in run(shlex.split(line)):
        if (
            not line.startswith("inspect ") or line in STARTS
        ):  # of an artifact: from the start again
            follow(following, done, run)


def built_before(arguments: list[str]) -> bool:
    """Whether a network was built for this target: one build for each is enough, 10 s of a core."""
    at = arguments.index("--target") + 1 if "--target" in arguments else None
    target = "x86_64" if at is None else arguments[at]
    return target in BUILT or bool(BUILT.add(target))


@pytest.mark.parametrize("start", STARTS)
def test_next_lines_work(start: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(arguments: list[str]) -> list[str]:
        cheap = CHEAP.get(arguments[0], ())
        plain = any(word in {"plain", "step.onnx"} for word in arguments)
        if arguments[0] == "build" and not plain and built_before(arguments):
            read_as_a_command(shlex.join(["delrec-compile", *arguments]))
            assert _exit_code(["inspect", arguments[1]]) == 0
            return []
        code = _exit_code([*arguments, *(() if plain else cheap)])
        out, err = capsys.readouterr()
        assert code == 0, (arguments, err)
        lines = [s.removeprefix("next: ") for s in out.splitlines() if s.startswith("next: ")]
        assert all(s.startswith("delrec-compile ") for s in lines)
        return [s.removeprefix("delrec-compile ") for s in lines]

    follow(start, DONE, run)


DONE: set[str] = set()  # lines
BUILT: set[str] = set()  # targets


def test_a_network_that_is_built_is_built_again(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mine-cortex_m4").mkdir()
    show_next_build("mine.safetensors")
    show_next_build("mine.safetensors", target="cortex_m4")
    assert capsys.readouterr().out.splitlines() == [
        "next: delrec-compile build mine.safetensors",
        "next: delrec-compile build mine.safetensors --target cortex_m4 --force",
    ]
    (folder / "x.nir").touch()
    assert [unused("x.nir"), unused("y.nir")] == ["x-2.nir", "y.nir"]
