// Sound as blocks of 10 ms: 160 samples of 16 bits at 16 kHz, from a microphone or from a file.

const RATE = 16000;
const BLOCK = 160;
const HALF_WIDTH = 16; // zero crossings of the low-pass on each side

// From any rate to 16 kHz by a windowed sinc; each full block is given to `take`.
export class Blocks {
  constructor(rate, take) {
    this.take = take;
    this.ratio = rate / RATE;
    this.scale = Math.max(1, this.ratio); // below half the lower of both rates
    this.reach = Math.ceil(HALF_WIDTH * this.scale);
    this.heard = new Array(this.reach).fill(0); // samples that outputs still need
    this.next = this.reach; // place of the next output among them
    this.block = new Int16Array(BLOCK);
    this.filled = 0;
  }

  push(samples) {
    this.heard.push(...samples);
    for (; this.next + this.reach < this.heard.length; this.next += this.ratio) {
      this.emit(this.at(this.next));
    }
    const past = Math.max(0, Math.floor(this.next) - this.reach);
    this.heard.splice(0, past);
    this.next -= past;
  }

  at(place) {
    const first = Math.ceil(place - this.reach);
    const last = Math.floor(place + this.reach);
    let sum = 0;
    for (let k = first; k <= last; k++) {
      const t = (k - place) / this.scale;
      const sinc = t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t);
      const hann = 0.5 + 0.5 * Math.cos((Math.PI * t) / HALF_WIDTH);
      sum += (this.heard[k] * sinc * hann) / this.scale;
    }
    return sum;
  }

  emit(sample) {
    this.block[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(32768 * sample)));
    if (this.filled === BLOCK) {
      this.filled = 0;
      this.take(this.block.slice());
    }
  }
}

// A microphone; what is returned stops it.
export async function microphone(take) {
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const context = new AudioContext();
  await context.audioWorklet.addModule("tap.js");
  const tap = new AudioWorkletNode(context, "tap");
  const blocks = new Blocks(context.sampleRate, take);
  tap.port.onmessage = ({ data }) => blocks.push(data);
  context.createMediaStreamSource(stream).connect(tap).connect(context.destination);
  return () => {
    stream.getTracks().forEach((track) => track.stop());
    context.close();
  };
}

// All blocks of a sound file.
export async function file(sound) {
  const found = [];
  const context = new OfflineAudioContext(1, 1, RATE); // it decodes to this rate
  const decoded = await context.decodeAudioData(await sound.arrayBuffer());
  const blocks = new Blocks(RATE, (block) => found.push(block));
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, i) => decoded.getChannelData(i));
  const mixed = channels[0].map((_, t) => channels.reduce((sum, c) => sum + c[t], 0) / channels.length);
  for (let at = 0; at < mixed.length; at += 4096) {
    blocks.push(mixed.subarray(at, at + 4096));
  }
  blocks.push(new Float32Array(blocks.reach)); // silence, for what is still held
  return found;
}
