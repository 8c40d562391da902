"""`inspect` of what is no network."""

import json
import tarfile

import cases
import numpy as np
import onnx
import pytest
from fixtures.manifests import folder_of
from fixtures.plain_steps import CELL, written

from delrec_compile.cli import show
from delrec_compile.errors import CheckpointError
from delrec_compile.network.onnx_step.export import model_of


def test_inspect_shows_what_commands_take(tmp_path, monkeypatch, capsys):
    network = cases.network("conv3")
    onnx.save(model_of(network), tmp_path / "step.onnx")
    written(CELL, tmp_path / "cell.onnx")
    np.savez(tmp_path / "s.npz", counts=np.ones((1, 2, 3), np.uint8))
    folder_of(tmp_path / "net", {"src/net.c": b"int a;\n"})
    with tarfile.open(tmp_path / "net.tar.gz", "w:gz") as file:
        file.add(tmp_path / "net", "net")
    monkeypatch.chdir(tmp_path)
    for name, words in (
        ("step.onnx", ("an ONNX step exported", "past_l0_v", "portable", " run step.onnx")),
        ("cell.onnx", ("an ONNX step of another source", "present_h", "--dry-run")),
        ("net", ("an artifact", "portable_c", "src/net.c", "check net")),
        ("net.tar.gz", ("a packed artifact", "portable_c")),
        ("s.npz", ("1",)),
    ):
        show.inspect(name, as_json=False)
        text = capsys.readouterr().out
        assert all(word in text for word in words), text
        show.inspect(name, as_json=True)
        assert json.loads(capsys.readouterr().out)["schema"].startswith("delrec.")
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(CheckpointError, match=r"is text; a \.safetensors network"):
        show.inspect("a.txt", as_json=False)
