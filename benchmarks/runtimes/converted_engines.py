"""Runtimes behind a converter or a compiler, and those of other languages."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runtimes.python_engines import as_torch
from benchmarks.runtimes.step_file import Array, Step, StepFile, Values, run_tool

NODE = """const [name, file] = process.argv.slice(-2), ort = require(name);
(async () => {
  const session = await ort.InferenceSession.create(file);
  // not before: a line that comes while the session is made is lost
  const lines = require('readline').createInterface(process.stdin);
  for await (const line of lines) {
    const feed = {}, row = {}, calls = JSON.parse(line);
    for (const n in calls)
      feed[n] = new ort.Tensor('float32', Float32Array.from(calls[n][1]), calls[n][0]);
    const out = await session.run(feed);
    for (const n in out) row[n] = Array.from(out[n].data);
    console.log(JSON.stringify(row));
  }
  process.exit(0);
})();"""


def _folder() -> Path:
    return Path(tempfile.mkdtemp())


def mnn(f: StepFile) -> Step:
    target = _folder() / "m.mnn"
    files = ["--modelFile", str(f.path), "--MNNModel", str(target)]
    import_module("MNN")
    # the program of that name reports its use and installs packages on its way
    import_module("_tools").mnnconvert(["mnnconvert", "-f", "ONNX", *files, "--bizCode", "x"])
    expr = import_module("MNN.expr")
    net = import_module("MNN.nn").load_module_from_file(str(target), list(f.ins), list(f.outs))

    def step(feed: Values) -> Values:
        values = [
            expr.const(feed[n].ravel().tolist(), shape, expr.NCHW, expr.float)
            for n, shape in f.ins.items()
        ]
        return f.named([np.array(value.read()) for value in net.forward(values)])

    return step


def executorch(f: StepFile) -> Step:
    """By onnx2torch and torch.export."""
    module, torch = as_torch(f), import_module("torch")
    zeros = tuple(torch.zeros(shape) for shape in f.ins.values())
    program = torch.export.export(module, zeros, strict=False)
    lowered = import_module("executorch.exir").to_edge_transform_and_lower(program).to_executorch()
    runtime = import_module("executorch.runtime").Runtime.get()
    method = runtime.load_program(lowered.buffer).load_method("forward")

    def step(feed: Values) -> Values:
        results = method.execute([torch.from_numpy(feed[name]) for name in f.ins])
        return f.named([value.clone().numpy() for value in results])

    return step


def iree(f: StepFile) -> Step:
    """llvm-cpu, by torch-mlir's importer."""
    compiler, runtime = import_module("iree.compiler"), import_module("iree.runtime")
    text = _folder() / "m.mlir"
    run_tool("iree-import-onnx", str(f.path), "--opset-version", "18", "-o", str(text))
    # the generic CPU: another one contracts products and sums to one rounding
    flags = ["--iree-llvmcpu-target-cpu=generic"]
    binary = compiler.compile_file(
        str(text), target_backends=["llvm-cpu"], input_type="onnx", extra_args=flags
    )
    config = runtime.Config("local-sync")
    module = runtime.load_vm_module(
        runtime.VmModule.copy_buffer(config.vm_instance, binary), config
    )
    names = module.vm_module.function_names
    main = module[next(n for n in names if not n.startswith("__") and not n.endswith("$async"))]
    return lambda feed: f.named([np.array(o.to_host()) for o in main(*[feed[n] for n in f.ins])])


def litert(f: StepFile) -> Step:
    """By onnx2tf."""
    folder = _folder()
    run_tool("onnx2tf", "-i", str(f.path), "-o", str(folder), "-kat", *f.ins)
    (target,) = folder.glob("*_float32.tflite")
    interpreter = import_module("ai_edge_litert.interpreter").Interpreter(str(target))
    interpreter.allocate_tensors()
    places = {
        d["name"].split(":")[0].split("serving_default_")[-1]: d
        for d in interpreter.get_input_details()
    }
    outs = interpreter.get_output_details()

    def step(feed: Values) -> Values:
        for name, value in feed.items():
            interpreter.set_tensor(places[name]["index"], value.reshape(places[name]["shape"]))
        interpreter.invoke()
        return f.named([interpreter.get_tensor(d["index"]) for d in outs])

    return step


def ncnn(f: StepFile) -> Step:
    """By pnnx."""
    folder = _folder()
    copy = folder / "m.onnx"
    copy.write_bytes(f.path.read_bytes())
    sizes = ",".join(f"[{','.join(map(str, shape))}]" for shape in f.ins.values())
    run_tool("pnnx", str(copy), f"inputshape={sizes}", cwd=folder)
    module = import_module("ncnn")
    net = module.Net()
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    if net.load_param(str(folder / "m.ncnn.param")) or net.load_model(str(folder / "m.ncnn.bin")):
        raise RuntimeError("ncnn does not load what pnnx made")

    def step(feed: Values) -> Values:
        run = net.create_extractor()
        for k, name in enumerate(f.ins):
            run.input(f"in{k}", module.Mat(np.ascontiguousarray(feed[name][0])).clone())
        results = [run.extract(f"out{k}") for k in range(len(f.outs))]
        return f.named([np.array(value) for _, value in results])

    return step


def emx_onnx_cgen(f: StepFile) -> Step:
    """C code, compiled by cc."""
    source = _folder() / "m.c"
    inside = ["--large-weight-threshold", "0"]  # weights in the code, in no file beside it
    names = ["--model-name", "entry", str(f.path), str(source)]
    run_tool("emx-onnx-cgen", "compile", *inside, *names)
    return _compiled(f, source)


def onnx2c(f: StepFile) -> Step:
    """C code by the program that the variable ONNX2C names, compiled by cc."""
    source = _folder() / "m.c"
    source.write_text(run_tool(os.environ.get("ONNX2C", "onnx2c"), str(f.path)))
    return _compiled(f, source)


def _compiled(f: StepFile, source: Path) -> Step:
    target = source.with_suffix(".so")
    flags = ["-O2", "-ffp-contract=off", "-shared", "-fPIC"]
    run_tool("cc", *flags, str(source), "-o", str(target), "-lm")
    entry = ctypes.CDLL(str(target)).entry

    def step(feed: Values) -> Values:
        results = [np.zeros(shape, np.float32) for shape in f.outs.values()]
        values = [np.ascontiguousarray(feed[name]) for name in f.ins]
        entry(*[ctypes.c_void_p(value.ctypes.data) for value in (*values, *results)])
        return f.named(results)

    return step


def onnxruntime_node(f: StepFile) -> Step:
    return _in_node("onnxruntime-node", f)


def onnxruntime_web(f: StepFile) -> Step:
    """WebAssembly, in Node.js."""
    return _in_node("onnxruntime-web", f)


def _in_node(package: str, f: StepFile) -> Step:
    """A step in a process of Node.js that takes a line per call."""
    command = ["node", "-e", NODE, "--", package, str(f.path)]
    pipes: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    node = subprocess.Popen(command, text=True, **pipes)
    assert node.stdin is not None
    assert node.stdout is not None
    send, receive = node.stdin, node.stdout

    def listed(value: Array) -> list[Any]:
        return [list(value.shape), value.ravel().tolist()]

    def step(feed: Values) -> Values:
        send.write(json.dumps({name: listed(value) for name, value in feed.items()}) + "\n")
        send.flush()
        line = receive.readline()
        if not line:
            raise RuntimeError(node.communicate()[1].strip()[-600:])
        row = json.loads(line)
        return f.named([np.float32(row[name]) for name in f.outs])

    return step
