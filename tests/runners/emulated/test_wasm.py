"""WebAssembly modules in wasmtime."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import refusal

pytest.importorskip("ziglang")
pytest.importorskip("wasmtime")

from delrec_compile.errors import DeviceError, InputError, UnsupportedError
from delrec_compile.runners.emulated.wasm import WasmMachine
from delrec_compile.system.chips import CORES
from delrec_compile.system.zig import compile_c

SOURCE = """
int cell = 41;
int add(int a) { return cell + a; }
int write(int *p, int v) { *p = v; return 0; }
int deep(int n)
{
    volatile char room[512];
    room[n & 511] = 1;
    return room[n & 511] + (n ? deep(n - 1) : 0);
}
int spin(void) { for (;;) { __asm__ volatile(""); } }
int trap(void) { __builtin_trap(); }
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> WasmMachine:
    folder, core = tmp_path_factory.mktemp("wasm"), CORES["wasm32"]
    (folder / "x.c").write_text(SOURCE)
    names = ("cell", "add", "write", "deep", "spin", "trap")
    flags = [f"-Wl,--export={name}" for name in names]
    out = compile_c([folder / "x.c"], folder / "x.wasm", core.triple, core.cpu, flags)
    return WasmMachine(out, timeout_s=0.5)


def test_calls_memory_and_counts(machine: WasmMachine) -> None:
    once = machine.call("add", 1)
    assert (once.result, machine.call("add", -43).result) == (42, -2)
    assert 0 < once.instructions < 50
    assert machine.call("add", 1).instructions == once.instructions
    room = machine.alloc(100)
    assert room % 64 == 0
    assert machine.read(room, 100) == bytes(100)
    machine.call("write", room + 4, -1)
    assert machine.read(room, 8) == bytes(4) + b"\xff" * 4
    assert machine.alloc(1 << 20) > room
    machine.write(machine.address("cell"), (1).to_bytes(4, "little"))
    assert machine.call("add", 1).result == 2


def test_the_stack_is_measured(machine: WasmMachine) -> None:
    assert machine.call("add", 1).stack_bytes < 64
    assert 5 * 512 <= machine.call("deep", 4).stack_bytes < 6 * 600


def test_what_goes_wrong_is_one_line(machine: WasmMachine, tmp_path: Path) -> None:
    with refusal(DeviceError, "spin took more than 0.5 s in the emulator", 8):
        machine.call("spin")
    with refusal(DeviceError, "trap crashed at .*unreachable", 8):
        machine.call("trap")
    with refusal(DeviceError, "cannot read 4 bytes at .*: outside of memory", 8):
        machine.read(1 << 31, 4)
    with refusal(UnsupportedError, "exports no 'ad'; did you mean 'add'", 4):
        machine.call("ad")
    with refusal(UnsupportedError, "'cell' of .* is not a function", 4):
        machine.call("cell")
    with refusal(UnsupportedError, "'add' of .* is not a variable", 4):
        machine.address("add")
    (tmp_path / "x.wasm").write_bytes(b"junk")
    with refusal(InputError, "is not a WebAssembly module", 3):
        WasmMachine(tmp_path / "x.wasm", 1)
