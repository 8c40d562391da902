"""Network -> ONNX: one step, or K steps unrolled, with the state as explicit inputs and outputs.

Two forms of one graph. The semantic form has every op as a function of domain `ai.delrec`, and is the
input of `lower`. The portable form is inlined to standard ONNX operators. Both run in ONNX Runtime.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from delrec_compile.errors import ModelError, ParityError, UsageError
from delrec_compile.network import checkpoint
from delrec_compile.network.golden import CHECK_STEPS, golden_hash, golden_input
from delrec_compile.network.grid import exact
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.graph import semantic_graph
from delrec_compile.network.onnx_step.portable import to_portable
from delrec_compile.network.onnx_step.schema import FORMAT_VERSION, schema_of, state_abi
from delrec_compile.network.state import past, present
from delrec_compile.network.tolerances import LOOSE
from delrec_compile.system.files import check_suffix, write_atomic

FORMS = ("portable", "semantic")


def export(
    network: Network,
    path: Path | str | None = None,
    *,
    form: str = "portable",
    unroll: int = 1,
    batch: int | None = None,
    force: bool = True,
) -> onnx.ModelProto:
    """Makes the ONNX model, proves it against PyTorch over N steps, and only then writes it.

    form: `portable` or `semantic`. unroll: time steps per call; x is then (K, batch, inputs) and
    y (K, batch, outputs). batch: streams per call, for engines that need a fixed number; any number
    for None. Raises UsageError, ParityError, ModelError.
    """
    if path is not None:
        check_suffix(Path(path), ".onnx")
        if Path(path).exists() and not force:
            raise ModelError(f"{path} exists; add force=True to replace it")
    model = model_of(network, form, unroll, batch)
    verify_graph(model, network)
    if path is not None:
        write_atomic(Path(path), model.SerializeToString(deterministic=True))
    return model


def model_of(
    network: Network, form: str = "portable", unroll: int = 1, batch: int | None = None
) -> onnx.ModelProto:
    """The ONNX model, not proven yet. Raises UsageError."""
    if form not in FORMS:
        raise UsageError(f"unknown ONNX form '{form}'; allowed: {', '.join(FORMS)}")
    if unroll < 1:
        raise UsageError(f"unroll={unroll}: at least 1 time step per call is required")
    if batch is not None and batch < 1:
        raise UsageError(f"batch={batch}: at least 1 stream per call is required")
    model = semantic_graph(network, unroll, batch)
    if form == "portable":
        model = to_portable(model)
    _describe(model, network, form, unroll)
    onnx.checker.check_model(model, full_check=form == "portable")
    return model


def verify_graph(model: onnx.ModelProto, network: Network) -> None:
    """Runs the model in ONNX Runtime beside PyTorch over many steps, each on its own state.

    The outputs and all of the state must agree: bit for bit where the network's sums are exact,
    else within LOOSE. Raises ParityError.
    """
    import onnxruntime
    import torch

    from delrec_compile.network.torch_step import Step

    unroll = int(_prop(model, "unroll"))
    limit = 0.0 if exact(network) else LOOSE
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [o.name for o in session.get_outputs()]
    step = Step(network)
    rows = session.get_inputs()[0].shape[-2]
    batch = rows if isinstance(rows, int) else 1
    theirs = step.reset(batch)
    ours = {past(name): value for name, value in network.reset(batch).items()}
    inputs = golden_input(network, -(-CHECK_STEPS // unroll) * unroll).repeat(batch, axis=1)
    for t in range(0, len(inputs), unroll):
        x = inputs[t : t + unroll]
        feed = {"x": x[0] if unroll == 1 else x, **ours}
        result = dict(zip(names, session.run(None, feed), strict=True))
        ys = []
        for row in x:
            y, *theirs = step(torch.from_numpy(row), *theirs)
            ys.append(y.numpy())
        pairs = {"y": (result["y"], ys[0] if unroll == 1 else np.stack(ys))}
        for name, value in zip(step.names, theirs, strict=True):
            pairs[name] = result[present(name)], value.numpy()
        _agree(pairs, limit, t + unroll - 1)
        ours = {past(name): result[present(name)] for name in step.names}


def _agree(pairs: dict[str, tuple[NDArray[Any], NDArray[Any]]], limit: float, step: int) -> None:
    for name, (onnx_value, reference) in pairs.items():
        same_shape = onnx_value.shape == reference.shape
        worst = float(np.abs(onnx_value - reference).max()) if same_shape else np.inf
        if not worst <= limit:
            raise ParityError(
                f"the ONNX graph diverged from PyTorch at step {step}: '{name}' is off by {worst:.3g}, "
                f"allowed: {limit:g}; no file was written"
            )


def _prop(model: onnx.ModelProto, key: str) -> str:
    return str(next(p.value for p in model.metadata_props if p.key == f"delrec.{key}"))


def _describe(model: onnx.ModelProto, network: Network, form: str, unroll: int) -> None:
    schema = schema_of(network)
    metadata = {
        "format_version": FORMAT_VERSION,
        "form": form,
        "unroll": unroll,
        "dt_ms": network.dt_ms,
        "max_delay": network.max_delay,
        "max_input": network.max_input,
        "state": json.dumps([s.as_dict() for s in schema]),
        "state_abi": state_abi(schema),
        "decision": network.readout.decision,
        "labels": json.dumps(list(network.labels)),
        "source_sha256": checkpoint.digest(network),
        "golden_sha256": golden_hash(network),
        "producer": "delrec-compile",
    }
    if network.input_bits is not None:
        metadata["input_bits"] = network.input_bits
    if network.graph:
        metadata["populations"] = json.dumps([p.name for p in network.spiking])
        metadata["classes"] = network.readout.size
    helper.set_model_props(model, {f"delrec.{k}": str(v) for k, v in metadata.items()})
