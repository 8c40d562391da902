"""The C around the kernels: exact tables, a strict header, a self-test that notices one bit."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from conftest import Compile

from delrec_compile.artifact.host_library import compile_library
from delrec_compile.compiler import glue
from delrec_compile.compiler import tables as tables_of_c
from delrec_compile.compiler.tables import c_array
from delrec_compile.errors import CompilerCrash
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.ops.readout import DECISIONS, decide
from delrec_compile.system.toolchain import run_cc

NETWORK = "conv3"


@pytest.mark.parametrize("at", [0, 100, -1])
def test_the_self_test_notices_other_outputs(
    at: int, compiled: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One recorded output is moved by its last bit."""
    golden = glue._golden

    def moved(network: Any) -> dict[str, Any]:
        facts = golden(network)
        values = np.array(
            [float.fromhex(v[:-1]) for v in facts["output"].replace(",", " ").split()]
        )
        values = values.astype(np.float32)
        values[at] = np.nextafter(values[at], np.float32(np.inf))
        return {**facts, "output": c_array(values)}

    network = cases.network(NETWORK)
    assert compiled(network).self_test()
    monkeypatch.setattr(glue, "_golden", moved)
    assert not compiled(replace(network, notes={"spoilt": at})).self_test()


@pytest.mark.parametrize(
    ("target", "numeric"), [("x86_64", "float32"), ("x86_64", "int8"), ("portable_c", "float32")]
)
def test_the_self_test_names_the_table_of_every_flipped_bit(
    target: str,
    numeric: str,
    compiled: Compile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables: list[bytes] = []
    checksum = tables_of_c.crc
    monkeypatch.setattr(tables_of_c, "crc", lambda t: (tables.append(t.tobytes()), checksum(t))[1])
    network = replace(cases.network("mixed"), notes={"flipped": target})
    artifact = compiled(network, target=target, numeric=numeric).artifact
    library = artifact.library or compile_library(artifact.path, "mixed", tmp_path)
    raw = library.read_bytes()
    assert ctypes.CDLL(str(library)).mixed_self_test() == 0
    rng = np.random.default_rng(0)
    seen = 0
    for i, table in enumerate(tables):
        start = raw.find(table)
        if len(table) < 16 or raw.count(table) != 1:
            continue  # too short to be found, or the same as another
        for bit in {0, 8 * len(table) - 1, *rng.integers(0, 8 * len(table), 8).tolist()}:
            flipped = bytearray(raw)
            flipped[start + bit // 8] ^= 1 << bit % 8
            copy = tmp_path / f"{i}-{bit}.so"
            copy.write_bytes(flipped)
            assert ctypes.CDLL(str(copy)).mixed_self_test() == 2 + i, (i, bit)
            seen += 1
    assert seen >= 40


def test_a_header_names_the_populations_of_a_graph() -> None:
    names = glue._names(cases.network("graph_shared"))
    assert names["fired"].startswith("population after population: first [9], maps [18], ")
    assert names["readouts"] == [
        {"macro": "SUM", "size": 4, "at": 0},
        {"macro": "NOW", "size": 2, "at": 4},
    ]
    assert glue._names(cases.network("graph_maps"))["readouts"] == []
    for network in (cases.network("conv3"), quantise(cases.network("conv3"), "int8")):
        assert glue._names(network)["fired"] == "layer after layer"
    whole = quantise(cases.network("graph_shared"), "int8")
    assert glue._names(whole) == names


def rules(folder: Path, **variables: Any) -> ctypes.CDLL:
    """The calls that make a class, without a network."""
    own = {"name": "net", "macro": "NET", "outputs": 7, "classes": 5, "labels": [], "visible": ""}
    templates = {"{name}.h": "decide.h.in", "{name}.c": "decide.c.in"}
    files = glue.render_files(templates, {**own, **variables})
    head = "#include <float.h>\n#include <stddef.h>\n#include <stdint.h>\n"
    (folder / "net.c").write_text(head + files["net.h"] + files["net.c"])
    strict = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2", "-ffp-contract=off")
    run_cc(*strict, "-shared", "-fPIC", folder / "net.c", "-o", folder / "net.so")
    return ctypes.CDLL(str(folder / "net.so"))


@pytest.mark.parametrize("decision", DECISIONS)
def test_the_class_in_c_is_that_of_the_reference_after_each_step(
    decision: str, tmp_path: Path
) -> None:
    library = rules(tmp_path, decision=decision)
    rng = np.random.default_rng(1)
    for scale in (0.0, 1e-3, 3.0, 300.0, 1e30):
        y = (scale * rng.normal(size=(40, 7))).astype(np.float32)
        if decision == "max":
            y = -np.abs(y)
        score = (ctypes.c_double * 16)()  # more than its struct
        for t in range(len(y)):
            at = y[t].ctypes.data_as(ctypes.c_void_p)
            want = decide(decision, y[: t + 1, None, :5])[0]
            assert library.net_decide(score, at) == want, (scale, t)
    assert library.net_decide(None, at) == library.net_decide(score, None) == -1


@pytest.mark.parametrize("decision", DECISIONS)
def test_no_class_is_made_of_sums_in_a_double_of_32_bits(decision: str, tmp_path: Path) -> None:
    """As avr-gcc's is: a softmax by the bits of a double would be 0 of 0, a sum would lose its end."""
    rules(tmp_path, decision=decision)  # the text
    narrow = "#include <float.h>\n#undef DBL_MANT_DIG\n#define DBL_MANT_DIG 24\n"
    user = "int32_t use(net_score *s, const float *y);\n"
    user += "int32_t use(net_score *s, const float *y) { return net_decide(s, y); }\n"
    path, strict = tmp_path / "narrow.c", ("-std=c99", "-Wall", "-Wextra", "-Werror", "-c")
    text = (tmp_path / "net.c").read_text().removeprefix("#include <float.h>\n")
    path.write_text(narrow + text)
    run_cc(*strict, path, "-o", tmp_path / "net.o")
    path.write_text(narrow + text + user)
    if decision in ("last", "max"):  # of floats alone
        run_cc(*strict, path, "-o", tmp_path / "use.o")
        return
    with pytest.raises(CompilerCrash, match="net_decide_needs_a_double_of_64_bits"):
        run_cc(*strict, path, "-o", tmp_path / "use.o")


def test_labels_are_those_of_the_network_in_any_letters(tmp_path: Path) -> None:
    labels = ["null", "f\u00fcnf", 'a"b\\', "\u96f63", "what??/"]
    library = rules(
        tmp_path, decision="last", labels=[tables_of_c.c_string(label) for label in labels]
    )
    library.net_label.restype = ctypes.c_char_p
    assert [library.net_label(k).decode() for k in range(5)] == labels
    assert library.net_label(-1) is library.net_label(5) is None
    named = replace(cases.network(NETWORK), labels=())
    assert glue._classes(named)["labels"] == []
    graph = cases.network("graph_shared")
    assert glue._classes(graph)["classes"] == 4
    assert glue._classes(quantise(graph, "int8")) == glue._classes(graph)
