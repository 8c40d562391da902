"""The emulated CUDA driver: barriers, votes, faults."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from delrec_compile.runners.emulated import cuda


def launch(source: str, folder: Path, seed: int = 0) -> tuple[int, list[int], int]:
    """Runs `kernel(uint *out)`, 64 threads, 3 blocks: the answer, the memory, the sync's answer."""
    (folder / "k.cu").write_text(source)
    (folder / str(seed)).mkdir()
    path = cuda.write_driver(folder / "k.cu", ["kernel"], folder / str(seed))
    lib = ctypes.CDLL(str(path))
    cuda.set_order(lib, seed)
    module, function, at = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint64()
    assert lib.cuModuleLoadData(ctypes.byref(module), b"\x7fELF") == 209
    assert lib.cuModuleLoadData(ctypes.byref(module), b".visible .entry kernel(") == 0
    assert lib.cuModuleGetFunction(ctypes.byref(function), module, b"other") == 500
    assert lib.cuModuleGetFunction(ctypes.byref(function), module, b"kernel") == 0
    assert lib.cuMemAlloc_v2(ctypes.byref(at), ctypes.c_size_t(256)) == 0
    lib.cuMemsetD8_v2(at, 0, ctypes.c_size_t(256))
    arguments = (ctypes.c_void_p * 1)(ctypes.addressof(at))
    code = lib.cuLaunchKernel(function, 3, 1, 1, 64, 1, 1, 0, None, arguments, None)
    out = (ctypes.c_uint32 * 64)()
    lib.cuMemcpyDtoH_v2(out, at, ctypes.c_size_t(256))
    return code, list(out), lib.cuCtxSynchronize()


HEAD = """#define uint unsigned int
extern "C" __global__ void __launch_bounds__(64) kernel(uint* __restrict__ out) {
  __shared__ alignas(64) uint seen[64];
  int i = (int)threadIdx.x;
"""


@pytest.mark.parametrize("seed", [0, 5])
def test_the_emulator_runs_barriers_and_votes(seed: int, tmp_path: Path) -> None:
    body = """  seen[i] = __ballot_sync(0xffffffffu, i % 3 == (int)blockIdx.x);
  __syncthreads();
  out[i] = seen[63 - i] + __popc(7u);
}
"""
    code, out, ended = launch(HEAD + body, tmp_path, seed)
    votes = [sum((i % 3 == 2) << (i % 32) for i in range(w, w + 32)) for w in (0, 32)]
    assert (code, ended) == (0, 0)
    assert out == [votes[1] + 3] * 32 + [votes[0] + 3] * 32


@pytest.mark.parametrize(
    ("body", "answers"),
    [
        ("if (i < 40) { __syncthreads(); } out[i] = 1; }\n", (719, 0)),
        ("if (i != 3) { out[i] = __ballot_sync(0xffffffffu, true); } }\n", (719, 0)),
        ("out[i + 1] = 1; }\n", (0, 700)),
        ("out[i - 1] = 1; }\n", (0, 700)),
    ],
)
def test_the_emulator_finds_faults(body: str, answers: tuple[int, int], tmp_path: Path) -> None:
    """A barrier that some threads miss, a vote without a lane, a store before or behind."""
    code, _, ended = launch(HEAD + body, tmp_path)
    assert (code, ended) == answers


def test_a_gpu_is_named_by_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        devices = 0

        def cuInit(self, _flags: int) -> int:  # noqa: N802
            return 0

        def cuDeviceGet(self, _device: object, _index: int) -> int:  # noqa: N802
            return 0 if self.devices else 101

        def cuDeviceGetName(self, name: ctypes.Array, _size: int, _device: object) -> int:  # noqa: N802
            name.value = b"NVIDIA X"
            return 0

        def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
            version._obj.value = 12090
            return 0

        def cuDeviceGetAttribute(self, value: Any, attribute: int, _device: object) -> int:  # noqa: N802
            value._obj.value = {75: 9, 76: 0}[attribute]
            return 0

    driver = Driver()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: driver)
    assert cuda.gpu() is None
    driver.devices = 1
    assert cuda.gpu() == "NVIDIA X"
    assert cuda.first_gpu() == cuda.Gpu("NVIDIA X", arch="sm_90", cuda="12.9")

    def missing(_: str) -> None:
        raise OSError("libcuda.so.1: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert cuda.gpu() is None
