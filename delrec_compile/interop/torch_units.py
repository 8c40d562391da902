"""The modules of a torch model that are read as one: neurons, layers, and what no network has.

A container is entered; a module that computes by itself, with parts of its own, is one unit, so that
a refusal names it and not something inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import nn

from delrec_compile.interop.refusals import unknown_part

Predicate = Callable[[nn.Module], bool]

LIBRARIES = (
    "torch",
    "snntorch",
    "spikingjelly",
    "norse",
    "DCLS",
    "sinabs",
    "lava",
    "braincog",
    "brevitas",
)
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
    "AveragedModel",
    "GraphModule",
)
PARAMETRISED = "Parametrized"  # prefix of torch's classes, such as ParametrizedLinear
QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")
PLAIN = tuple(
    f"torch.nn.modules.{name}" for name in ("pooling", "flatten", "dropout", "activation")
)


def require_open(module: nn.Module) -> None:
    """Raises UnsupportedError, with its name, for a part whose weights or calls cannot be seen."""
    for name, m in module.named_modules():
        kind = kind_of(m)
        if isinstance(m, torch.jit.ScriptModule):
            original = getattr(m, "original_name", kind)
            raise unknown_part(
                name or original,
                f"{original} that TorchScript compiled",
                "give the model as it was before torch.jit",
            )
        if type(m).__module__.startswith(QUANTISED):
            raise unknown_part(
                name or kind,
                f"quantised {kind}",
                "give the model as it was before, and build it with --numeric int8",
            )


def kind_of(module: nn.Module) -> str:
    """The name of the module's class as its user wrote it."""
    return type(module).__name__.removeprefix(PARAMETRISED)


def is_unit(module: nn.Module) -> bool:
    """Whether a module of a library computes by itself, whatever its parts are."""
    if hasattr(module, "parametrizations"):
        return True
    root, *rest = type(module).__module__.split(".")
    whole = "model" in rest or "models" in rest
    return root in LIBRARIES and kind_of(module) not in CONTAINERS and not whole


def holds_values(module: nn.Module) -> bool:
    """Whether a module has parts, and parameters or buffers of its own beside them."""
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    return bool(own) and bool(list(module.children()))


def is_plain(module: nn.Module) -> bool:
    """Whether it is a module of torch without state or values, which may run on several outputs."""
    plain = any(c.__module__ in PLAIN for c in type(module).__mro__) or isinstance(
        module, nn.Identity
    )
    return plain and not [*module.parameters(), *module.buffers(), *module.children()]


def units(module: nn.Module, opaque: Predicate, path: str = "") -> Iterator[tuple[nn.Module, str]]:
    """Yields the units of a model with their names. opaque: modules that are not entered."""
    children = list(module.named_children())
    if not children or opaque(module) or is_unit(module):
        yield module, path or kind_of(module)
        return
    for name, child in children:
        yield from units(child, opaque, f"{path}.{name}" if path else name)
