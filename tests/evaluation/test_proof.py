"""Proof of an artifact: it is checked where it runs, and fails loudly."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import cases
import numpy as np
import pytest
from fixtures.manifests import typed
from helpers import refusal

import delrec_compile
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.data.events import Events
from delrec_compile.errors import CompilerCrash, ParityError
from delrec_compile.evaluation.parity import compare
from delrec_compile.evaluation.proof import describe_difference, prove
from delrec_compile.network import checkpoint
from delrec_compile.runners.firing import Firing
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.system import toolchain
from delrec_compile.system.fields import SEAL

HEARD = "delrec_compile.evaluation.hearing:heard"
CONV3 = np.ones((1, 4, 14), np.uint8)


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


def _heard(listening, folder, monkeypatch):
    """`prove` of an artifact with a front end, whose child found this in its words."""
    from delrec_compile.evaluation import proof

    passed = {"passed": True}
    monkeypatch.setattr(proof, "runs_here", lambda _: True)
    monkeypatch.setattr(proof, "_checks", lambda *_: (passed, passed))
    monkeypatch.setattr(proof.child, "call", lambda function, **_: {function: listening}[HEARD])
    checkpoint.save(cases.network("conv3"), folder / "network.safetensors")
    return prove(Artifact(folder, typed(front_end={"channels": 14})), CONV3, timed=False)


def test_a_front_end_is_heard_and_a_difference_fails_loudly(tmp_path, monkeypatch):
    equal = {"words": 2, "counts_differing": 0, "outputs_differing": 0}
    assert _heard(equal, tmp_path, monkeypatch).listening == equal
    with pytest.raises(ParityError, match="from sound, 3 outputs of 2 words differ"):
        _heard({**equal, "outputs_differing": 3}, tmp_path, monkeypatch)
    written = json.loads((tmp_path / "measured.json").read_text())
    assert written["listening"]["outputs_differing"] == 3


def test_code_that_dies_of_anything_but_an_instruction_is_an_error(tmp_path, monkeypatch):
    from delrec_compile.evaluation import proof

    def died(*_, **__):
        raise CompilerCrash("the process died with signal SIGSEGV")

    monkeypatch.setattr(proof.child, "call", died)
    with pytest.raises(CompilerCrash, match="SIGSEGV"):
        proof.runs_here(Artifact(tmp_path, typed()))


def test_a_self_test_that_fails_stops_the_check(monkeypatch):
    from delrec_compile.evaluation import proof

    failing = SimpleNamespace(self_test=lambda: False, how="emulated")
    monkeypatch.setattr("delrec_compile.runners.gpu.GpuSession", lambda _: failing)
    with refusal(ParityError, "the self-test of a folder fails, emulated; build it again", 6):
        proof.on_gpu("a folder", "samples", 1)
    monkeypatch.setattr(proof, "load_artifact", lambda _: None)
    monkeypatch.setattr(proof, "emulated_runner", lambda _: failing)
    with refusal(ParityError, "the self-test of a folder fails in the emulator; build it", 6):
        proof.emulated("a folder", "samples", 1)


def test_membranes_may_differ_without_a_spike():
    parity = {
        "target": "cortex_m4",
        "reference": "integer",
        "spikes": {"first": None},
        "membrane": {"max_abs_error": 0.25},
    }
    line = "cortex_m4 differs from the integer reference: membranes by 0.25, no spike"
    assert describe_difference(parity) == line


@pytest.mark.parametrize(("large", "rounds"), [(1 << 20, 9), (1000, 5)])
def test_large_networks_are_timed_in_fewer_rounds(large, rounds, artifacts, tmp_path, monkeypatch):
    from delrec_compile.evaluation import proof

    folder, asked = tmp_path / "copy", []
    shutil.copytree(artifacts["conv_delay_256"], folder)
    monkeypatch.setattr(proof, "LARGE", large)
    monkeypatch.setattr(proof, "bench", lambda *_, **options: asked.append(options["rounds"]))
    proof.prove(load_artifact(folder), limit=1)
    assert asked == [rounds]
