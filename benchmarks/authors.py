"""A checkpoint in its authors' own code and as it is imported, on the same test samples.

    python -m benchmarks.authors --repository DelRec --script SHD --checkpoint exp/SHD/<date>/best.pth

Runs the model class of a copy of github.com/alexmaxad/DelRec or github.com/luciozebendo/delrec_snn on
its own test loader, in an environment that has its requirements, and the imported network beside it:
before its weights are rounded, and frozen. Exit code 6 if a class differs before they are rounded.
Their code is imported from where it lies, so it is run.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.errors import (
    CheckpointError,
    DelrecError,
    InputError,
    ParityError,
    ToolchainError,
    UsageError,
)
from delrec_compile.interop.delrec.checkpoint import from_checkpoint
from delrec_compile.interop.delrec.content import read_content
from delrec_compile.network.model import Network
from delrec_compile.ops.readout import decide
from delrec_compile.runners.reference import ReferenceRunner

# configuration, and the modules that a model class can be in, by script
SCRIPTS = {
    "SHD": ("configs.perf_SHD", ("src.SHD.snn",)),
    "EQUIPARAM": ("configs.equiparam_SHD", ("src.SHD.snn",)),
    "SSC": ("configs.perf_SSC", ("src.SSC.models", "src.SSC.snn")),
    "PSMNIST": ("configs.perf_PSMNIST", ("src.PSMNIST.snn", "src.SSC.snn")),
}
MODEL_CLASS = "SNN_recurrent_delays"
REGISTRATOR = "spike_registrator"  # their module that keeps the spikes that pass
OPTIONS = {"recipe": str, "tau": float, "gain": str, "fires": str, "threshold": float, "reset": str}


@dataclass
class Batch:
    """x: inputs (T, B, inputs). labels: (B,). spikes: (T, B, N) of each layer. y: outputs."""

    x: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]
    spikes: list[np.ndarray[Any, Any]]
    y: np.ndarray[Any, Any]


@dataclass
class Difference:
    """A network beside their model, over all batches. first: sample batch, layer and step."""

    name: str
    compared: int = 0
    fired: int = 0
    spikes: int = 0
    samples: int = 0
    classes: int = 0
    right: list[int] = field(default_factory=lambda: [0, 0])
    first: tuple[int, int, int] | None = None

    def add(self, network: Network, at: int, batch: Batch) -> None:
        trace = ReferenceRunner(network).trace(batch.x)
        for i, (ours, theirs) in enumerate(zip(trace.spikes, batch.spikes, strict=True)):
            wrong = np.asarray(ours) != theirs
            self.compared += wrong.size
            self.fired += int(theirs.sum())
            self.spikes += int(wrong.sum())
            if wrong.any() and self.first is None:
                self.first = (at, i, int(np.argwhere(wrong)[0][0]))
        how = network.readout.decision
        theirs_chosen, chosen = decide(how, batch.y), decide(how, trace.y)
        self.samples += len(batch.labels)
        self.classes += int((chosen != theirs_chosen).sum())
        for i, classes in enumerate((theirs_chosen, chosen)):
            self.right[i] += int((classes == batch.labels).sum())

    def line(self) -> str:
        theirs, ours = (100 * right / max(self.samples, 1) for right in self.right)
        where = ""
        if self.first is not None:
            where = "; first in batch {}, layer {}, step {}".format(*self.first)
        return (
            f"{self.name}: {self.spikes:,} of {self.compared:,} spikes differ ({self.fired:,} fired), "
            f"{self.classes} of {self.samples} classes; accuracy {theirs:.2f} % in their code, "
            f"{ours:.2f} % here{where}"
        )


def their_model(repository: Path, options: argparse.Namespace) -> tuple[Any, Any]:
    """Their configuration, and their model with the weights of the checkpoint.

    Raises InputError, ToolchainError for what their code needs, UsageError for an unknown class.
    """
    import torch

    settings, modules = SCRIPTS[options.script]
    if not (repository / "src").is_dir():
        raise InputError(f"{repository}: has no folder 'src'; name a copy of DelRec or delrec_snn")
    sys.path.insert(0, str(repository))
    config = _imported(settings).Config()
    for text in options.set:
        name, _, value = text.partition("=")
        setattr(config, name, _value(value))
    present = [m for m in modules if (repository / f"{m.replace('.', '/')}.py").is_file()]
    if not present:
        raise InputError(f"{repository}: has none of {', '.join(modules)}")
    module = _imported(options.module or present[0])
    if not hasattr(module, options.model_class):
        raise UsageError(f"--model-class {options.model_class}: {module.__name__} has none")
    model = getattr(module, options.model_class)(config)
    tensors = read_content(options.checkpoint).tensors
    state = {key: torch.from_numpy(np.array(value)) for key, value in tensors.items()}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        told = " ".join(str(error).split())
        raise CheckpointError(
            f"{options.checkpoint}: {options.model_class} of {module.__name__} does not take it: {told}"
        ) from error
    return config, model


def batches(config: Any, model: Any, options: argparse.Namespace) -> Iterator[Batch]:
    """What their model computes on their test loader, as their `test` prepares it."""
    import torch

    utilities = _imported("src.utils")
    _, _, loader = _imported("src.datasets").load_dataset(config)
    order = _permutation(options)
    model.eval()
    if hasattr(model, "round_pos"):
        model.round_pos()
    for m in model.modules():
        if hasattr(m, "recurrent_delays"):
            m.sigma = options.sigma
    if hasattr(loader, "reset"):
        loader.reset()
    for i, held in enumerate(loader):
        if i == options.batches:
            return
        x, labels = held[0], held[1]
        if order is not None:
            x = x.view(-1, config.time_window, config.input_size)[:, order, :]
        x = x.permute(1, 0, 2).float().cpu()  # the loader of SSC takes a GPU where there is one
        utilities.reset_states(model)
        with torch.no_grad():
            y = model(x)
        if y.ndim == 2:  # summed over the steps already
            y = y[None]
        kept = [m.spikes for m in model.modules() if type(m).__name__ == REGISTRATOR]
        yield Batch(
            x.numpy(), labels.cpu().numpy(), [s.numpy().astype(np.uint8) for s in kept], y.numpy()
        )


def _permutation(options: argparse.Namespace) -> Any:
    """The order of the pixels of PS-MNIST, which lies beside its checkpoint."""
    import torch

    if options.script != "PSMNIST":
        return None
    path = options.checkpoint.parent / "perm.pt"
    if not path.is_file():
        raise InputError(f"{path}: no such file; PS-MNIST needs the order of its pixels")
    return torch.load(path, weights_only=True)


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ToolchainError(
            f"their code needs '{error.name}'; install the requirements.txt of the repository"
        ) from error


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def parsed(argv: list[str] | None) -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.authors", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--repository", type=Path, required=True, help="a copy of their code")
    parser.add_argument("--script", choices=SCRIPTS, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--model-class", default=MODEL_CLASS)
    parser.add_argument("--module", help="the module of the class, such as src.SSC.snn")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        help="name=value of their Config, such as its data path",
    )
    parser.add_argument("--batches", type=int, default=-1, help="only the first of them")
    parser.add_argument("--sigma", type=float, default=0.0)
    parser.add_argument("--layer", action="append", default=[], dest="layers")
    parser.add_argument("--max-input", type=int, default=31)
    for name, kind in OPTIONS.items():
        parser.add_argument(f"--{name}", type=kind)
    return parser.parse_args(argv)


def compare(options: argparse.Namespace) -> list[Difference]:
    """The unfrozen and the frozen network beside their model; prints what the import took."""
    imported = from_checkpoint(
        options.checkpoint,
        layers=options.layers,
        sigma=options.sigma,
        max_input=options.max_input,
        **{name: getattr(options, name) for name in OPTIONS},
    )
    for remark in imported.remarks:
        print(f"note: {remark}")
    config, model = their_model(options.repository.resolve(), options)
    networks = {"unfrozen": imported.unfrozen, "frozen": imported.network}
    found = [Difference(name) for name in networks]
    for at, batch in enumerate(batches(config, model, options)):
        for difference in found:
            difference.add(networks[difference.name], at, batch)
        print(f"{found[0].samples} samples", file=sys.stderr)
    return found


def main(argv: list[str] | None = None) -> int:
    """Prints a line for each network; exit code 6 if the unfrozen one takes other classes."""
    options = parsed(argv)
    try:
        found = compare(options)
    except DelrecError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    for difference in found:
        print(difference.line())
    return ParityError.exit_code if found[0].classes or not found[0].fired else 0


if __name__ == "__main__":
    sys.exit(main())
