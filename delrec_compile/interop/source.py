"""What `import` takes: a NIR file, a checkpoint of the authors' code, or a `module:function`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from delrec_compile.errors import CheckpointError, UnsupportedError, UsageError
from delrec_compile.interop.options import CHECKPOINT, MODULES, NIR, names_for
from delrec_compile.interop.result import Imported

NIR_SUFFIXES = (".nir", ".h5", ".hdf5")
CHECKPOINT_SUFFIXES = (".pth", ".pt")


def import_model(source: Any, **options: Any) -> Imported:
    """A foreign model as a frozen network.

    source: a .nir file, a .pth or .pt checkpoint of the authors' code, the text `module:function`
    of a function that returns a model (its code is run), a live module of SpikingJelly, snnTorch or
    Norse, or a NIR graph. options: those of `from_nir`, `from_checkpoint`, `from_spikingjelly`,
    `from_snntorch` or `from_norse`, whichever reads it; None is left out.

    Raises CheckpointError: no such file, or none that can be read. UnsupportedError: what a network
    has not, by the name it has in the model. UsageError: options that this source does not take.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.exists() and ":" in str(source):
            return _live(_called(str(source)), given)
        return _file(path, given)
    return _live(source, given)


def _file(path: Path, options: dict[str, Any]) -> Imported:
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such file; give a .nir file, a .pth checkpoint of the authors' code, or "
            "'module:function'"
        )
    if path.suffix in NIR_SUFFIXES:
        from delrec_compile.interop.nir.reader import from_nir, read

        return from_nir(read(path), **_fitting("a NIR graph", options, NIR))
    if path.suffix in CHECKPOINT_SUFFIXES:
        from delrec_compile.interop.delrec.checkpoint import from_checkpoint

        return from_checkpoint(path, **_fitting("a checkpoint", options, CHECKPOINT))
    raise CheckpointError(
        f"{path}: unknown kind of file '{path.suffix}'; allowed: "
        f"{', '.join((*NIR_SUFFIXES, *CHECKPOINT_SUFFIXES))}, "
        "or 'module:function' of a function that returns a model"
    )


def _live(model: Any, options: dict[str, Any]) -> Imported:
    if type(model).__module__.split(".")[0] == "nir":
        from delrec_compile.interop.nir.reader import from_nir

        return from_nir(model, **_fitting("a NIR graph", options, NIR))
    if not callable(getattr(model, "named_modules", None)):
        raise UnsupportedError(
            f"a {type(model).__name__} is no model; allowed: a torch module of "
            f"{', '.join(MODULES)}, or a NIR graph"
        )
    roots = {type(m).__module__.split(".")[0] for _, m in model.named_modules()}
    found = [name for name in MODULES if name in roots]
    if len(found) != 1:
        raise UnsupportedError(
            f"a {type(model).__name__} with spiking neurons of {' and '.join(found) or 'no framework'}"
            f"; allowed: those of one of {', '.join(MODULES)}"
        )
    reader = importlib.import_module(f"delrec_compile.interop.{found[0]}")
    made: Callable[..., Imported] = getattr(reader, f"from_{found[0]}")
    return made(model, **_fitting(f"a module of {found[0]}", options, found[0]))


def _called(reference: str) -> Any:
    """What `module:function` returns; modules of the folder that the command runs in are found."""
    module, _, function = reference.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise CheckpointError(f"{reference}: the module needs '{error.name}'") from error
        raise CheckpointError(
            f"{reference}: no such file, and no module '{module}' to import"
        ) from error
    except Exception as error:
        raise CheckpointError(f"{reference}: the module fails when imported: {error!r}") from error
    made = getattr(found, function, None)
    if not callable(made):
        raise CheckpointError(f"{reference}: '{module}' has no function '{function}'")
    if hasattr(made, "named_modules") and not isinstance(made, type):
        return made
    try:
        return made()
    except (Exception, SystemExit) as error:
        raise CheckpointError(f"{reference} fails when called: {error!r}") from error


def _fitting(what: str, options: dict[str, Any], reader: str) -> dict[str, Any]:
    """The options, if the reader takes them all. Raises UsageError."""
    allowed = names_for(reader)
    for key in options:
        if key not in allowed:
            raise UsageError(f"{what} takes no {key}; allowed: {', '.join(allowed)}")
    return options
