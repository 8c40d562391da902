"""Proof of an artifact: it is checked where it runs, and fails loudly."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

import delrec_compile
from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.data.events import Events
from delrec_compile.errors import ParityError
from delrec_compile.evaluation.parity import compare
from delrec_compile.evaluation.proof import prove
from delrec_compile.network import checkpoint
from delrec_compile.runners.firing import Firing
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.system import toolchain
from delrec_compile.system.fields import SEAL


def test_code_for_another_cpu_is_noticed_not_died_of(artifacts, tmp_path):
    """A library whose self-test meets an instruction that the CPU lacks: built, but not run."""
    from delrec_compile.evaluation.proof import runs_here

    folder = tmp_path / "copy"
    shutil.copytree(artifacts["conv_delay_256"], folder)
    entries = "".join(
        f"int conv_delay_256_{e}(void) {{ __builtin_trap(); }}\n"
        for e in ("reset", "step", "run", "trace", "self_test")
    )
    last = load_artifact(folder).manifest.state[-1]
    padded = -(-(last.offset + last.bytes) // 64) * 64
    size = f"int conv_delay_256_state_bytes(void) {{ return {padded}; }}\n"
    reset = "int conv_delay_256_reset(void *s) { return s == 0; }\n"
    source = tmp_path / "lib.c"
    source.write_text(
        size + reset + entries.replace("int conv_delay_256_reset(void) { __builtin_trap(); }\n", "")
    )
    library = folder / "lib" / "libconv_delay_256.so"
    subprocess.run([*toolchain.cc(), "-shared", "-fPIC", "-O1", source, "-o", library], check=True)
    _sign(folder, library)
    assert runs_here(load_artifact(folder)) is False
    assert runs_here(load_artifact(artifacts["conv_delay_256"])) is True


def test_prove_writes_what_it_measured_and_fails_loudly(artifacts, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(artifacts["conv_delay_256"], folder)
    proof = prove(load_artifact(folder), limit=4, timed=False)
    assert all(c["passed"] for c in proof.checks)
    assert '"delrec.measured/1"' in (folder / "measured.json").read_text()
    with pytest.raises(ParityError, match="differs from PyTorch"):
        _prove_against_another_network(folder)


def test_samples_that_make_no_neuron_fire_prove_nothing(artifacts, tmp_path, monkeypatch):
    from delrec_compile.evaluation import proof

    folder = tmp_path / "copy"
    shutil.copytree(artifacts["conv_delay_256"], folder)
    network = checkpoint.load("conv_delay_256")
    counts = np.ones((1, 4, network.inputs), np.uint8)
    runner = ReferenceRunner(network)
    found = compare(network, runner, Events(counts, np.zeros(1, int), None, None, 10.0))
    quiet = replace(found, firing=Firing((0, 0), (0.0, 0.0))).as_dict()
    monkeypatch.setattr(proof, "runs_here", lambda _: True)
    monkeypatch.setattr(proof, "_checks", lambda *_: (quiet, quiet))
    with pytest.raises(ParityError, match="proves nothing"):
        prove(load_artifact(folder), timed=False)
    accepted = prove(load_artifact(folder), timed=False, allow_silent=True)
    assert all(c["passed"] and c["firing"]["silent"] for c in accepted.checks)


def _prove_against_another_network(folder):
    """The manifest is made to fit a network with one other weight."""
    network = checkpoint.load("conv_delay_256")
    bias = network.layers[0].bias.copy()
    bias[3] += 0.5
    layers = (type(network.layers[0])(network.layers[0].weight, bias, network.layers[0].lif),)
    moved = delrec_compile.Network((*layers, network.layers[1]), network.readout)
    _sign(folder, checkpoint.save(moved, folder / "network.safetensors"))
    prove(load_artifact(folder), limit=4, timed=False)


def _sign(folder, file):
    """Makes the manifest fit a changed file."""
    manifest = json.loads((folder / "manifest.json").read_text())
    name = str(file.relative_to(folder))
    manifest["files"][name] = hashlib.sha256(file.read_bytes()).hexdigest()
    del manifest[SEAL]
    (folder / "manifest.json").write_text(json.dumps(manifest))
