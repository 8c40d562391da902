// Runs one time step of a WebAssembly artifact, in which every input counts 1, and prints its outputs.
//
//   delrec-compile build net.safetensors --target wasm32 -o out
//   node docs/example_wasm.mjs out/lib/net.wasm net 140 20
import { readFileSync } from "node:fs"; // in a browser: await (await fetch(url)).arrayBuffer()

const [file, name, inputs, outputs] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(file)); // it imports nothing
const { memory, __heap_base, ...entries } = instance.exports;

if (entries[`${name}_self_test`]() !== 0) {
  throw new Error("the module is damaged");
}

// The memory from __heap_base on is yours: the state of one stream, its input, its output.
const aligned = (address) => Math.ceil(address / 64) * 64;
const state = aligned(__heap_base.value);
const x = aligned(state + entries[`${name}_state_bytes`]());
const y = aligned(x + Number(inputs));
const end = y + 4 * outputs;
if (end > memory.buffer.byteLength) {
  memory.grow(Math.ceil((end - memory.buffer.byteLength) / 65536));
}

// Views last until the memory grows again.
entries[`${name}_reset`](state);
new Uint8Array(memory.buffer, x, Number(inputs)).fill(1);
if (entries[`${name}_step`](state, x, y) !== 0) {
  throw new Error("refused");
}
console.log(JSON.stringify([...new Float32Array(memory.buffer, y, Number(outputs))]));
