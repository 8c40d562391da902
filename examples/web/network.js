// A WebAssembly artifact: `await load("artifact")`, then one Stream per sequence of steps.

const aligned = (address) => Math.ceil(address / 64) * 64;

export async function load(folder) {
  const fetched = async (name) => {
    const answer = await fetch(`${folder}/${name}`);
    if (!answer.ok) {
      throw new Error(`${folder}/${name}: ${answer.status}; is the artifact built?`);
    }
    return answer;
  };
  const manifest = await (await fetched("manifest.json")).json();
  const module = await (await fetched(manifest.image)).arrayBuffer();
  const { instance } = await WebAssembly.instantiate(module); // it imports nothing
  const network = new Network(manifest, instance.exports);
  if (network.call("self_test") !== 0) {
    throw new Error("the module is damaged");
  }
  return network;
}

class Network {
  constructor(manifest, exports) {
    this.manifest = manifest;
    this.exports = exports;
    this.free = aligned(exports.__heap_base.value); // the memory from here on is the caller's
  }

  call(entry, ...values) {
    return this.exports[`${this.manifest.name}_${entry}`](...values);
  }

  // Addresses of fresh memory, one for each number of bytes.
  allocate(...sizes) {
    const places = sizes.map((size) => {
      const place = this.free;
      this.free = aligned(place + size);
      return place;
    });
    const missing = this.free - this.exports.memory.buffer.byteLength;
    if (missing > 0) {
      this.exports.memory.grow(Math.ceil(missing / 65536));
    }
    return places;
  }

  // Views last until the memory grows, so they are made when they are read.
  view(Kind, place, length) {
    return new Kind(this.exports.memory.buffer, place, length);
  }

  label(number) {
    const place = this.call("label", number);
    if (place === 0) {
      return String(number);
    }
    const bytes = this.view(Uint8Array, place);
    return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
  }
}

export class Stream {
  constructor(network) {
    const { inputs, outputs } = network.manifest;
    this.network = network;
    this.scoreBytes = 16 * outputs + 8; // the struct <name>_score of the header; `of`, its sums, come first
    const sizes = [network.call("state_bytes"), inputs, 4 * outputs, this.scoreBytes];
    [this.state, this.x, this.y, this.score] = network.allocate(...sizes);
    this.reset();
  }

  reset() {
    this.network.call("reset", this.state);
    this.network.view(Uint8Array, this.score, this.scoreBytes).fill(0);
    this.steps = 0;
  }

  // One step: counts of the inputs, one byte each. The class so far, by the network's own rule.
  step(counts) {
    const { network } = this;
    network.view(Uint8Array, this.x, network.manifest.inputs).set(counts);
    if (network.call("step", this.state, this.x, this.y) !== 0) {
      throw new Error("the step was refused");
    }
    this.steps += 1;
    return network.call("decide", this.score, this.y);
  }

  // Mean share of each class since the reset; they sum to 1.
  shares() {
    const sums = this.network.view(Float64Array, this.score, this.network.manifest.outputs);
    return [...sums].map((sum) => sum / Math.max(this.steps, 1));
  }

  // A part of the state, such as the membranes "l1_v"; the manifest has their places.
  part(name) {
    const { offset, elements } = this.network.manifest.state[name];
    return this.network.view(Float32Array, this.state + offset, elements);
  }
}
