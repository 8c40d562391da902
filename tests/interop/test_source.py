"""Where an import comes from decides what reads it, and which options it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nir
import numpy as np
import pytest
import torch
from fixtures.nir_graphs import two
from helpers import refusal

from delrec_compile.errors import CheckpointError, DelrecError, UnsupportedError, UsageError
from delrec_compile.interop import source
from delrec_compile.interop.source import import_model
from delrec_compile.network import checkpoint


def test_options_of_another_source_are_refused(tmp_path: Path) -> None:
    for name, kind in (("a.nir", "a NIR graph"), ("a.pth", "a checkpoint")):
        (tmp_path / name).write_text("")
        with refusal(UsageError, f"{kind} takes no input_shape; allowed: ", 2):
            import_model(tmp_path / name, input_shape=(2,), dt_ms=None)


WRONG: dict[str, tuple[type[DelrecError], str]] = {
    "no.nir": (CheckpointError, "no.nir: no such file; "),
    "no_such_module:build": (CheckpointError, "no module 'no_such_module' to import"),
    "json:nothing": (CheckpointError, "'json' has no function 'nothing'"),
    "json:loads": (CheckpointError, "json:loads fails when called: TypeError"),
    "os:getcwd": (UnsupportedError, "a str is not a model; allowed: a torch module of "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_gives_no_model_is_refused(name: str) -> None:
    kind, message = WRONG[name]
    with refusal(kind, message, kind.exit_code):
        import_model(name)


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    checkpoint.save(checkpoint.load(), tmp_path / "net.any")
    for name, words in (
        ("a.txt", r"a.txt is text; a \.nir graph, .* is required"),
        ("net.any", "is a network; .* build it: delrec-compile build"),
        ("none", "no such file; did you mean|no such file; a .nir graph"),
    ):
        with refusal(CheckpointError, words, 3):
            import_model(tmp_path / name)


def test_files_are_told_by_their_content(tmp_path: Path) -> None:
    unit = nir.IF(r=np.ones(2), v_threshold=np.ones(2))
    graph = nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3))), unit)
    nir.write(tmp_path / "graph.any", graph)
    with refusal(UsageError, "the NIR graph counts time in steps", 2):
        import_model(tmp_path / "graph.any")


def test_a_module_without_neurons_of_one_framework_is_refused() -> None:
    with refusal(UnsupportedError, "a Linear with spiking neurons of no framework", 4):
        import_model(torch.nn.Linear(2, 2))


def test_the_framework_of_a_module_is_that_of_its_neurons(monkeypatch: pytest.MonkeyPatch) -> None:
    neuron = type("Leaky", (torch.nn.Module,), {"__module__": "snntorch._neurons"})
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), neuron())
    calls: list[Any] = []

    def from_snntorch(module: Any, *, takes_sequences: bool = False, name: str = "n") -> None:
        calls.append((module, takes_sequences, name))

    reader = SimpleNamespace(from_snntorch=from_snntorch)
    monkeypatch.setattr(source.importlib, "import_module", lambda _name: reader)
    import_model(model, takes_sequences=True, name=None)
    assert calls == [(model, True, "n")]
    with refusal(UsageError, "a module of snntorch takes no sigma", 2):
        import_model(model, sigma=0.5)


def test_a_file_without_a_name_of_its_own_gives_its_own(tmp_path: Path) -> None:
    path = tmp_path / "kitchen.nir"
    nir.write(path, two())
    imported = import_model(path, dt_ms=1.0)
    assert imported.network.name == imported.unfrozen.name == "kitchen"
    assert import_model(path, dt_ms=1.0, name="other").network.name == "other"
    saved = checkpoint.save(
        replace(imported.network, name="network"), tmp_path / "bath.safetensors"
    )
    assert checkpoint.load(saved).name == "bath"


def test_a_plan_takes_what_an_import_takes(tmp_path: Path) -> None:
    nir.write(tmp_path / "a.nir", two())
    path = str(tmp_path / "a.nir")
    for given, named in ((tmp_path / "a.nir", path), (path, path), (two(), "NIRGraph")):
        made = source.plan_import(given, dt_ms=1.0, method=None)
        assert (made.form, made.ok, made.source) == ("NIR", True, named)
    with refusal(UsageError, "a NIR graph takes no sigma", 2):
        source.plan_import(two(), sigma=1.0)
    for name, (kind, message) in WRONG.items():
        with refusal(kind, message, kind.exit_code):
            source.plan_import(name)


def test_a_name_is_that_of_a_file_or_of_a_function(tmp_path: Path) -> None:
    (tmp_path / "a.nir").write_text("")
    source.require_there(str(tmp_path / "a.nir"))
    source.require_there("module:function")
    with refusal(CheckpointError, "no such file", 3):
        source.require_there(str(tmp_path / "b.nir"))
