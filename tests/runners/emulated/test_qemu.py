"""Emulated boards: start-up code, self-tests, faults, and names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytest.importorskip("ziglang")
pytest.importorskip("unicorn")

from fixtures.boards import run_self_test
from fixtures.programs import demo

from delrec_compile.errors import DeviceError, ToolchainError, UnsupportedError
from delrec_compile.runners.emulated import qemu
from delrec_compile.runners.emulated.open import open_machine
from delrec_compile.system import toolchain
from delrec_compile.system.chips import CORES, MemoryMap, Region
from delrec_compile.system.zig import compile_c

# the program as one self-test, golden vectors included
GOLDEN = """
int self_test(void)
{
    static state s;
    static uint8_t x[40];
    static float w[40 * N], y[N];
    int32_t sum = 0;
    demo_reset(&s);
    for (int j = 0; j < 40; j++) { x[j] = (uint8_t)(j & 1); }
    for (int k = 0; k < 40 * N; k++) { w[k] = 0.01f * (float)(k % 37); }
    for (int t = 0; t < 20; t++) { sum += demo_step(&s, x, 40, w, y, -3000); }
    return sum == EXPECTED ? 0 : 3;
}
"""


@pytest.mark.parametrize("board", qemu.boards())
def test_a_board_passes_its_self_test_and_counts_alike(board: str, tmp_path: Path) -> None:
    """The real start-up code in qemu-system-arm against the function alone in unicorn."""
    if not qemu.available():
        pytest.skip("qemu-system-arm is not installed")
    where = qemu.load_board(board)
    c, things = CORES[where.core], []
    for expected in (host_sum(tmp_path), 1):
        things.append(tmp_path / f"{expected}.o")
        source = demo(tmp_path, GOLDEN)
        compile_c([source], things[-1], c.triple, c.cpu, [f"-DEXPECTED={expected}"])
    passed, instructions = run_self_test([things[0]], "self_test", board, tmp_path)
    assert passed
    assert (instructions is None) == (where.ticks is None)
    if where.core != "cortex_m55":
        alone = open_machine(tmp_path / f"{board}.elf", where.core, where.memory)
        call = alone.call("self_test")
        assert call.result == 0
        if instructions:  # a few instructions read the timer
            assert 0 <= instructions - call.instructions < 40
    assert not run_self_test([things[1]], "self_test", board, tmp_path)[0]


def host_sum(folder: Path) -> int:
    """The sum of the self-test's outputs, on the host."""
    main = GOLDEN.split("return sum")[0].replace("int self_test(", "int main(")
    source = demo(folder, "#include <stdio.h>" + main + 'printf("%d", sum); return 0; }')
    toolchain.run_cc("-std=c11", "-O2", "-ffp-contract=off", source, "-o", folder / "host")
    done = subprocess.run([folder / "host"], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("int self_test(void) { for (;;) { } }", "took more than 1 s"),
        (
            "int self_test(void) { *(volatile int *)0xF0000000 = 1; return 0; }",
            "ended with a fault: fault",
        ),
    ],
)
def test_a_board_that_hangs_or_faults(text: str, why: str, tmp_path: Path) -> None:
    if not qemu.available():
        pytest.skip("qemu-system-arm is not installed")
    c = CORES["cortex_m4"]
    (tmp_path / "t.c").write_text(text)
    thing = compile_c([tmp_path / "t.c"], tmp_path / "t.o", c.triple, c.cpu)
    with pytest.raises(DeviceError, match=f"netduinoplus2.elf on netduinoplus2 {why}"):
        run_self_test([thing], "self_test", "netduinoplus2", tmp_path, timeout_s=1)


def test_boards_are_known_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="'netduino'; did you mean 'netduino2'"):
        qemu.load_board("netduino")
    small = MemoryMap("x", Region(0, 1 << 10), Region(0x20000000, 1 << 10))
    assert qemu.load_board("microbit").memory != small
    assert qemu.load_board("mps3-an547").how == "emulated (qemu-system-arm, mps3-an547)"
    assert {b.core for b in qemu.boards().values()} <= set(CORES)


def test_a_missing_qemu_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match="apt-get install qemu-system-arm"):
        qemu.run_image(tmp_path / "x.elf", "netduinoplus2")


@pytest.mark.parametrize(
    ("code", "said", "message"),
    [
        (1, "qemu-system-arm: no such board", "ended with a fault: qemu-system-arm: no such board"),
        (qemu.FAULT, "HardFault", "ended with a fault: HardFault"),
        (-11, "", "ended with a fault: no message"),
    ],
)
def test_a_program_that_returns_1_is_no_fault(
    code: int, said: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU ends with 1 where it does not start too; then it says so itself."""
    done = subprocess.CompletedProcess([], code, "", said)
    monkeypatch.setattr(qemu, "available", lambda: True)
    monkeypatch.setattr(qemu, "run_program", lambda *_, **__: done)
    board = next(iter(qemu.boards()))
    with pytest.raises(DeviceError, match=message):
        qemu.run_image(Path("a.elf"), board)
    done.returncode, done.stderr = 1, "outputs differ"
    found = qemu.run_image(Path("a.elf"), board)
    assert (found.status, found.output) == (1, "outputs differ")
