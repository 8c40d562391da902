"""`import` and `export --form nir` as a user types them: results, JSON, exit codes."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
import torch
from fixtures.authors import saved
from fixtures.command import ok, ok_here, refused, refused_here

import delrec_compile
from delrec_compile.cli.app import main
from delrec_compile.network import checkpoint

nir: Any = pytest.importorskip("nir")

MODEL = """
import torch, snntorch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(140, 12), snntorch.Leaky(beta=0.5, init_hidden=True),
                         nn.Linear(12, 20), snntorch.Leaky(beta=0.5, init_hidden=True))

def loop():
    model = build()
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model
        def forward(self, x):
            return torch.stack([self.model(row) for row in x])
    return Loop()

def soft():
    own = snntorch.Leaky(beta=0.5, init_hidden=True, spike_grad=lambda v: torch.sigmoid(5 * v))
    return nn.Sequential(nn.Linear(140, 12), own)

def dead():
    return nn.Sequential(nn.Linear(4, 4), snntorch.Leaky(beta=0.5, threshold=1e3, init_hidden=True))

def chaotic():
    torch.manual_seed(3)
    neurons = snntorch.RLeaky(beta=0.9, linear_features=100, init_hidden=True)
    with torch.no_grad():
        neurons.recurrent.weight.mul_(12)
    return nn.Sequential(nn.Linear(20, 100), neurons)

def leaves():
    raise SystemExit(7)

def odd():
    return nn.Sequential(nn.Linear(4, 4), snntorch.SLSTM(4, 4, init_hidden=True))

def graph():
    import delrec_compile
    return delrec_compile.to_nir(delrec_compile.load())

def steps():
    import nir, numpy as np
    one = np.ones(1)
    return nir.NIRGraph.from_list(nir.Linear(one[None] / 16), nir.IF(r=one, v_threshold=one))

def broken():
    raise OSError("gone")

def text():
    return "no model"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands run in, with models of `my`."""
    (tmp_path / "my.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my", raising=False)
    return tmp_path


def test_a_chaotic_recurrence_keeps_its_spikes(here: Path) -> None:
    """By its grid, which is told with its bytes; with 16 bits it loses some."""
    text = ["import", "my:chaotic", "--max-input", "1"]
    told = ok_here(*text, "-o", "a.safetensors")
    assert re.search(r"note: [\d,]+ differ with weights of 16 bits, so the grid of layer 0 ", told)
    again = json.loads(ok_here(*text, "-o", "b.safetensors", "--grid", "int16", "--json"))
    assert again["check"]["differing"] > 0
    assert (again["check"]["differing_on_int16"], again["wide_layers"]) == (None, [])
    assert again["row_bytes"] == again["row_bytes_int16"]
    wrong = [*text, "-o", "c.safetensors", "--grid", "x"]
    assert "allowed: auto, int16, fine" in refused_here(2, *wrong)


def test_nir_out_and_in_again(tmp_path: Path) -> None:
    told = json.loads(ok("export", "--form", "nir", "-o", "a.nir", "--json", cwd=tmp_path))
    assert (told["schema"], told["form"], told["nodes"]) == ("delrec.export/1", "nir", 10)
    told = json.loads(
        ok("import", "a.nir", "-o", "b.safetensors", "-i", "samples", "--json", cwd=tmp_path)
    )
    assert told["schema"] == "delrec.import/1"
    assert told["recurrences"] == [None, "conv_delay"]
    assert told["check"]["differing"] == 0 < told["check"]["spikes"]
    assert told["accuracy"] > 0.8
    again = delrec_compile.load(tmp_path / "b.safetensors")
    assert checkpoint.digest(again) == checkpoint.digest(delrec_compile.load())
    assert "--force" in refused(3, "export", "--form", "nir", "-o", "a.nir", cwd=tmp_path)
    assert "--force" in refused(3, "import", "a.nir", "-o", "b.safetensors", cwd=tmp_path)


def test_a_function_that_returns_a_model(here: Path, children_here: None) -> None:
    pytest.importorskip("snntorch")
    told = ok_here("import", "my:build", "-o", "a.safetensors", "--max-input", 4)
    assert "from snnTorch: 140 -> 12 -> 20 -> 20" in told
    assert "0 of 25,600 spikes differ from snnTorch over 200 steps" in told
    assert "next: delrec-compile build a.safetensors" in told
    ok_here("build", "a.safetensors", "-o", "out", "--limit", 2)
    told = ok_here(
        "import", "my:loop", "-o", "w.safetensors", "--takes-sequences", "--max-input", 4
    )
    assert "0 of 25,600 spikes differ from snnTorch over 200 steps" in told
    assert "loop" in refused_here(6, "import", "my:loop", "-o", "v.safetensors")
    assert not (here / "v.safetensors").exists()
    ok_here("import", "my:graph", "-o", "b.safetensors", "--check", 0)


def test_real_inputs_are_rounded_as_samples_ask(here: Path) -> None:
    x = np.random.default_rng(0).uniform(0, 2, (3, 10, 140)).astype(np.float32)
    np.savez(here / "x.npz", x=x)
    line = ["import", "my:build", "--input-bits", "auto", "--input", "x.npz", "-o"]
    told = ok_here(*line, "a.safetensors")
    assert re.search(
        r"inputs: real values up to [\d.]+ in size, rounded to multiples of 2\^-\d", told
    )
    network = delrec_compile.load(here / "a.safetensors")
    assert network.max_input == 2
    ok_here("import", "my:build", "--input", "x.npz", "-o", "b.safetensors")  # it finds out itself
    again = delrec_compile.load(here / "b.safetensors")
    assert (again.input_bits, again.max_input) == (network.input_bits, 2)


def test_a_checkpoint(tmp_path: Path) -> None:
    _, path = saved(tmp_path, "conv-delrec-shd")
    told = ok(
        *("import", path, "-o", "a.safetensors", "--sigma", 0.25),
        *("--layer", "0:threshold=0.75", "--layer", "readout:gain=2"),
        cwd=tmp_path,
    )
    assert "9 -> 12 -> 12 (conv_delay) -> 4" in told
    assert "note: neurons of conv-delrec-shd (delrec_snn 0c1f6bc run_shd.py): layer 0: beta" in told
    assert "fires at 0.75" in told
    assert "readout: beta 0.14425, gain 2" in told
    assert "note: sigma 0.25; the script's last test has about 0.58" in told


WRONG = (
    (("no.nir",), 3, "no such file"),
    (("no:build",), 3, "no module 'no'"),
    (("my:nothing",), 3, "no function 'nothing'"),
    (("my:broken",), 3, "fails when called: OSError"),
    (("my:leaves",), 3, "fails when called: SystemExit"),
    (("my:soft",), 6, "off the threshold, too far for rounding"),
    (("my:dead",), 6, "no neuron fires in 200 steps of random inputs"),
    (("my:dead", "--density", "0"), 2, "--density 0: above 0"),
    (("my:dead", "--density", "0.1", "-i", "a.npz"), 2, "--density is of random inputs"),
    (("my:steps", "--dt-ms", "1"), 2, "--time-unit steps"),
    (("my:text",), 4, "a str is not a model"),
    (("my:odd",), 4, "1: networks have no SLSTM"),
    (("my.py",), 3, "my.py is Python code"),
    (("my:build", "--sigma", "1"), 2, "takes no sigma"),
    (("my:build", "--input-shape", "3xa"), 2, "integers separated by x"),
    (("my:build", "--max-input", "999"), 2, "allowed: 1 to 255"),
    (("my:build", "--max-input", "0"), 2, "allowed: 1 to 255"),
    (("my:build", "--max-input", "0.5"), 2, "--input-bits is for real values"),
    (("my:build", "--input-bits", "16"), 2, "--input-bits 16: input_bits is 16; allowed: 0 to 15"),
    (("my:build", "--input-bits", "few"), 2, "--input-bits 'few'; allowed: 0 to 15, auto"),
    (("my:build", "--input-bits", "auto"), 2, "chooses from samples: add --input FILE"),
    (("my:build", "--dt-ms", "nan"), 2, "--dt-ms nan: a positive number"),
    (("whole.pth",), 3, "without running code"),
)


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG)
def test_refusals(
    arguments: tuple[str, ...],
    code: int,
    message: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the command's entry point in this process, which has the frameworks loaded already."""
    pytest.importorskip("snntorch")
    if arguments[0] == "whole.pth":
        torch.save(torch.nn.Linear(2, 2), here / "whole.pth")
    line = ["delrec-compile", "import", *arguments, "-o", "out/a.safetensors"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as left:
        main()
    told, said = capsys.readouterr()
    assert (left.value.code, told) == (code, "")
    errors = [s for s in said.splitlines() if s.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in said
    assert not list(here.rglob("*.safetensors"))


def test_silence_can_be_accepted(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("snntorch")
    monkeypatch.setattr(
        sys,
        "argv",
        ["delrec-compile", "import", "my:dead", "-o", "a.safetensors", "--allow-silent"],
    )
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code in (0, None)
    told = capsys.readouterr().out
    assert "neurons that fire in a step: 1 0.00%" in told
    assert "proves nothing" in told
    assert (here / "a.safetensors").exists()


def test_a_plan_lists_every_part_and_writes_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("snntorch")
    nir.write(here / "a.nir", delrec_compile.to_nir(cases.network("dense")))
    _, path = saved(here, "conv-delrec-shd")
    for source, code in (("my:build", 0), ("my:odd", 4), ("a.nir", 0), (path.name, 0)):
        monkeypatch.delitem(sys.modules, "my", raising=False)
        for as_json in (False, True):
            line = ["delrec-compile", "import", source, "--dry-run", *["--json"] * as_json]
            monkeypatch.setattr(sys, "argv", line)
            with pytest.raises(SystemExit) as left:
                main()
            assert (left.value.code or 0) == code, source
            told = capsys.readouterr().out
            if as_json:
                parts = json.loads(told)["parts"]
                assert all(bool(part["becomes"]) != bool(part["refused"]) for part in parts)
            else:
                assert ("refused; nothing was written" in told) == (code == 4)
    assert not list(here.rglob("*.safetensors"))
    monkeypatch.setattr(sys, "argv", ["delrec-compile", "import", "my:build"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "-o is missing" in capsys.readouterr().err
    wrong = ["delrec-compile", "import", "a.nir", "--dry-run", "--name", "no name"]
    monkeypatch.setattr(sys, "argv", wrong)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "no name" in capsys.readouterr().err


def test_where_it_goes(here: Path) -> None:
    assert ".safetensors is required" in refused_here(2, "import", "my:build", "-o", "a.onnx")


def test_what_nir_has_not(tmp_path: Path) -> None:
    checkpoint.save(cases.network("soft"), tmp_path / "a.safetensors")
    message = refused(4, "export", "a.safetensors", "--form", "nir", "-o", "a.nir", cwd=tmp_path)
    assert "resets 'soft'" in message
    assert not (tmp_path / "a.nir").exists()
