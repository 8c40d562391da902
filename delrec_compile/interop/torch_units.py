"""The modules of a torch model that are read as one: neurons, layers, and what no network has.

A container is entered; a module that computes by itself, with parts of its own, is one unit, so that
a refusal names it and not something inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import nn

Predicate = Callable[[nn.Module], bool]

LIBRARIES = ("torch", "snntorch", "spikingjelly", "norse", "DCLS", "sinabs", "lava", "braincog")
CONTAINERS = (
    "Sequential",
    "ModuleList",
    "ModuleDict",
    "DataParallel",
    "DistributedDataParallel",
    "OptimizedModule",
    "SequentialState",
    "RecurrentSequential",
    "Lift",
    "MultiStepContainer",
    "SeqToANNContainer",
    "StepModeContainer",
    "RecursiveScriptModule",
    "GraphModule",
)
PARAMETRISED = "Parametrized"  # prefix of torch's classes, such as ParametrizedLinear


def kind_of(module: nn.Module) -> str:
    """The name of the module's class as its user wrote it."""
    return type(module).__name__.removeprefix(PARAMETRISED)


def is_unit(module: nn.Module) -> bool:
    """Whether a module of a library computes by itself, whatever its parts are."""
    if hasattr(module, "parametrizations"):
        return True
    root, *rest = type(module).__module__.split(".")
    return root in LIBRARIES and kind_of(module) not in CONTAINERS and "model" not in rest


def holds_values(module: nn.Module) -> bool:
    """Whether a module has parts, and parameters or buffers of its own beside them."""
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    return bool(own) and bool(list(module.children()))


def units(module: nn.Module, opaque: Predicate, path: str = "") -> Iterator[tuple[nn.Module, str]]:
    """Yields the units of a model with their names. opaque: modules that are not entered."""
    children = list(module.named_children())
    if not children or opaque(module) or is_unit(module):
        yield module, path or kind_of(module)
        return
    for name, child in children:
        yield from units(child, opaque, f"{path}.{name}" if path else name)
