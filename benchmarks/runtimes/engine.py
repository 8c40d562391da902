"""One engine on files, in its own environment.

    python -m benchmarks.runtimes.engine ENGINE FILE.onnx ...

Prints a line of JSON for each file. Imports nothing of the package.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.runtimes import converted_engines as converted
from benchmarks.runtimes import python_engines as python
from benchmarks.runtimes.step_file import Step, StepFile, compare

ENGINES: dict[str, Callable[[StepFile], Step]] = {
    each.__name__: each
    for each in (
        python.onnxruntime,
        python.onnxruntime_ort_format,
        converted.onnxruntime_node,
        converted.onnxruntime_web,
        python.reference,
        python.newer_opset,
        python.onnxslim,
        python.onnxsim,
        python.tvm,
        python.tract,
        python.openvino,
        python.onnx2torch,
        python.torch_compile,
        python.jaxonnxruntime,
        python.tinygrad,
        python.opencv,
        converted.mnn,
        converted.executorch,
        converted.iree,
        converted.litert,
        converted.ncnn,
        converted.emx_onnx_cgen,
        converted.onnx2c,
    )
}
SAID = 300  # characters of an engine's error


def main(engine: str, *paths: str) -> None:
    for path in map(Path, paths):
        try:
            f = StepFile.read(path)
            row = compare(f, ENGINES[engine](f))
        except Exception as error:  # each engine has errors of its own
            why = " ".join(f"{type(error).__name__}: {error}".split())
            row = {"verdict": "refuses", "why": why[:SAID]}
        print("\n" + json.dumps({"file": path.stem, **row}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
