"""Ops of other packages."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from delrec_compile.errors import UnsupportedError
from delrec_compile.ops import added
from delrec_compile.ops.lif import Lif
from delrec_compile.ops.neuron import Neuron
from delrec_compile.ops.readout import Readout
from delrec_compile.system import plugins


class Mine(Lif):
    """A kind of its own."""

    kind = "mine"


def register(op: Any, monkeypatch: pytest.MonkeyPatch) -> dict[type, dict[str, Any]]:
    point = EntryPoint("mine", "package:Op", plugins.OPS)
    monkeypatch.setattr(plugins, "loaded", lambda group: [(point, op)])
    tables: dict[type, dict[str, Any]] = {Neuron: {Lif.kind: Lif}, Readout: {}}
    added.register(tables)
    return tables


def test_a_class_is_in_the_table_of_its_base(monkeypatch: pytest.MonkeyPatch) -> None:
    assert register(Mine, monkeypatch) == {Neuron: {"lif": Lif, "mine": Mine}, Readout: {}}


@pytest.mark.parametrize("op", [Lif, int, "text"])
def test_what_is_no_new_op_is_refused(op: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnsupportedError, match="package package, entry point 'mine'"):
        register(op, monkeypatch)


def test_an_op_that_lacks_parts_is_named_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every command would end in an error that names nothing."""
    kinds = {"kind": "half", "onnx": ()}
    half = type("Half", (Neuron,), kinds)
    with pytest.raises(UnsupportedError, match=r"'mine' of .*: Half lacks .*nodes, .*reference"):
        register(half, monkeypatch)
    with pytest.raises(UnsupportedError, match=r"the kind None is no new name"):
        register(type("Nameless", (Readout,), {}), monkeypatch)
