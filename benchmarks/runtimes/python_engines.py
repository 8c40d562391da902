"""Runtimes and importers that Python calls with the file, or with a graph that is already read."""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import onnx

from benchmarks.runtimes.step_file import Step, StepFile, Values

CPU = ["CPUExecutionProvider"]


def onnxruntime(f: StepFile) -> Step:
    return in_onnxruntime(f, f.proto.SerializeToString())


def in_onnxruntime(f: StepFile, model: bytes) -> Step:
    session = import_module("onnxruntime").InferenceSession(model, providers=CPU)
    return lambda feed: f.named(session.run(list(f.outs), feed))


def onnxruntime_ort_format(f: StepFile) -> Step:
    """The file in ONNX Runtime's own format, which its builds for phones and microcontrollers load."""
    ort = import_module("onnxruntime")
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(Path(tempfile.mkdtemp()) / "step.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(str(f.path), options, providers=CPU)
    return in_onnxruntime(f, Path(options.optimized_model_filepath).read_bytes())


def reference(f: StepFile) -> Step:
    """ONNX's own evaluator."""
    evaluator = import_module("onnx.reference").ReferenceEvaluator(f.proto)
    return lambda feed: f.named(evaluator.run(list(f.outs), feed))


def newer_opset(f: StepFile) -> Step:
    """ONNX's version converter, to opset 21; the result in ONNX Runtime."""
    newer = import_module("onnx.version_converter").convert_version(f.proto, 21)
    onnx.checker.check_model(newer, full_check=True)
    return in_onnxruntime(f, newer.SerializeToString())


def onnxslim(f: StepFile) -> Step:
    """An optimiser of files; the result in ONNX Runtime."""
    slim = import_module("onnxslim").slim(str(f.path))
    return in_onnxruntime(f, slim.SerializeToString())


def onnxsim(f: StepFile) -> Step:
    """An optimiser of files; the result in ONNX Runtime."""
    simple, sound = import_module("onnxsim").simplify(f.proto)
    if not sound:
        raise RuntimeError("onnxsim says that what it made is not equal")
    return in_onnxruntime(f, simple.SerializeToString())


def tvm(f: StepFile) -> Step:
    """TVM's importer and default build."""
    tvm, relax = import_module("tvm"), import_module("tvm.relax")
    take = import_module("tvm.relax.frontend.onnx").from_onnx
    built = relax.build(take(f.proto, shape_dict=f.ins), tvm.target.Target("llvm"))
    machine = relax.VirtualMachine(built, tvm.cpu())

    def step(feed: Values) -> Values:
        results = machine["main"](*[tvm.runtime.tensor(feed[name]) for name in f.ins])
        return f.named([value.numpy() for value in results])

    return step


def tract(f: StepFile) -> Step:
    model = import_module("tract").onnx().load(str(f.path))
    for k, shape in enumerate(f.ins.values()):
        model.set_input_fact(k, f"{','.join(map(str, shape))},f32")
    runnable = model.into_model().into_runnable()
    return lambda feed: f.named([t.to_numpy() for t in runnable.run([feed[n] for n in f.ins])])


def openvino(f: StepFile) -> Step:
    core = import_module("openvino").Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32"}  # a CPU with bfloat16 rounds to it otherwise
    request = core.compile_model(str(f.path), "CPU", exact).create_infer_request()

    def step(feed: Values) -> Values:
        request.infer(feed)
        return f.named([np.array(request.get_tensor(name).data) for name in f.outs])

    return step


def onnx2torch(f: StepFile) -> Step:
    return _in_torch(f, as_torch(f))


def as_torch(f: StepFile) -> Any:
    """The file as a module of PyTorch."""
    try:
        import_module("torchvision")
    except RuntimeError:  # its library fits another build of PyTorch; the steps have no use for it
        sys.modules |= dict.fromkeys(("torchvision", "torchvision.ops"), MagicMock())
    return import_module("onnx2torch").convert(f.proto).eval()


def torch_compile(f: StepFile) -> Step:
    """By onnx2torch, whose shapes that are tensors part the step into several graphs."""
    return _in_torch(f, import_module("torch").compile(as_torch(f)))


def _in_torch(f: StepFile, module: Any) -> Step:
    torch = import_module("torch")

    def step(feed: Values) -> Values:
        with torch.no_grad():
            results = module(*[torch.from_numpy(feed[name]) for name in f.ins])
        return f.named([value.numpy() for value in results])

    return step


def jaxonnxruntime(f: StepFile) -> Step:
    jax, call = import_module("jax"), import_module("jaxonnxruntime.call_onnx").call_onnx_model
    function, weights = call(f.proto, {n: np.zeros(s, np.float32) for n, s in f.ins.items()})
    compiled = jax.jit(lambda values: function(weights, values))
    return lambda feed: f.named(compiled([feed[name] for name in f.ins]))


def tinygrad(f: StepFile) -> Step:
    Tensor = import_module("tinygrad").Tensor
    run = import_module("tinygrad.nn.onnx").OnnxRunner(str(f.path))

    def step(feed: Values) -> Values:
        results = run({name: Tensor(value) for name, value in feed.items()})
        return f.named([results[name].numpy() for name in f.outs])

    return step


def opencv(f: StepFile) -> Step:
    net = import_module("cv2").dnn.readNetFromONNX(str(f.path))

    def step(feed: Values) -> Values:
        for name in f.ins:
            net.setInput(feed[name], name)
        return f.named(net.forward(list(f.outs)))

    return step
