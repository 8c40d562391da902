"""What runs in one step of a torch model: the calls of its modules, with random outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from delrec_compile.interop.torch_model import first
from delrec_compile.interop.torch_units import Predicate, is_plain
from delrec_compile.interop.torch_wiring import Source, Wiring
from delrec_compile.network.model import INPUT

FROM_INPUT = Source((INPUT,), (0,))


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a module. shape: of its input, of one step and sequence. x, y: input, output, flat.

    source: where its input comes from.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    size: int
    x: Tensor
    y: Tensor
    source: Source = FROM_INPUT


@dataclass(eq=False)
class Recorder:
    """The hooks of a trace, and what they record.

    ends: for each unit and run, the tensors that the model may return. steps_of: steps that stand in
    the output of a unit, one after another. uses: what each module without values ran on.
    """

    names: dict[nn.Module, str]
    opaque: Predicate
    never_fires: Predicate
    wiring: Wiring
    generator: torch.Generator
    calls: list[Call] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    ends: dict[str, list[list[Tensor]]] = field(default_factory=dict)
    steps_of: dict[str, int] = field(default_factory=dict)
    uses: dict[nn.Module, list[tuple[str, ...]]] = field(default_factory=dict)
    inside: bool = False

    def function(self, what: str, module: nn.Module, x: Any) -> Any:
        """Runs a module in place of a function of an output; None for one of anything else."""
        if self.inside:
            return None
        self.inside = True
        source = self.wiring.of(x)
        self.inside = False
        if source is None or source.times > 1 or len(source.names) > 1:
            return None
        self.names[module] = f"{source.names[0]}.{what}"
        self.before(module, (x,))
        return self.after(module, None, module(x))

    def before(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.inside = True
        x, source = inputs[0], self.wiring.of(inputs[0])
        if source is None:
            self.faults.append((self.names[module], self._other_input()))
            source = Source((self.calls[-1].name if self.calls else INPUT,), (0,))
        name = self._name(module, source)
        steps = self.steps_of[name] = source.times * self.steps_of.get(source.names[0], 1)
        shape, size = tuple(x.shape), x.numel() // steps
        if steps > 1 and shape[0] == steps:
            shape = (1, *shape[1:])
        flat = x.detach().clone().reshape(-1)[:size]
        self.calls.append(Call(name, module, shape, size, flat, flat, source))

    def _name(self, module: nn.Module, source: Source) -> str:
        """Its name; a module without values has one for each output that it runs on."""
        name = self.names[module]
        if not is_plain(module):
            return name
        taken = self.uses.setdefault(module, [])
        if source.names not in taken:
            taken.append(source.names)
        k = taken.index(source.names)
        return f"{name} ({k + 1})" if k else name

    def _other_input(self) -> str:
        behind = f"'{self.calls[-1].name}'" if self.calls else "the input"
        return (
            f"its input is not the output of {behind}, nor a sum of outputs; a network has "
            "nothing computed between them"
        )

    def after(self, module: nn.Module, _inputs: Any, outputs: Any) -> Any:
        y, name = first(outputs), self.calls[-1].name
        size = y.numel() // self.steps_of[name]
        self.calls[-1] = replace(self.calls[-1], y=y.detach().clone().reshape(-1)[:size])
        instead = torch.randn(y.shape, generator=self.generator).to(y)
        self.wiring.send(name, instead)
        ends, others = [instead.clone()], list(tensors(outputs))[1:]
        if self.never_fires(module):
            ends += [v.detach().clone() for v in others[-1:]]
        self.ends.setdefault(name, []).append(ends)
        self.inside = False
        return _with_first(outputs, instead)


def tensors(value: Any) -> Iterator[Tensor]:
    """Yields all tensors in a value."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors(part)


def _with_first(value: Any, instead: Tensor) -> Any:
    """The value with its first tensor replaced."""
    if isinstance(value, Tensor):
        return instead
    return type(value)([_with_first(value[0], instead), *value[1:]])
