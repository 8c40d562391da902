"""The frameworks, imported when they are needed, with the command that installs a missing one."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from delrec_compile.errors import ToolchainError

MEND = {
    "nir": "pip install 'delrec-compile[nir]'",
    "snntorch": "pip install 'delrec-compile[bench]'",
    "spikingjelly": "pip install 'delrec-compile[bench]'",
    "norse": "pip install norse",
}


def package(name: str) -> Any:
    """A module by its dotted name. Raises ToolchainError where its package is not installed."""
    root = name.split(".")[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the library itself calls when imported
            return importlib.import_module(name)
    except ImportError as error:
        lacks = (error.name or root).split(".")[0]
        if lacks != root:
            raise ToolchainError(f"{root} needs '{lacks}'; pip install {lacks}") from error
        raise ToolchainError(f"{root} is not installed; {MEND[root]}") from error
