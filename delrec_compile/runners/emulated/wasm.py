"""A WebAssembly module in wasmtime; its fuel counts the instructions executed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import wasmtime

from delrec_compile.errors import BudgetError, DeviceError, InputError, UnsupportedError
from delrec_compile.errors import did_you_mean as near
from delrec_compile.runners.emulated.machine import Call

FUEL = 1 << 62
PAGE = 65536
WINDOW = 64 << 10  # bytes of stack that are watched
PAINT = b"\xa5"


class WasmMachine:
    """A `Machine` for modules made by `system.zig.compile_c`. Fuel: nop, block and the like are free."""

    def __init__(self, module: Path, timeout_s: float) -> None:
        self.path, self.timeout_s = module, timeout_s
        self.counting = True
        config = wasmtime.Config()
        config.consume_fuel = True
        config.epoch_interruption = True
        self._engine = wasmtime.Engine(config)
        self._store = wasmtime.Store(self._engine)
        self._store.set_epoch_deadline(1)
        self._store.set_fuel(FUEL)
        try:
            code = wasmtime.Module.from_file(self._engine, str(module))
            self._exports = wasmtime.Instance(self._store, code, []).exports(self._store)
        except (OSError, wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise InputError(
                f"{module} is not a WebAssembly module that runs: {_line(error)}"
            ) from error
        self._memory: Any = self._export("memory")
        self._free = int(self._export("__heap_base").value(self._store))
        self._top = int(self._export("__stack_pointer").value(self._store))
        self._low = max(0, self._top - WINDOW)
        self.write(self._low, PAINT * (self._top - self._low))

    def _export(self, name: str) -> Any:
        known = {str(n): e for n, e in self._exports.items()}
        if name not in known:
            raise UnsupportedError(f"{self.path} exports no '{name}'{near(name, known)}")
        return known[name]

    def alloc(self, size: int, align: int = 64) -> int:
        address = -(-self._free // align) * align
        missing = address + size - self._memory.data_len(self._store)
        if missing > 0:
            try:
                self._memory.grow(self._store, -(-missing // PAGE))
            except wasmtime.WasmtimeError as error:
                raise BudgetError(f"no room for {size} bytes: {_line(error)}") from error
        self._free = address + size
        self.write(address, bytes(size))
        return address

    def address(self, symbol: str) -> int:
        export = self._export(symbol)
        if not isinstance(export, wasmtime.Global):
            raise UnsupportedError(f"'{symbol}' of {self.path} is not a variable")
        return int(export.value(self._store))

    def write(self, address: int, raw: bytes) -> None:
        self._checked(address, len(raw), "write")
        self._memory.write(self._store, raw, address)

    def read(self, address: int, size: int) -> bytes:
        self._checked(address, size, "read")
        return bytes(self._memory.read(self._store, address, address + size))

    def _checked(self, address: int, size: int, verb: str) -> None:
        if address < 0 or address + size > self._memory.data_len(self._store):
            raise DeviceError(f"cannot {verb} {size} bytes at {address:#x}: outside of memory")

    def call(self, symbol: str, *arguments: int) -> Call:
        function = self._export(symbol)
        if not isinstance(function, wasmtime.Func):
            raise UnsupportedError(f"'{symbol}' of {self.path} is not a function")
        self._store.set_fuel(FUEL)
        self._store.set_epoch_deadline(1)
        clock = threading.Timer(self.timeout_s, self._engine.increment_epoch)
        clock.start()
        try:
            result = function(self._store, *(_signed(a) for a in arguments))
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise DeviceError(self._crash(symbol, error)) from error
        finally:
            clock.cancel()
        spent = FUEL - self._store.get_fuel()
        raw = self.read(self._low, self._top - self._low)
        used = len(raw.lstrip(PAINT))
        self.write(self._top - used, PAINT * used)
        return Call(_signed(result or 0), spent, used)

    def _crash(self, symbol: str, error: Exception) -> str:
        if getattr(error, "trap_code", None) == wasmtime.TrapCode.INTERRUPT:
            return f"{symbol} took more than {self.timeout_s:g} s in the emulator"
        frames = getattr(error, "frames", [])
        where = f" in {frames[0].func_name}" if frames and frames[0].func_name else ""
        offset = f" at {frames[0].module_offset:#x}" if frames else ""
        return f"{symbol} crashed{offset}{where}: {_line(error)}"


def _line(error: Exception) -> str:
    """The line that says why, from wasmtime's report."""
    lines = [s.strip() for s in str(error).splitlines() if s.strip()] or ["no message"]
    traps = [s.split("wasm trap:")[1].strip() for s in lines if "wasm trap:" in s]
    return traps[0] if traps else lines[0]


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (value >> 31 << 32)
