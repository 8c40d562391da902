"""Shares of flash and RAM, and which chips a program is compared with."""

from __future__ import annotations

from delrec_compile import targets
from delrec_compile.evaluation.page.memory import (
    at_least,
    chips,
    of_core,
    of_programs,
    programs_of,
)


def test_a_program_is_compared_with_the_chips_of_its_core() -> None:
    names = {t.name for t in of_core("cortex_m4")}
    assert {"nrf52840", "cortex_m4"} <= names
    assert not {"stm32h7", "cortex_m3"} & names
    bars = of_programs([("cortex_m4", "cortex_m4", 512 * 1024, 192 * 1024)])
    assert bars is not None
    rows = {bar.detail.partition(";")[0]: bar for bar in bars.rows}
    assert rows["nrf52840"].at == 50  # of 1 MB
    own = rows["cortex_m4"]
    assert own.second is not None
    assert own.second.at == 100  # 192 of 128 KB
    assert own.second.kind == "over"
    assert own.second.value == "RAM 192.0 KB of 128.0 KB, 150%"
    assert own.detail == "cortex_m4; too large: RAM"
    assert of_programs([("x86_64", None, 1, 1)]) is None


def test_every_chip_stands_once() -> None:
    memories = [t.memory for t in chips()]
    assert len(memories) == len(set(memories))
    profiles = [targets.load(n) for n in (*targets.names(), *targets.board_names())]
    assert set(memories) == {t.memory for t in profiles if t.memory}
    assert len(at_least(1000, 10).rows) == len(memories)


def test_programs_of_a_comparison() -> None:
    row = {"target": "cortex_m3", "numeric": "int8", "flash_bytes": 10, "ram_bytes": 2}
    rows = [row, {**row, "flash_bytes": None}, {**row, "target": "my_own"}]
    assert programs_of(rows) == [("cortex_m3 int8", "cortex_m3", 10, 2)]
