"""Files of NIR graphs: each fault is told by its node, in words of our own."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import refusal

import delrec_compile
from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.interop import hdf5_entries
from delrec_compile.interop.nir import file

nir: Any = pytest.importorskip("nir")
h5py: Any = pytest.importorskip("h5py")


def graph() -> Any:
    conv = nir.Conv1d(4, np.ones((2, 1, 3)), 1, 1, 1, 1, np.zeros(2))
    neurons = nir.IF(r=np.full((2, 4), 1e3), v_threshold=np.ones((2, 4)))
    nodes = {"input": nir.Input(np.array([1, 4])), "conv": conv, "if": neurons}
    nodes["output"] = nir.Output(np.array([2, 4]))
    names = list(nodes)
    edges = list(pairwise(names))
    return nir.NIRGraph(nodes=nodes, edges=edges, type_check=False)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A graph's file, read here rather than in a child."""
    monkeypatch.setattr(hdf5_entries.limited.child, "call", lambda *_, **__: 0)
    nir.write(tmp_path / "a.nir", graph())
    return tmp_path / "a.nir"


def changed(path: Path, change: Any) -> None:
    with h5py.File(path, "a") as held:
        change(held["node"])


def test_a_path_is_read_as_a_graph_is(path: Path) -> None:
    for given in (path, str(path)):
        made = delrec_compile.from_nir(given, dt_ms=1.0)
        assert made.network.layers[0].size == 8
    with refusal(CheckpointError, "no such file", 3):
        delrec_compile.from_nir("nowhere.nir", dt_ms=1.0)
    with refusal(UnsupportedError, "a dict is not a NIR graph", 4):
        delrec_compile.from_nir({}, dt_ms=1.0)


def _unlinked(node: Any) -> None:
    del node["nodes/if"]


def _linked(node: Any) -> None:
    del node["nodes/if/r"]
    node["nodes/if/r"] = h5py.ExternalLink("/etc/hostname", "/r")


def _looped(node: Any) -> None:
    node["nodes/if/again"] = h5py.SoftLink("/node")


def _elsewhere(node: Any) -> None:
    del node["nodes/if/r"]
    node.create_dataset("nodes/if/r", (2,), "f8", external=[("/etc/hostname", 0, 16)])


def _huge(node: Any) -> None:
    del node["nodes/if/r"]
    node.create_dataset("nodes/if/r", (1 << 40,), "f8", chunks=(1 << 10,))


def _no_threshold(node: Any) -> None:
    del node["nodes/if/v_threshold"]


def _unknown(node: Any) -> None:
    del node["nodes/if/type"]
    node["nodes/if/type"] = "Izhikevich"


def _more(node: Any) -> None:
    node["nodes/if/colour"] = 3


def _pairs(node: Any) -> None:
    del node["edges"]
    node["edges"] = np.zeros((2, 3))


def _no_nodes(node: Any) -> None:
    del node["nodes"]


FAULTS = [
    (_unlinked, "an edge goes from 'conv' to 'if', and there is no node 'if'"),
    (_linked, "nodes/if/r is a link"),
    (_looped, "nodes/if/again is a link"),
    (_elsewhere, "nodes/if/r lies in another file"),
    (_huge, "larger than 1 GiB .*nodes/if/r"),
    (_no_threshold, "node 'if', a IF, has no v_threshold"),
    (_unknown, "node 'if' is of an unknown type .Izhikevich."),
    (_more, "node 'if', a IF: unknown entries colour"),
    (_pairs, "an edge that is not a pair of names"),
    (_no_nodes, "has no 'nodes'"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS, ids=[c.__name__[1:] for c, _ in FAULTS])
def test_faults(path: Path, change: Any, message: str) -> None:
    changed(path, change)
    with refusal(CheckpointError, message, 3, path.parent):
        delrec_compile.from_nir(path, dt_ms=1.0)


def test_shapes_that_are_not_needed_may_lack(path: Path) -> None:
    def change(node: Any) -> None:
        del node["nodes/conv/input_shape"]

    changed(path, change)
    assert delrec_compile.from_nir(path, dt_ms=1.0).network.layers[0].size == 8


def test_subgraphs_are_not_checked_by_their_own_types(path: Path) -> None:
    inner = graph()
    outer = nir.NIRGraph(
        nodes={"input": nir.Input(np.array([1, 4])), "sub": inner, "output": inner.nodes["output"]},
        edges=[("input", "sub"), ("sub", "output")],
        type_check=False,
    )
    nir.write(path, outer)

    def change(node: Any) -> None:
        del node["nodes/sub/nodes/input/shape"]
        node["nodes/sub/nodes/input/shape"] = np.array([7])

    changed(path, change)
    assert delrec_compile.from_nir(path, dt_ms=1.0).network.layers[0].size == 8


def test_another_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "b.h5", "w") as held:
        held["spikes"] = np.ones(3)
    with refusal(CheckpointError, "is not a NIR graph: it has no 'node', but spikes", 3):
        file.read(tmp_path / "b.h5")


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ({"nodes": np.ones(3), "edges": []}, "'nodes' is no group of nodes"),
        ({"nodes": {"a": {"type": np.ones(2)}}, "edges": []}, "node 'a' is of an unknown type"),
        ({"nodes": {"a": np.ones(2)}, "edges": []}, "node 'a' is of an unknown type"),
        ({"nodes": {}, "edges": np.float64(3)}, "an edge that is not a pair of names"),
        ({"nodes": {}, "edges": np.ones((2, 3))}, "an edge that is not a pair of names"),
    ],
)
def test_entries_of_another_kind(held: dict[str, Any], why: str) -> None:
    with refusal(CheckpointError, f"a.nir: {why}", 3):
        file.graph_of("a.nir", held)
