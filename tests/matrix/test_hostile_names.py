"""Names in files and of peers, through the commands that print them: text, whatever they hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.hostile import peer, summary, telling

from delrec_compile.cli import app
from delrec_compile.network import checkpoint

EVIL = "\x1b]0;OWNED\x07[/x][link=http://e]<b>|\x9b2J\u202e\n# h"
COMMANDS = (
    "inspect net.safetensors",
    "inspect net.safetensors --json",
    "data info samples.npz",
    "inspect samples.npz",
    "run net.safetensors -i samples.npz",
    "run net.safetensors -i samples.npz --verbose --log-file log.txt",
    "export net.safetensors -o step.onnx",
    "inspect step.onnx",
    "inspect step.onnx --json",
    "import net.safetensors -o other.safetensors",
    "build net.safetensors -t nowhere",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network and samples whose every name is hostile."""
    folder, network = tmp_path_factory.mktemp("hostile"), cases.network("single")
    names = [f"{EVIL}{i}" for i in range(network.outputs)]
    checkpoint.save(replace(network, name=EVIL, labels=tuple(names)), folder / "net.safetensors")
    counts = np.ones((2, 20, network.inputs), np.uint8)
    labels = np.zeros(2, int)
    np.savez(folder / "samples.npz", counts=counts, labels=labels, keys=np.array(names))
    return folder


@pytest.mark.parametrize("line", COMMANDS)
def test_a_name_is_text(
    line: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    code = app._exit_code(line.split())
    out, err = capsys.readouterr()
    assert code != 1, err
    assert "Traceback" not in err
    texts = [out, err, *(file.read_text() for file in place.glob("log.txt"))]
    for text in texts:
        assert all(c.isprintable() or c == "\n" for c in text), text
        assert "\n# h" not in text
    if "--json" in line:
        json.loads(out)
    elif code == 0 and line.startswith("inspect net"):
        assert "OWNED" in out
        assert "[/x][link=http" in out.replace("\n", "")


def test_a_peer_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    with peer(telling(summary("a[/b][red]<i>"))) as port:
        assert app._exit_code(["devices", "--tracker", f"127.0.0.1:{port}"]) == 0
    assert "a[/b][red]<i>" in capsys.readouterr().out
    with peer(telling(summary(EVIL))) as port:
        assert app._exit_code(["devices", "--tracker", f"127.0.0.1:{port}"]) == 8
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: tracker 127.0.0.1:")
    assert line.isprintable()
