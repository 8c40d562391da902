"""Frameworks, imported when they are required, and the command that installs a missing one."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from delrec_compile.errors import ToolchainError
from delrec_compile.system.extras import install

INSTALL_HINT = {
    "nir": install("nir"),
    "snntorch": install("bench"),
    "spikingjelly": install("bench"),
    "norse": "pip install norse",
}


def package(name: str) -> Any:
    """A module by its dotted name. Raises ToolchainError if its package is not installed."""
    root = name.split(".")[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings of the library's own imports
            return importlib.import_module(name)
    except ImportError as error:
        missing = (error.name or root).split(".")[0]
        if missing != root:
            raise ToolchainError(f"{root} needs '{missing}'; pip install {missing}") from error
        raise ToolchainError(f"{root} is not installed; {INSTALL_HINT[root]}") from error
