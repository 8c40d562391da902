"""TVM without PyTorch, which it imports but never needs here."""

from __future__ import annotations

import sys


def load() -> None:
    """Imports TVM, for modules that import it at their top: to be called before they are imported.

    tvm_ffi imports PyTorch wherever it is installed, which takes longer than all of TVM.
    """
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        import tvm  # noqa: F401
    finally:
        if hidden:
            del sys.modules["torch"]
