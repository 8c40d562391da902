"""The npm package: its WebAssembly, called from JavaScript, gives the outputs of the reference."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from helpers import refusal
from numpy.typing import NDArray

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.artifact.packed import npm
from delrec_compile.artifact.packed.contents import Contents
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.model import Network
from delrec_compile.ops.readout import decide

Built = Callable[[str], Artifact]
Words = tuple[NDArray[np.float32], NDArray[np.float32]]
USE = """
import * as net from "NAME";
import assert from "node:assert";
import { readFileSync } from "node:fs";
const x = Uint8Array.from(JSON.parse(readFileSync(0)));
const network = await net.load(readFileSync(new URL(import.meta.resolve("NAME/NAME.wasm"))));
assert.equal(network.selfTest(), 0);
const streams = Array.from({ length: 40 }, () => network.stream()); // the memory grows
const y = streams[0].run(x);
for (const stream of streams.slice(1, 3)) {
  assert.deepEqual(stream.run([...x]), y);
}
assert.deepEqual((await net.load()).stream().run(x), y);
assert.deepEqual(streams[39].step(x.slice(0, net.INPUTS)), y.slice(0, net.OUTPUTS));
const classes = new Set();
for (let t = 0; t < 12; t++) { // a class forgets what was before its stream's start
  for (const stream of [streams[1], streams[10 + t]]) {
    stream.reset();
    stream.step(x.slice(t * net.INPUTS, (t + 1) * net.INPUTS));
  }
  assert.equal(streams[1].decision, streams[10 + t].decision);
  classes.add(streams[1].decision);
}
assert(classes.size > 1);
const label = streams[0].classify(x);
assert.equal(label, net.LABELS[streams[0].decision]);
streams[5].free();
assert.throws(() => streams[5].reset(), /freed/);
assert.equal(network.stream().classify(x), label);
for (const wrong of [[1], [...x].fill(-1), [...x].fill(0.5), [...x].fill(256), [...x].fill(NaN)]) {
  assert.throws(() => streams[0].run(wrong), RangeError);
}
const { decision } = streams[0];
console.log(JSON.stringify({ y: [...y], decision, labels: net.LABELS, names: Object.keys(net) }));
"""


def unpacked(built: Built, folder: Path) -> Path:
    """The package where Node looks for it."""
    name, raw = npm.pack(Contents.of(built("wasm32")))
    assert name == "conv3-0.1.0.tgz"
    with tarfile.open(fileobj=BytesIO(raw)) as archive:
        archive.extractall(folder, filter="data")
    (folder / "node_modules").mkdir()
    return (folder / "package").rename(folder / "node_modules" / "conv3")


def test_javascript_gets_the_outputs_of_the_reference(
    built: Built, network: Network, words: Words, tmp_path: Path
) -> None:
    package = unpacked(built, tmp_path)
    x, want = words
    (tmp_path / "use.mjs").write_text(USE.replace("NAME", "conv3"))
    node = (str(shutil.which("node")), str(tmp_path / "use.mjs"))
    typed = json.dumps(x.ravel().astype(int).tolist())
    done = subprocess.run(node, input=typed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    np.testing.assert_array_equal(np.array(found["y"], np.float32), want.ravel())
    assert tuple(found["labels"]) == network.labels
    assert found["decision"] == decide(network.readout.decision, want[:, None])[0]
    types = (package / "index.d.ts").read_text()
    assert all(f" {name}" in types for name in found["names"])
    described = json.loads((package / "package.json").read_text())
    assert {*described["files"], "package.json", "README.md"} == {p.name for p in package.iterdir()}


def test_what_is_no_webassembly_is_refused(built: Built) -> None:
    with refusal(UnsupportedError, "holds no WebAssembly for npm; build it for wasm32", 4):
        npm.pack(Contents.of(built("portable_c")))


def test_what_takes_sound_is_refused(listening: Built) -> None:
    with refusal(UnsupportedError, "a front end, and an npm package takes spikes alone", 4):
        npm.pack(Contents.of(listening("wasm32")))


def test_names_of_node_are_refused(built: Built) -> None:
    """`import` would give Node's own module."""
    program = (
        "console.log(require('module').builtinModules.filter(m => /^[a-z]\\w*$/i.test(m)).join())"
    )
    node = (str(shutil.which("node")), "-e", program)
    known = (
        subprocess.run(node, capture_output=True, text=True, check=True).stdout.strip().split(",")
    )
    assert {*known} <= npm.NODES_OWN
    artifact = built("wasm32")
    named = replace(artifact, manifest=replace(artifact.manifest, name="Net"))
    with refusal(UnsupportedError, "'Net': Node has that name; .* another --name", 4):
        npm.pack(Contents.of(named))
