"""Emulated cores: the same bits as the host, exact and repeatable counts, typed errors."""

from __future__ import annotations

import ctypes
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("unicorn")
pytest.importorskip("wasmtime")
pytest.importorskip("ziglang")

import unicorn
from fixtures.programs import BOARD, NAMES, SOURCE, J, N, Stream, inputs, one_line, weights
from unicorn import UC_PROT_EXEC, UC_PROT_READ, UC_PROT_WRITE

from delrec_compile.errors import (
    BudgetError,
    DeviceError,
    InputError,
    UnsupportedError,
)
from delrec_compile.runners.emulated.image import EXECUTE, WRITE, Image, Segment
from delrec_compile.runners.emulated.open import HOW, open_machine
from delrec_compile.runners.emulated.processor import PAGE, Processor, _pages, _why
from delrec_compile.system import child, toolchain
from delrec_compile.system.chips import CORES, MemoryMap, Region
from delrec_compile.system.zig import compile_c, link_bare

# emulated core -> how it is compiled
BUILDS = {
    **{c: c for c in HOW if c in CORES},
    "cortex_m55": "cortex_m33",
}
Built = Callable[[str], Path]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """`built(core of cross)`: the program linked for it, once."""
    folder = tmp_path_factory.mktemp("emulate")
    source = folder / "demo.c"
    source.write_text(SOURCE)

    def make(build: str) -> Path:
        core = CORES[build]
        if build == "wasm32":
            out = folder / "demo.wasm"
            flags = [f"-Wl,--export={name}" for name in NAMES]
            return out if out.exists() else compile_c([source], out, core.triple, core.cpu, flags)
        out = folder / f"{build}.elf"
        if not out.exists():
            thing = compile_c([source], folder / f"{build}.o", core.triple, core.cpu)
            link_bare([thing], out, BOARD, core.triple, core.cpu, keep=NAMES)
        return out

    return make


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("host")
    (folder / "demo.c").write_text(SOURCE)
    library = folder / "demo.so"
    flags = ("-std=c11", "-O2", "-ffp-contract=off", "-shared", "-fPIC")
    toolchain.run_cc(*flags, folder / "demo.c", "-o", library)
    return ctypes.CDLL(str(library))


def on_host(library: ctypes.CDLL) -> list[tuple[int, bytes, bytes]]:
    raw = ctypes.create_string_buffer(12 * N + 96)
    at = -ctypes.addressof(raw) % 64
    state = ctypes.byref(raw, at)
    w, y = np.ascontiguousarray(weights()), np.zeros(N, np.float32)
    library.demo_reset(state)
    seen = []
    for x in inputs():
        args = (state, x.ctypes, J, w.ctypes, y.ctypes, -3000)
        pointers = [ctypes.c_void_p(a.data) if hasattr(a, "data") else a for a in args]
        fired = library.demo_step(*pointers)
        seen.append((fired, y.tobytes(), raw.raw[at : at + 12 * N]))
    return seen


@pytest.mark.parametrize("core", BUILDS)
def test_a_core_gives_the_bits_of_the_host(core: str, built: Built, host: ctypes.CDLL) -> None:
    memory = None if core in {"wasm32", "aarch64", "armv7"} else BOARD
    stream = Stream(open_machine(built(BUILDS[core]), core, memory))
    seen = [stream.step(x) for x in inputs()]
    assert [(c.result, y, s) for c, y, s in seen] == on_host(host)
    assert stream.machine.call("demo_calls").result == len(seen)
    assert all(c.instructions > 500 for c, _, _ in seen)
    assert len({seen[0][2], seen[1][2]}) == 2


@pytest.mark.parametrize("core", BUILDS)
def test_counts_repeat_and_grow_with_the_work(core: str, built: Built) -> None:
    empty, full = np.zeros(J, np.uint8), np.ones(J, np.uint8)
    half = full.copy()
    half[::2] = 0
    runs = []
    for _ in range(2):
        stream = Stream(open_machine(built(BUILDS[core]), core, None))
        runs.append([stream.step(x)[0] for x in (empty, half, full, full)])
    assert runs[0] == runs[1]
    low, middle, high = (c.instructions for c in runs[0][:3])
    assert low < middle < high
    if core not in {"cortex_m0plus", "cortex_m3"}:  # soft float: as many as the numbers need
        assert abs((middle - low) - (high - middle)) <= 0.02 * high


@pytest.mark.parametrize("core", [c for c in BUILDS if c != "wasm32"])
def test_blocks_count_what_single_instructions_do(core: str, built: Built) -> None:
    """The quick count is the slow one at each address, callees included.

    The slow one leaves out what an IT block skips; there it is the count of the IT itself.
    """
    elf, seen, counts = built(BUILDS[core]), [], []
    for slow in (False, True):
        machine = Processor(elf, core, None, 60, per_instruction=slow)
        stream = Stream(machine)
        calls, times = 0, Counter[int]()
        for x in inputs(3):
            calls += stream.step(x)[0].instructions
            times += by_address(machine)
            assert sum(machine.profile().values()) == sum(by_address(machine).values())
        seen.append(times)
        counts.append(calls)
    quick, slowly = seen
    if core.startswith("cortex"):
        for address in sorted(slowly):
            for skipped in it_block(machine, address):
                slowly[skipped] = slowly[address]
    assert quick == slowly
    assert counts[0] == sum(slowly.values())
    if not core.startswith("cortex") or core == "cortex_m0plus":
        assert counts[0] == counts[1]


@pytest.mark.parametrize("core", ["cortex_m4", "aarch64", "rv32imac"])
def test_counting_stops_and_starts(core: str, built: Built) -> None:
    """The same bits and counts, whatever was translated before."""
    x, seen = np.ones(J, np.uint8), []
    for counting in ((True,) * 4, (True, False, False, True), (False, True, False, True)):
        stream = Stream(open_machine(built(core), core, None))
        steps = []
        for wanted in counting:
            stream.machine.counting = wanted
            assert stream.machine.counting is wanted
            call, y, state = stream.step(x)
            steps.append((call.result, call.stack_bytes, y, state))
            assert bool(call.instructions) is wanted
        seen.append((steps, call.instructions))
    assert seen[0] == seen[1] == seen[2]


def by_address(machine: Processor) -> Counter[int]:
    """How often each instruction ran in the last call."""
    times = Counter[int]()
    for (start, size), n in machine._hits.items():
        code, at = machine.read(start, size), 0
        while at < size:
            times[start + at] += n
            at += step(machine, code, at)
    return times


def step(machine: Processor, code: bytes, at: int) -> int:
    """Bytes of the instruction at an offset."""
    if machine.core.startswith("cortex"):
        return 4 if code[at + 1] >> 3 >= 0b11101 else 2
    if machine.core.startswith(("rv32", "riscv")):
        return 4 if code[at] & 3 == 3 else 2
    return 4


def it_block(machine: Processor, address: int) -> list[int]:
    """The instructions whose condition an IT at this address sets."""
    low, high = machine.read(address, 2)
    if high != 0xBF or not low & 15:
        return []
    number = 4 - ((low & -low).bit_length() - 1)
    found, at = [], address + 2
    for _ in range(number):
        found.append(at)
        at += step(machine, machine.read(at, 2), 0)
    return found


@pytest.mark.parametrize("core", BUILDS)
def test_the_stack_is_measured(core: str, built: Built) -> None:
    machine = open_machine(built(BUILDS[core]), core)
    shallow, deep = (machine.call("demo_deep", n).stack_bytes for n in (1, 11))
    assert 640 <= deep - shallow <= 2000
    assert machine.call("demo_deep", 1).stack_bytes == shallow


def test_a_stack_that_meets_the_variables_is_an_error(built: Built) -> None:
    machine = open_machine(built("cortex_m4"), "cortex_m4", BOARD)
    with pytest.raises(DeviceError, match=r"demo_deep (overran its stack|crashed at 0x8)"):
        machine.call("demo_deep", 100_000)


@pytest.mark.parametrize(
    ("core", "address", "why"),
    [
        ("cortex_m0plus", 0x20004000, "write outside of memory: 1 bytes at 0x20004000"),
        ("cortex_m4", 0x08000000, "write to read-only memory: 1 bytes at 0x8000000"),
        ("cortex_m7", 0x0, "write outside of memory: 1 bytes at 0x0"),
        ("aarch64", 0x1000, "write outside of memory: 1 bytes at 0x1000"),
        ("rv32imac", 0x1000, "write outside of memory: 1 bytes at 0x1000"),
        ("wasm32", 0xFFFFFF00, "out of bounds memory access"),
    ],
)
def test_an_access_outside_of_memory_names_the_function(
    core: str, address: int, why: str, built: Built
) -> None:
    memory = BOARD if core.startswith("cortex") else None
    machine = open_machine(built(BUILDS[core]), core, memory)
    with pytest.raises(DeviceError, match="demo_poke crashed at 0x") as caught:
        machine.call("demo_poke", address)
    assert one_line(caught.value).endswith(why)
    assert "in demo_poke" in str(caught.value) or core == "wasm32"
    assert machine.call("demo_deep", 1).instructions > 0


@pytest.mark.parametrize("core", ["cortex_m4", "aarch64", "wasm32"])
def test_an_endless_loop_ends(core: str, built: Built) -> None:
    machine = open_machine(built(core), core, timeout_s=0.3)
    start = time.monotonic()
    with pytest.raises(DeviceError, match=r"demo_spin took more than 0.3 s in the emulator") as e:
        machine.call("demo_spin")
    assert time.monotonic() - start < 5
    one_line(e.value)
    assert machine.call("demo_deep", 1).instructions > 0


@pytest.mark.parametrize("core", ["cortex_m4", "wasm32"])
def test_names_and_addresses_are_checked(core: str, built: Built) -> None:
    machine = open_machine(built(core), core, None)
    with pytest.raises(UnsupportedError, match="'demo_stop'; did you mean 'demo_step'"):
        machine.call("demo_stop")
    for work in (lambda: machine.read(0x7FFF0000, 4), lambda: machine.write(0x7FFF0000, b"abcd")):
        with pytest.raises(DeviceError, match=r"cannot \w+ 4 bytes at 0x7fff0000"):
            work()


def test_a_full_ram_is_a_budget_error(built: Built) -> None:
    machine = open_machine(built("cortex_m3"), "cortex_m3", BOARD)
    assert machine.alloc(8000) % 64 == 0
    with pytest.raises(BudgetError, match=r"no room for 8000 bytes in the RAM of a board: \d+"):
        machine.alloc(8000)


def test_a_program_elsewhere_is_refused(built: Built, tmp_path: Path) -> None:
    elf = built("cortex_m4")
    other = MemoryMap("another board", Region(0x0, 128 << 10), Region(0x20000000, 4096))
    odd = MemoryMap("an odd board", Region(0x08000010, 128 << 10), Region(0x20000000, 4096))
    with pytest.raises(InputError, match=r"wants .* where another board has no memory"):
        open_machine(elf, "cortex_m4", other)
    with pytest.raises(InputError, match="must start at a multiple of 4096"):
        open_machine(elf, "cortex_m4", odd)
    with pytest.raises(InputError, match="is code for EM_ARM, not for rv32imac"):
        open_machine(elf, "rv32imac")
    junk = tmp_path / "junk.elf"
    junk.write_bytes(b"no program")
    for core in ("cortex_m4", "wasm32"):
        with pytest.raises(InputError, match=r"junk\.elf"):
            open_machine(junk, core)


def test_vector_code_of_the_m55_says_what_runs_it(built: Built) -> None:
    machine = open_machine(built("cortex_m55"), "cortex_m55", BOARD)
    with pytest.raises(DeviceError, match="needs qemu-system-arm, or a build for cortex_m33"):
        Stream(machine).step(np.ones(J, np.uint8))


def in_child(elf: str, core: str, symbol: str) -> int:
    """What a child does: opens a machine and calls."""
    return open_machine(Path(elf), core, timeout_s=1).call(symbol, 3).instructions


def test_a_machine_in_a_child(built: Built) -> None:
    here = in_child(str(built("cortex_m4")), "cortex_m4", "demo_deep")
    there = {"elf": str(built("cortex_m4")), "core": "cortex_m4", "timeout_s": 60}
    name = f"{__name__}:in_child"
    assert child.call(name, symbol="demo_deep", **there) == here
    with pytest.raises(DeviceError, match="demo_spin took more than 1 s"):
        child.call(name, symbol="demo_spin", **there)


def test_a_stack_that_fills_what_is_free_overran(built: Built) -> None:
    """It meets what was allocated, which is memory too: nothing crashes."""
    machine = open_machine(built("cortex_m4"), "cortex_m4", BOARD)
    shallow, deep = (machine.call("demo_deep", n).stack_bytes for n in (1, 11))
    machine.alloc(8_000)
    levels = 12_000 // ((deep - shallow) // 10)  # of 16 KB
    with pytest.raises(DeviceError, match=r"demo_deep overran its stack: it used all \d+ bytes"):
        machine.call("demo_deep", levels)


def test_only_the_m55_is_told_of_vector_code() -> None:
    unknown = unicorn.UcError(unicorn.UC_ERR_INSN_INVALID)
    late = unicorn.UcError(unicorn.UC_ERR_WRITE_UNMAPPED)
    assert "vector (MVE) code" in _why(unknown, "cortex_m55")
    for why in (_why(unknown, "cortex_m4"), _why(late, "cortex_m55")):
        assert "vector" not in why
        assert "(" not in why, "without the number"


def test_neighbouring_pages_of_equal_rights_are_one_region() -> None:
    def pages(*parts: tuple[int, int, int]) -> dict[Region, int]:
        segments = tuple(Segment(at, at, b"", size, flags) for at, size, flags in parts)
        return _pages(Image(Path("a"), "EM_ARM", segments, {}))

    code, data = UC_PROT_READ | UC_PROT_EXEC, UC_PROT_READ | UC_PROT_WRITE
    assert pages((0, 3 * PAGE + 1, EXECUTE), (4 * PAGE, 1, WRITE), (9 * PAGE, 1, WRITE)) == {
        Region(0, 4 * PAGE): code,
        Region(4 * PAGE, PAGE): data,
        Region(9 * PAGE, PAGE): data,
    }
    assert pages((0, 10, EXECUTE), (100, 10, WRITE)) == {Region(0, PAGE): code | data}
    assert pages() == {}
