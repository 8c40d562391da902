"""TVM without PyTorch."""

from __future__ import annotations

import subprocess
import sys


def test_tvm_comes_without_torch() -> None:
    code = (
        "import sys; from delrec_compile.system import tvm_loader; tvm_loader.load(); "
        "assert 'tvm' in sys.modules and 'torch' not in sys.modules; tvm_loader.load(); "
        "import torch; assert torch.ones(1).item() == 1; tvm_loader.load(); "
        "assert sys.modules['torch'] is torch"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
