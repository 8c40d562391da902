"""Constant tables as C has them: exact numbers, or bytes of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from delrec_compile.compiler import tables
from delrec_compile.compiler.tables import c_array

TABLES = {"a": np.arange(3, dtype=np.int16), "b": np.ones(200, np.float32)}


def test_tables_are_exact_in_c() -> None:
    values = np.random.default_rng(0).normal(size=99).astype(np.float32)
    values[:3] = 0.0, -0.0, np.float32(1e-42)
    text = c_array(values).replace(",", " ").split()
    np.testing.assert_array_equal(
        np.array([float.fromhex(v.removesuffix("f")) for v in text], np.float32), values
    )
    assert c_array(np.array([1, 255], np.uint8)) == "1, 255,"


def test_a_table_is_text_or_a_place_in_a_file() -> None:
    texts = tables.described(TABLES, "net", None)
    assert [(t["name"], t["size"], t["ctype"]) for t in texts] == [
        ("a", 3, "int16_t"),
        ("b", 200, "float"),
    ]
    assert (texts[0]["body"], texts[0]["embedded"]) == ("0, 1, 2,", "")
    for table in tables.described(TABLES, "net", Path('/tmp/a "b"\\c')):
        at, own = table["offset"], TABLES[table["name"]].tobytes()
        assert table["body"] == ""
        assert f".hidden net_{table['name']}" in table["embedded"]
        place = f'.incbin "/tmp/a \\042b\\042\\134c", {at}, {len(own)}'
        assert tables.c_string(place)[1:-1] in table["embedded"]
        assert tables.table_file(TABLES)[at : at + len(own)] == own
