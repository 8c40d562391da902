"""Torch models as networks, or as a plan of what each module becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.interop import torch_pools
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.planned import Refusals, planned
from delrec_compile.interop.refusals import UnknownPartError
from delrec_compile.interop.result import Imported
from delrec_compile.interop.torch_model import Pooled, TorchModel, WatchedModel, evaluated
from delrec_compile.interop.torch_recorder import Call, tensors
from delrec_compile.interop.torch_trace import Trace, trace
from delrec_compile.interop.torch_units import Predicate, kind_of, require_open
from delrec_compile.network import grid
from delrec_compile.network.plan import Plan


@dataclass(frozen=True, eq=False)
class TorchReader:
    """How the models of a framework are read.

    opaque: its neurons. add: adds a call to the chain and returns the module if it fires; last: whether
    it is the last call. never_fires: neurons whose membrane may be the output of the model. remarks:
    on the model itself.
    """

    model: TorchModel
    opaque: Predicate
    add: Callable[[Call, Chain, bool], nn.Module | None]
    never_fires: Predicate = lambda _: False
    remarks: tuple[str, ...] = ()

    def trace(self) -> Trace:
        return trace(self.model, self.opaque, self.never_fires)


@dataclass(eq=False)
class _Assembly:
    """The chain of a trace, its neurons, and the first refusal of each module."""

    chain: Chain
    neurons: list[nn.Module | Pooled]
    refusals: Refusals


def _assembled(reader: TorchReader, traced: Trace) -> _Assembly:
    chain = Chain(int(np.prod(reader.model.shape)), remarks=list(reader.remarks))
    out = _Assembly(chain, [], {})
    with evaluated(reader.model.module):  # in training, some weights change where they are read
        for call in traced.calls:
            chain.enter(call.source.names)
            try:
                fires = _added(reader, call, chain, call is traced.calls[-1])
            except UnsupportedError as error:
                out.refusals[call.name] = error
                continue
            finally:
                chain.leave(call.name)
            if fires is not None:
                out.neurons.append(fires)
    return out


def _added(reader: TorchReader, call: Call, chain: Chain, last: bool) -> nn.Module | Pooled | None:
    """Adds the call to the chain. Returns what fires, if it does. Raises UnsupportedError."""
    if not isinstance(call.module, torch_pools.POOLS):
        return reader.add(call, chain, last)
    behind, fires = chain.taken(), torch_pools.add_pool(call, chain)
    if fires is not None and behind is not None:
        return Pooled(fires, behind, call.shape[1:])
    if fires is None or fires in reader.model.module.modules():
        return fires
    raise UnsupportedError(
        f"{call.name}: a function that pools delayed spikes; use the module {kind_of(fires)}"
    )


def read(reader: TorchReader, traced: Trace | None = None, **options: Any) -> Imported:
    """The network of a model. options: of `Chain.network`. traced: the reader's own trace.

    Raises UnsupportedError: for a part that no network has; else for how the parts are joined, which
    explains shapes that do not fit; else for what else is wrong with a part.
    """
    traced = reader.trace() if traced is None else traced
    own = _assembled(reader, traced)
    errors = list(own.refusals.values())
    if unknown := [e for e in errors if isinstance(e, UnknownPartError)]:
        raise unknown[0]
    if traced.faults:
        name, why = traced.faults[0]
        raise UnsupportedError(why if why.startswith("the model") else f"{name}: {why}")
    if errors:
        raise errors[0]
    model, chain = replace(traced.model, still=traced.steps), own.chain
    chain.remarks += _of_steps(traced) if traced.steps > 1 else output_remarks(model)
    network = chain.network(**options, notes={"imported_from": model.name})
    return Imported(
        grid.snap(network),
        network,
        model.name,
        tuple(chain.remarks),
        WatchedModel(model, tuple(own.neurons)),
        chain.spiking,
        traced.steps,
    )


def plan(reader: TorchReader, source: str, inputs: Mapping[str, Any] | None = None) -> Plan:
    """What each module becomes, or why it is refused. inputs: max_input and input_bits."""
    traced = reader.trace()
    own = _assembled(reader, traced)
    refusals = own.refusals
    if traced.faults:  # shapes that do not fit follow from them
        refusals = {n: e for n, e in refusals.items() if isinstance(e, UnknownPartError)}
    for name, why in traced.faults:
        refusals.setdefault(name, UnsupportedError(why))
    names = [(call.name, kind_of(call.module)) for call in traced.calls]
    return planned(source, reader.model.name, names, own.chain, refusals, inputs)


def _of_steps(traced: Trace) -> list[str]:
    """Remarks on a model that makes its steps of one input."""
    told = (
        f"the model makes {traced.steps} steps of one input by itself; the network makes one: give it "
        f"the input {traced.steps} times"
    )
    return [f"{told}, and its decision combines the outputs" if traced.summed else told]


def output_remarks(model: TorchModel) -> list[str]:
    """A remark on a model that returns one output for all steps, or none."""
    if not model.takes_sequences:
        return []
    sample = torch.zeros(1, 1, int(np.prod(model.shape)))
    sizes = [sum(y.numel() for y in tensors(model.run(sample.repeat(n, 1, 1)))) for n in (1, 2)]
    model.reset()
    if sizes[0] != sizes[1]:
        return []
    return [
        "the model returns one output for all steps; the network returns one per step, and its "
        "decision combines them"
    ]


def input_shape(
    module: nn.Module,
    shape: tuple[int, ...] | None,
    inputs_of: Callable[[Any], int] = lambda _: 0,
) -> tuple[int, ...]:
    """Shape of one input of one step: `shape`, or the size of the first layer's weights.

    inputs_of: number of inputs of a module of the framework, or 0. Raises UsageError, and
    UnsupportedError for what is no model that can be read.
    """
    if not isinstance(module, nn.Module):
        raise UnsupportedError(
            f"a {type(module).__name__} is not a model; a torch module is required (import_model also "
            "takes 'module:function' and files)"
        )
    require_open(module)
    if shape is not None:
        return tuple(int(n) for n in shape)
    for m in module.modules():
        if inputs := inputs_of(m):
            return (inputs,)
        if isinstance(m, nn.Conv1d | nn.Conv2d):
            break
        if isinstance(m, nn.Linear):
            return (m.in_features,)
    raise UsageError(
        "the shape of the model's input is unknown; pass it, such as input_shape=(2, 34, 34) "
        "or --input-shape 2x34x34"
    )
