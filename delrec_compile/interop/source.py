"""Sources of an import: a NIR graph, a network of lava-dl, a checkpoint, or a `module:function`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile.errors import CheckpointError, UnsupportedError, UsageError
from delrec_compile.interop.added import AddedReader, reader_of
from delrec_compile.interop.options import CHECKPOINT, LAVA, MODULES, NIR, names_for
from delrec_compile.interop.result import Imported
from delrec_compile.network.plan import Plan
from delrec_compile.system.recognise import Kind, recognise, wrong_file
from delrec_compile.system.renamed import renamed_arguments

NIR_SUFFIXES = (".nir", ".h5", ".hdf5")
CHECKPOINT_SUFFIXES = (".pth", ".pt")
# kinds of files that may be damaged: their readers say how
UNCLEAR = (Kind.HDF5, Kind.PICKLE, Kind.ZIP, Kind.OTHER, Kind.TEXT, Kind.EMPTY)
LAVA_SUFFIXES = (".net",)
NEEDED = (
    "a .nir graph, a .net network of lava-dl, a .pth checkpoint of the authors' code, or "
    "'module:function'"
)


@dataclass(frozen=True)
class Reader:
    """A function that imports one kind of source.

    name: as in the table of options. source: the kind, for messages. module: below this room.
    """

    name: str
    source: str
    module: str
    function: str

    def check(self, options: Mapping[str, Any]) -> None:
        """Raises UsageError for an option that the reader does not have."""
        allowed = names_for(self.name)
        for name in options:
            if name not in allowed:
                raise UsageError(f"{self.source} takes no {name}; allowed: {', '.join(allowed)}")

    def read(self, model: Any, options: Mapping[str, Any]) -> Imported:
        """Imports the model. Raises UsageError for an option that the reader does not have."""
        self.check(options)
        return self.load()(model, **options)

    def plan(self, model: Any, source: str, options: Mapping[str, Any]) -> Plan:
        """The plan of an import. Raises UsageError for an option that the reader does not have."""
        self.check(options)
        if self.name == NIR:
            from delrec_compile.interop.nir.plan import plan_nir

            return plan_nir(model, source, **options)
        if self.name == LAVA:
            from delrec_compile.interop.lava.reader import plan_lava

            return plan_lava(model, source, **options)
        if self.name == CHECKPOINT:
            from delrec_compile.interop.checkpoints.reader import plan_checkpoint

            return plan_checkpoint(model, **options)
        from delrec_compile.interop import torch_reader

        module = importlib.import_module(f"delrec_compile.interop.{self.module}")
        shaped = {k: v for k, v in options.items() if k in ("input_shape", "takes_sequences")}
        inputs = {k: v for k, v in options.items() if k in ("max_input", "input_bits")}
        return torch_reader.plan(module.reader_of(model, **shaped), source, inputs)

    def load(self) -> Callable[..., Imported]:
        """The function, with its module imported."""
        module = importlib.import_module(f"delrec_compile.interop.{self.module}")
        function: Callable[..., Imported] = getattr(module, self.function)
        return function


READERS = {
    NIR: Reader(NIR, "a NIR graph", "nir.reader", "from_nir"),
    CHECKPOINT: Reader(CHECKPOINT, "a checkpoint", "checkpoints.reader", "from_checkpoint"),
    LAVA: Reader(LAVA, "a network of lava-dl", "lava.reader", "from_lava"),
    **{name: Reader(name, f"a module of {name}", name, f"from_{name}") for name in MODULES},
}


@renamed_arguments(whole="takes_sequences")
def import_model(source: Any, **options: Any) -> Imported:
    """A foreign model as a frozen network.

    source: a .nir file, a .net file of lava-dl, a .pth or .pt checkpoint of published code, the text
    `module:function` of a function that returns a model (its code is run), a live module of
    SpikingJelly, snnTorch or Norse, or a NIR graph. options: those of `from_nir`, `from_lava`,
    `from_checkpoint`, `from_spikingjelly`, `from_snntorch` or `from_norse`, whichever reads it; `grid`:
    see `Imported.on_grid`; and `samples` (..., inputs): with real values among them, the network takes
    real inputs, rounded as `Imported.with_real_input` chooses. None means the default.

    Raises CheckpointError for an unreadable file, UnsupportedError for what networks do not have, by
    its name in the model, and UsageError for options that this source does not take.
    """
    reader, model = _opened(source)
    chosen = _chosen(options)
    grid, samples = chosen.pop("grid", None), chosen.pop("samples", None)
    made = reader.read(model, chosen)
    made = made if samples is None else made.for_samples(samples)
    made = made if grid is None else made.on_grid(grid)
    return made.named_after(model) if isinstance(model, Path) else made


def plan_import(source: Any, **options: Any) -> Plan:
    """What each module or node of a model becomes, or why it is refused and what would do.

    source, options: as in `import_model`. All refusals are listed, and nothing is converted. Raises
    CheckpointError for an unreadable file, UsageError for options, UnsupportedError for no model.
    """
    reader, model = _opened(source)
    named = source if isinstance(source, str | os.PathLike) else type(source).__name__
    chosen = _chosen(options)
    for name in ("grid", "samples"):
        chosen.pop(name, None)
    return reader.plan(model, str(named), chosen)


def require_there(source: str) -> None:
    """Raises CheckpointError for the name of a file that is not there, and of no function."""
    if ":" not in source and not Path(source).exists():
        raise CheckpointError(wrong_file(source, NEEDED))


def _chosen(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _opened(source: Any) -> tuple[Reader | AddedReader, Any]:
    """The reader of a source, and what it reads."""
    model = source
    find: Callable[[Any], Reader] = _reader_of
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.exists() and ":" in str(source):
            model = _call(str(source))
        else:
            model, find = path, _of_file
    try:
        return find(model), model
    except (CheckpointError, UnsupportedError):
        if (other := reader_of(model)) is None:
            raise
        return other, model


def _of_file(path: Path) -> Reader:
    kind = recognise(path).kind
    if kind is Kind.LAVA or (kind in UNCLEAR and path.suffix in LAVA_SUFFIXES):
        return READERS[LAVA]
    if kind is Kind.NIR or (kind in UNCLEAR and path.suffix in NIR_SUFFIXES):
        return READERS[NIR]
    if kind is Kind.CHECKPOINT or (kind in UNCLEAR and path.suffix in CHECKPOINT_SUFFIXES):
        return READERS[CHECKPOINT]
    raise CheckpointError(wrong_file(path, NEEDED))


def _reader_of(model: Any) -> Reader:
    if type(model).__module__.split(".")[0] == "nir":
        return READERS[NIR]
    if not callable(getattr(model, "named_modules", None)):
        raise UnsupportedError(
            f"a {type(model).__name__} is not a model; allowed: a torch module of "
            f"{', '.join(MODULES)}, or a NIR graph"
        )
    from delrec_compile.interop.torch_units import require_open

    require_open(model)
    roots = {type(m).__module__.split(".")[0] for _, m in model.named_modules()}
    present = [name for name in MODULES if name in roots]
    if len(present) != 1:
        raise UnsupportedError(
            f"a {type(model).__name__} with spiking neurons of {' and '.join(present) or 'no framework'}"
            f"; allowed: those of one of {', '.join(MODULES)}"
        )
    return READERS[present[0]]


def _call(reference: str) -> Any:
    """The model that `module:function` returns. Modules are found in the working directory too.

    Raises CheckpointError.
    """
    module, _, function = reference.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise CheckpointError(f"{reference}: the module needs '{error.name}'") from error
        raise CheckpointError(
            f"{reference}: no such file, and no module '{module}' to import"
        ) from error
    except (Exception, SystemExit) as error:
        raise CheckpointError(f"{reference}: the module fails when imported: {error!r}") from error
    target = getattr(loaded, function, None)
    if not callable(target):
        raise CheckpointError(f"{reference}: '{module}' has no function '{function}'")
    if hasattr(target, "named_modules") and not isinstance(target, type):
        return target
    try:
        return target()
    except (Exception, SystemExit) as error:
        raise CheckpointError(f"{reference} fails when called: {error!r}") from error
