// The page: words and their steps in, pictures and the class out.
import { load, Stream } from "./network.js";
import { Raster } from "./raster.js";

const WINDOW = 240; // steps that the pictures show
const $ = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const later = () => new Promise((done) => requestAnimationFrame(done));

const labelOf = (file) => file.slice(3, -3); // 17_zero.u8

class Page {
  constructor(network, index) {
    const { inputs, outputs, state } = network.manifest;
    this.network = network;
    this.index = index;
    this.stream = new Stream(network);
    this.inputs = new Raster($("inputs"), inputs, WINDOW, (count) => count / 3);
    this.membranes = new Raster($("membranes"), state.l1_v.elements, WINDOW, (v) => Math.max(0, v));
    this.bars = Array.from({ length: outputs }, (_, k) => this.bar(k));
    this.run = 0; // a number per run: what runs stops when another starts
  }

  bar(number) {
    const row = document.createElement("li");
    const meter = document.createElement("meter");
    const label = this.network.label(number);
    meter.setAttribute("aria-label", label);
    row.append(Object.assign(document.createElement("span"), { textContent: label }), meter);
    $("shares").append(row);
    return meter;
  }

  reset() {
    this.stream.reset();
    this.inputs.clear();
    this.membranes.clear();
  }

  // One step, drawn.
  step(counts) {
    const best = this.stream.step(counts);
    this.inputs.push(counts);
    this.membranes.push(this.stream.part("l1_v"));
    return best;
  }

  show(best) {
    const shares = this.stream.shares();
    this.bars.forEach((meter, k) => {
      meter.value = shares[k];
      meter.parentElement.toggleAttribute("data-best", k === best);
    });
    $("class").textContent = this.network.label(best);
    $("confidence").textContent = `${Math.round(100 * shares[best])} %`;
  }

  say(text) {
    $("told").textContent = text;
  }

  async counts(file) {
    const bytes = new Uint8Array(await (await fetch(`words/${file}`)).arrayBuffer());
    const { inputs } = this.network.manifest;
    return Array.from({ length: bytes.length / inputs }, (_, t) =>
      bytes.subarray(t * inputs, (t + 1) * inputs),
    );
  }

  // Steps at the network's own pace, or slower: as many per frame as its time has come for.
  async play(file) {
    const run = ++this.run;
    const steps = await this.counts(file);
    const ms = this.network.manifest.dt_ms / Number($("speed").value);
    this.reset();
    this.say("");
    let best = -1;
    for (let t = 0, started = performance.now(); t < steps.length && run === this.run; ) {
      await later();
      const ready = still.matches ? Infinity : Math.ceil((performance.now() - started) / ms);
      const due = Math.min(steps.length, ready);
      for (; t < due; t++) {
        best = this.step(steps[t]);
      }
      if (best >= 0) {
        this.show(best);
      }
    }
    if (run === this.run) {
      this.say(`${labelOf(file)}: heard as ${this.network.label(best)}`);
    }
  }

  // Every word without a pause; what each was heard as.
  async all() {
    const run = ++this.run;
    const heard = [];
    let right = 0;
    let ms = 0;
    for (const file of this.index.files) {
      const steps = await this.counts(file);
      const started = performance.now();
      this.stream.reset();
      const word = this.network.label(steps.reduce((_, x) => this.stream.step(x), -1));
      ms += performance.now() - started;
      heard.push(`${file}: ${word}`);
      right += word === labelOf(file);
    }
    if (run === this.run) {
      const each = (1000 * ms) / (heard.length * 80);
      this.say(`${right} of ${heard.length} right, ${each.toFixed(0)} µs per step of 10 ms`);
      document.body.dataset.heard = JSON.stringify(heard);
    }
  }
}

async function start() {
  const network = await load("artifact");
  const index = await (await fetch("words/index.json")).json();
  const page = new Page(network, index);
  for (const label of index.labels) {
    const files = index.files.filter((file) => label === labelOf(file));
    files.forEach((file, i) => $("word").append(new Option(`${label} ${i + 1}`, file)));
  }
  $("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    page.play($("word").value);
  });
  $("all").addEventListener("click", () => page.all());
  $("controls").querySelectorAll("[disabled]").forEach((element) => (element.disabled = false));
  page.say("Ready.");
}

start().catch((error) => ($("told").textContent = error.message));
