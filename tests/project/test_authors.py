"""`python -m benchmarks.authors` on repositories of the authors' layout, written here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures.authors import saved

from benchmarks import authors

CONFIG = """
class Config:
    script = "{name}"
    time_window, input_size = 40, {inputs}
"""
MODEL = """
from fixtures.authors import SCRIPTS, Net

class SNN_recurrent_delays(Net):
    def __init__(self, config):
        super().__init__(SCRIPTS[config.script])

    def round_pos(self):
        for m in self.modules():
            if hasattr(m, "recurrent_delays"):
                m.recurrent_delays.data.round_()
"""
UTILS = "from fixtures.authors import reset_states\n"
DATA = """
import torch
from fixtures.authors import counts

def load_dataset(config):
    x = torch.from_numpy(counts(config.input_size, config.time_window, 6)).permute(1, 0, 2)
    y = torch.arange(6) % 4
    lengths = () if config.script.endswith(("ssc", "psmnist")) else (torch.full((3,), 40),)
    return None, None, [(x[:3], y[:3], *lengths), (x[3:], y[3:], *lengths)]
"""


@pytest.fixture
def forget() -> Iterator[None]:
    """Their modules are not those of the next repository."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in [n for n in sys.modules if n.split(".")[0] in ("src", "configs")]:
        del sys.modules[name]


def repository(folder: Path, script: str, name: str, inputs: int) -> Path:
    config, modules = authors.SCRIPTS[script]
    texts = {config: CONFIG.format(name=name, inputs=inputs), modules[0]: MODEL}
    for module, text in {**texts, "src.utils": UTILS, "src.datasets": DATA}.items():
        path = folder / f"{module.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


PUBLISHED = (
    ("SHD", "delrec-shd"),
    ("EQUIPARAM", "delrec-equiparam-shd"),
    ("SSC", "delrec-ssc"),
    ("PSMNIST", "delrec-psmnist"),
    ("SHD", "conv-delrec-shd"),
    ("SSC", "conv-delrec-ssc"),
)


def run(folder: Path, script: str, name: str, *others: str) -> int:
    net, path = saved(folder, name)
    torch.save(torch.randperm(40), folder / "perm.pt")
    repository(folder, script, name, net.script.inputs)
    line = ["--repository", str(folder), "--script", script, "--checkpoint", str(path)]
    return authors.main([*line, *others])


@pytest.mark.usefixtures("forget")
@pytest.mark.parametrize(("script", "name"), PUBLISHED)
def test_their_model_and_the_import_agree(
    script: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, script, name) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"note: neurons of {name} (")
    assert told[-2].startswith("unfrozen: 0 of 5,760 spikes differ (")
    assert ", 0 of 6 classes; accuracy " in told[-2]
    assert told[-1].startswith("frozen: ")
    assert " of 5,760 spikes differ (" in told[-1]


@pytest.mark.usefixtures("forget")
def test_other_constants_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = ("--tau", "9", "--reset", "soft", "--batches", "1")
    assert run(tmp_path, "SHD", "delrec-shd", *others) == 6
    (line,) = [s for s in capsys.readouterr().out.splitlines() if s.startswith("unfrozen: ")]
    assert " of 2,880 spikes differ (" in line
    assert "; first in batch 0, layer 0, step " in line


WRONG: dict[str, tuple[tuple[str, ...], int, str]] = {
    "class": (("--model-class", "SNN"), 2, "--model-class SNN: src.SHD.snn has none"),
    "model": (
        ("--set", "script=delrec-ssc"),
        3,
        "SNN_recurrent_delays of src.SHD.snn does not take",
    ),
    "module": (("--module", "src.SHD.other"), 5, "their code needs 'src.SHD.other'"),
}


@pytest.mark.usefixtures("forget")
@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others, code, message = WRONG[what]
    assert run(tmp_path, "SHD", "delrec-shd", *others) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_another_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, path = saved(tmp_path, "delrec-shd")
    line: list[Any] = ["--repository", tmp_path, "--script", "SHD", "--checkpoint", path]
    assert authors.main([str(word) for word in line]) == 3
    assert "has no folder 'src'" in capsys.readouterr().err
