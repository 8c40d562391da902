"""Names the words of raw files with ONNX Runtime: `python classify.py step.onnx FILE..`."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime


class Stream:
    """A stream of steps: what the graph gives as `present_<name>` goes back in as `past_<name>`."""

    def __init__(self, file: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            file, options, providers=["CPUExecutionProvider"]
        )
        self.past = [i for i in self.session.get_inputs() if i.name.startswith("past_")]
        self.outputs = ["y", *(i.name.replace("past_", "present_") for i in self.past)]
        self.inputs = self.session.get_inputs()[0].shape[1]
        self.reset()

    @property
    def labels(self) -> list[str]:
        return json.loads(self.session.get_modelmeta().custom_metadata_map["delrec.labels"])

    def reset(self) -> None:
        """Zeros are a fresh stream; 1 stands for the open size of the batch."""
        self.state = {i.name: np.zeros([1, *i.shape[1:]], np.float32) for i in self.past}

    def step(self, x: np.ndarray) -> np.ndarray:
        """x (inputs,) counts -> y (outputs,)."""
        y, *present = self.session.run(self.outputs, {"x": x[None], **self.state})
        self.state = {i.name: value for i, value in zip(self.past, present, strict=True)}
        return y[0]


def classify(stream: Stream, word: np.ndarray) -> int:
    """The class whose softmax, summed over the steps, is largest: the rule of its training."""
    stream.reset()
    y = np.stack([stream.step(x) for x in word]).astype(np.float64)
    shares = np.exp(y - y.max(axis=1, keepdims=True))
    return int((shares / shares.sum(axis=1, keepdims=True)).sum(axis=0).argmax())


if __name__ == "__main__":
    stream = Stream(sys.argv[1])
    for file in sys.argv[2:]:
        counts = np.fromfile(file, np.uint8).reshape(-1, stream.inputs).astype(np.float32)
        print(f"{Path(file).name}: {stream.labels[classify(stream, counts)]}")
