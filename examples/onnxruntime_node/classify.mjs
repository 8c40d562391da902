// Names the words of raw files with the exported step in ONNX Runtime:
//   node classify.mjs step.onnx index.json FILE..
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";

const [model, index, ...files] = process.argv.slice(2);
const { labels } = JSON.parse(readFileSync(index, "utf8"));
const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
const shapes = new Map(session.inputMetadata.map(({ name, shape }) => [name, shape]));
const past = session.inputNames.filter((name) => name.startsWith("past_"));
const inputs = shapes.get("x")[1];

const floats = (data, shape) => new Tensor("float32", Float32Array.from(data), shape);

// Zeros are a fresh stream; 1 stands for the open size of the batch.
function freshState() {
  return Object.fromEntries(
    past.map((name) => {
      const shape = [1, ...shapes.get(name).slice(1)];
      return [name, floats(new Array(shape.reduce((a, b) => a * b)).fill(0), shape)];
    }),
  );
}

function softmax(y) {
  const largest = Math.max(...y);
  const powers = y.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((value) => value / sum);
}

// The class whose softmax, summed over the steps, is largest: the rule of its training.
async function classify(counts) {
  let state = freshState();
  const score = new Array(labels.length).fill(0);
  for (let at = 0; at < counts.length; at += inputs) {
    const x = floats(counts.subarray(at, at + inputs), [1, inputs]);
    const step = await session.run({ x, ...state });
    softmax([...step.y.data]).forEach((share, k) => (score[k] += share));
    state = Object.fromEntries(past.map((name) => [name, step[name.replace("past_", "present_")]]));
  }
  return score.indexOf(Math.max(...score));
}

for (const file of files) {
  console.log(`${basename(file)}: ${labels[await classify(readFileSync(file))]}`);
}
