"""A processor with its memory, in unicorn (QEMU's processors as a library)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import unicorn
from unicorn import UC_PROT_EXEC, UC_PROT_READ, UC_PROT_WRITE

from delrec_compile.errors import BudgetError, DeviceError, InputError
from delrec_compile.runners.emulated.image import EXECUTE, WRITE, Image, read_image
from delrec_compile.runners.emulated.isa import count_thumb, isa_of
from delrec_compile.runners.emulated.machine import Call
from delrec_compile.system.chips import MemoryMap, Region

PAGE = 4096
RAM = Region(0x40000000, 64 << 20)  # without a memory map
RESERVE = 64 << 10  # of it, for the stack
WINDOW = 64 << 10  # bytes of stack that are watched
PAINT = b"\xa5"
STOPS = (0x30F00000, 0x50F00000, 0x0FF00000)  # a return address where nothing lies
ACCESS = {
    unicorn.UC_MEM_READ_UNMAPPED: "read outside of memory",
    unicorn.UC_MEM_WRITE_UNMAPPED: "write outside of memory",
    unicorn.UC_MEM_FETCH_UNMAPPED: "jump outside of memory",
    unicorn.UC_MEM_READ_PROT: "read of memory without read permission",
    unicorn.UC_MEM_WRITE_PROT: "write to read-only memory",
    unicorn.UC_MEM_FETCH_PROT: "jump into data",
}


class Processor:
    """A `Machine` for Cortex-M, ARM, AArch64 and RISC-V.

    An instruction that its condition skips (IT block) counts as one: it passes the pipeline. cpu:
    LLVM's name of one that the core's emulator should be. per_instruction: count one by one, without
    those; for checking the count, 20 times slower.
    """

    def __init__(
        self,
        elf: Path,
        core: str,
        memory: MemoryMap | None,
        timeout_s: float,
        per_instruction: bool = False,
        cpu: str = "",
    ) -> None:
        self.image, self.isa, self.core = read_image(elf), isa_of(core, cpu), core
        if self.image.machine != self.isa.machine:
            raise InputError(f"{elf} is code for {self.image.machine}, not for {core}")
        self.timeout_s = timeout_s
        self._uc = unicorn.Uc(self.isa.arch, self.isa.mode)
        self._uc.ctl_set_cpu_model(self.isa.model)
        regions = self._map(memory)
        self._stop = next(s for s in STOPS if not any(r.origin <= s < r.end for r in regions))
        ram, self._ram_name = (memory.ram, memory.name) if memory else (RAM, "the emulator")
        self._uc.mem_map(self._stop, PAGE, UC_PROT_EXEC)  # RISC-V looks at it before it stops
        self._top = ram.end & ~15
        self._floor = self._top - (memory.stack if memory else RESERVE)
        used = [s.end for s in self.image.segments if ram.origin <= s.address < ram.end]
        # a program of `zig.link_bare` names the end of its variables; its stack lies above
        end = self.image.symbols.get("__bss_end__", 0)
        inside = ram.origin <= end < ram.end
        self._free = end if inside else max(used, default=ram.origin)
        for register, value in self.isa.setup.items():
            self._uc.reg_write(register, self._uc.reg_read(register) | value)
        self._painted = self._top
        self._fault = ""
        self._hits: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._lengths: dict[tuple[int, int], int] = {}
        self._counter: Any = None
        self._unit = unicorn.UC_HOOK_CODE if per_instruction else unicorn.UC_HOOK_BLOCK
        self._watch()
        self.counting = True

    def _map(self, memory: MemoryMap | None) -> list[Region]:
        """Maps the memory and loads the image; returns the mapped regions."""
        if memory:
            spans = {memory.flash: UC_PROT_READ | UC_PROT_EXEC}
            spans[memory.ram] = UC_PROT_READ | UC_PROT_WRITE
        else:
            spans = {**_pages(self.image), RAM: UC_PROT_READ | UC_PROT_WRITE}
        for region, rights in spans.items():
            try:
                self._uc.mem_map(region.origin, -(-region.size // PAGE) * PAGE, rights)
            except unicorn.UcError as error:
                raise InputError(
                    f"cannot map {region.size:#x} bytes at {region.origin:#x} ({error}); "
                    f"regions must start at a multiple of {PAGE} bytes and not overlap"
                ) from error
        for s in self.image.segments:
            for address, raw in ((s.load, s.raw), (s.address, s.raw)):
                where = Region(address, max(len(raw), s.size if address == s.address else 0))
                if not any(r.origin <= where.origin and where.end <= r.end for r in spans):
                    raise InputError(
                        f"{self.image.path} wants {where.size} bytes at {address:#x}, where "
                        f"{memory.name if memory else 'the emulator'} has no memory"
                    )
                self._uc.mem_write(address, raw)
        return list(spans)

    def _watch(self) -> None:
        """Keeps what a bad access was."""

        def invalid(_uc: Any, kind: int, address: int, size: int, _v: int, _data: Any) -> bool:
            self._fault = f"{ACCESS.get(kind, 'bad access')}: {size} bytes at {address:#x}"
            return False

        self._uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, invalid)

    @property
    def counting(self) -> bool:
        """Whether calls count their instructions, in a Python function for each block."""
        return self._counter is not None

    @counting.setter
    def counting(self, wanted: bool) -> None:
        if wanted == self.counting:
            return
        hits = self._hits

        def visit(_uc: Any, address: int, size: int, _data: Any) -> None:
            hits[address, size] += 1

        if wanted:
            self._counter = self._uc.hook_add(self._unit, visit)
        else:
            self._uc.hook_del(self._counter)
            self._counter = None
        self._uc.ctl_flush_tb()  # a translated block has the hooks of its time

    def alloc(self, size: int, align: int = 64) -> int:
        address = -(-self._free // align) * align
        if address + size > self._floor:
            raise BudgetError(
                f"no room for {size} bytes in the RAM of {self._ram_name}: "
                f"{max(0, self._floor - address)} bytes are free above its variables"
            )
        self._free = address + size
        self._uc.mem_write(address, bytes(size))
        return address

    def address(self, symbol: str) -> int:
        return self.image.symbol(symbol)

    def write(self, address: int, raw: bytes) -> None:
        try:
            self._uc.mem_write(address, bytes(raw))
        except unicorn.UcError as error:
            raise DeviceError(f"cannot write {len(raw)} bytes at {address:#x}: {error}") from error

    def read(self, address: int, size: int) -> bytes:
        try:
            return bytes(self._uc.mem_read(address, size))
        except unicorn.UcError as error:
            raise DeviceError(f"cannot read {size} bytes at {address:#x}: {error}") from error

    def call(self, symbol: str, *arguments: int) -> Call:
        start = self.image.symbol(symbol)
        low = max(self._free, self._top - WINDOW)
        self._paint(low)
        self._arguments(start, arguments)
        self._hits.clear()
        self._fault = ""
        uc, pc = self._uc, self.isa.pc
        try:
            uc.emu_start(start, self._stop, timeout=int(self.timeout_s * 1e6))
        except unicorn.UcError as error:
            why = self._fault or _why(error, self.core)
            raise DeviceError(
                f"{symbol} crashed at {self.image.place(uc.reg_read(pc))}: {why}"
            ) from error
        if uc.reg_read(pc) != self._stop:
            raise DeviceError(
                f"{symbol} took more than {self.timeout_s:g} s in the emulator; "
                f"it was at {self.image.place(uc.reg_read(pc))}"
            )
        result = uc.reg_read(self.isa.arguments[0]) & 0xFFFFFFFF
        used = self._used(low, symbol)
        return Call(result - (result >> 31 << 32), self._count(), used)

    def _arguments(self, start: int, arguments: tuple[int, ...]) -> None:
        isa, sp = self.isa, self._top
        mask = (1 << 8 * isa.word) - 1
        spare = arguments[len(isa.arguments) :]
        if spare:
            sp -= -(-len(spare) * isa.word // 16) * 16
            raw = b"".join((a & mask).to_bytes(isa.word, "little") for a in spare)
            self._uc.mem_write(sp, raw)
            self._painted = max(self._painted, sp)
        for register, value in zip(isa.arguments, arguments, strict=False):
            self._uc.reg_write(register, value & mask)
        self._uc.reg_write(isa.stack, sp)
        self._uc.reg_write(isa.link, self._stop | (start & 1))

    def _paint(self, low: int) -> None:
        """Fills the stack that is not yet painted, from `low` on."""
        if low < self._painted:
            self._uc.mem_write(low, PAINT * (self._painted - low))
        self._painted = low

    def _used(self, low: int, symbol: str) -> int:
        """Bytes of stack written to; they are painted again."""
        raw = bytes(self._uc.mem_read(low, self._top - low))
        used = len(raw.lstrip(PAINT))
        if used == len(raw):
            raise DeviceError(
                f"{symbol} overran its stack: it used all {used} bytes between the variables "
                f"and the top of the RAM of {self._ram_name}"
            )
        self._uc.mem_write(self._top - used, PAINT * used)
        return used

    def profile(self) -> dict[str, int]:
        """Instructions of the last call in each function, most first."""
        spent: defaultdict[str, int] = defaultdict(int)
        for block, times in self._hits.items():
            spent[self.image.function(block[0])] += times * self._lengths[block]
        return dict(sorted(spent.items(), key=lambda item: -item[1]))

    def _count(self) -> int:
        lengths = self._lengths
        for block in self._hits.keys() - lengths.keys():
            lengths[block] = self._instructions(*block)
        return sum(times * lengths[block] for block, times in self._hits.items())

    def _instructions(self, address: int, size: int) -> int:
        code = bytes(self._uc.mem_read(address, size))
        if self.isa.machine == "EM_ARM" and self.image.thumb(address):
            return count_thumb(code)
        return self.isa.count(code)


def _why(error: unicorn.UcError, core: str) -> str:
    why = str(error).rsplit(" (", 1)[0]
    if core == "cortex_m55" and error.errno in {
        unicorn.UC_ERR_INSN_INVALID,
        unicorn.UC_ERR_EXCEPTION,
    }:
        why += "; vector (MVE) code needs qemu-system-arm, or a build for cortex_m33"
    return why


def _pages(image: Image) -> dict[Region, int]:
    """The pages of an image with their rights; neighbours share a page only when they must."""
    rights: defaultdict[int, int] = defaultdict(int)
    for s in image.segments:
        for page in range(s.address // PAGE, -(-s.end // PAGE)):
            rights[page] |= UC_PROT_READ
            rights[page] |= UC_PROT_WRITE if s.flags & WRITE else 0
            rights[page] |= UC_PROT_EXEC if s.flags & EXECUTE else 0
    return {Region(p * PAGE, n * PAGE): r for p, n, r in _runs(sorted(rights.items()))}


def _runs(pages: Iterable[tuple[int, int]]) -> Iterable[tuple[int, int, int]]:
    """(first page, number, rights) of neighbours with equal rights."""
    run: tuple[int, int, int] | None = None
    for page, right in pages:
        if run and run[0] + run[1] == page and run[2] == right:
            run = (run[0], run[1] + 1, right)
        else:
            if run:
                yield run
            run = (page, 1, right)
    if run:
        yield run
