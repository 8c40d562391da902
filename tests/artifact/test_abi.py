"""Names and state of the C interface."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from delrec_compile import targets
from delrec_compile.artifact.abi import (
    TAKEN,
    Header,
    StateTensor,
    StateVariable,
    artifact_name,
    c_name,
    checked_name,
    state_from_json,
)
from delrec_compile.errors import UsageError


@pytest.mark.parametrize(
    ("text", "name"), [("net", "net"), ("a-b.c", "a_b_c"), ("2d", "n_2d"), ("", "n_"), ("é", "_")]
)
def test_a_name_is_a_c_identifier(text: str, name: str) -> None:
    assert c_name(text) == name
    assert name.isidentifier()


def test_state_is_in_memory_order() -> None:
    data = {
        "a": {"elements": 2, "dtype": "float32", "offset": 64},
        "b": {"elements": 16, "dtype": "int16", "offset": 0},
    }
    state = state_from_json(data, StateVariable)
    assert [(v.name, v.offset, v.bytes) for v in state] == [("b", 0, 32), ("a", 64, 8)]
    assert {v.name: v.to_json() for v in state} == data


def test_a_tensor_has_no_offset() -> None:
    assert StateTensor("h", 3, "int64").to_json() == {"elements": 3, "dtype": "int64"}
    with pytest.raises(ValueError, match="key 'elements' is '3'; an integer is required"):
        StateTensor("h", "3", "int64")  # type: ignore[arg-type]


STRUCT = """
#define NET_INPUTS 14
#define NET_DT_MS 2.5
#define NETWORK_INPUTS 15
typedef struct net_state {
    PREFIXfloat l0_v[3];
    PREFIXuint8_t l0_ring[5];
    PREFIXint32_t clock[1];
} net_state;
int net_run(net_state *state, const float *x, int32_t steps, float *y);
"""


@pytest.mark.parametrize(
    ("prefix", "offsets"), [("", [0, 12, 20]), ("NET_H_ALIGNED ", [0, 64, 128])]
)
def test_a_header_tells_sizes_and_offsets(prefix: str, offsets: list[int]) -> None:
    header = Header.parse(STRUCT.replace("PREFIX", prefix), "net")
    assert header.constants == {"INPUTS": 14, "DT_MS": 2.5}
    assert header.counts == "float"
    assert [v.offset for v in header.state] == offsets
    assert [(v.name, v.elements, v.dtype) for v in header.state] == [
        ("l0_v", 3, "float32"),
        ("l0_ring", 5, "uint8"),
        ("clock", 1, "int32"),
    ]
    assert Header.parse("", "net") == Header({}, (), "")


@pytest.mark.parametrize(
    ("network", "name"),
    [("kitchen", "kitchen"), ("best.epoch-3", "best_epoch_3"), ("test", "n_test"), ("3x", "n_3x")],
)
def test_an_artifact_is_named_after_its_network(network: str, name: str) -> None:
    assert artifact_name(network) == name
    assert artifact_name(network, "bath") == "bath"


def test_names_that_are_too_long_or_taken_are_refused() -> None:
    for refused, message in (
        ("a" * 300, "aaaaaaaaaaaaaaaaaaaa... of 300 letters"),
        ("pthread", "C, CMake or the linker has that name"),
        ("Signal", "C, CMake or the linker has that name"),
        ("a-b", "a letter, then letters, digits and _ are required"),
    ):
        with pytest.raises(UsageError, match=message):
            checked_name(refused)
    with pytest.raises(UsageError, match=r"has 300 letters; at most 64 are allowed: .*--name"):
        artifact_name("a" * 300)


def test_no_artifact_is_named_as_a_header_that_its_files_include() -> None:
    """Its folder of headers comes first: <float.h> would be its own."""
    texts = "".join(path.read_text() for path in Path(targets.__file__).parent.glob("*.in"))
    included = set(re.findall(r"#include <(\w+)\.h>", texts))
    assert {"stdint", "float", "string", "stddef"} <= included <= TAKEN
    assert artifact_name("float") == "n_float"
