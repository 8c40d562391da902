// The page: words and their steps in, pictures and the class out.
import { file, microphone } from "./audio.js";
import { Listener } from "./listener.js";
import { load, Stream } from "./network.js";
import { Raster } from "./raster.js";

const WINDOW = 240; // steps that the pictures show
const $ = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const later = () => new Promise((done) => requestAnimationFrame(done));

const labelOf = (file) => file.slice(3, -3); // 17_zero.u8

class Page {
  constructor() {
    this.run = 0; // a number per run: what runs stops when another starts
    this.stop = () => {};
  }

  // Pictures and bars for a network.
  use(network) {
    const { inputs, outputs, state } = network.manifest;
    this.network = network;
    this.layer = Object.keys(state).filter((name) => /^l\d+_v$/.test(name)).pop();
    this.inputs = new Raster($("inputs"), inputs, WINDOW, (count) => count / 3);
    this.membranes = new Raster($("membranes"), state[this.layer].elements, WINDOW, (v) => Math.max(0, v));
    $("shares").replaceChildren();
    this.bars = Array.from({ length: outputs }, (_, k) => this.bar(k));
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

  // A number for what starts now; what ran before ends.
  begin() {
    this.run += 1;
    this.say("");
    $("microphone").setAttribute("aria-pressed", "false");
    const stop = this.stop;
    this.stop = () => {};
    stop();
    return this.run;
  }

  draw(counts, stream) {
    this.inputs.push(counts);
    this.membranes.push(stream.part(this.layer));
  }

  show(best, stream) {
    const shares = stream.shares();
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

  // Items at a pace, as many per frame as their time has come for; false where another run began.
  async pace(run, items, ms, take) {
    for (let t = 0, started = performance.now(); t < items.length; ) {
      await later();
      if (run !== this.run) {
        return false;
      }
      const ready = still.matches ? Infinity : Math.ceil((performance.now() - started) / ms);
      for (const due = Math.min(items.length, ready); t < due; t++) {
        take(items[t]);
      }
    }
    return true;
  }
}

// Words that are bundled: their spikes are steps already.
class Words {
  constructor(page, network, index) {
    this.page = page;
    this.network = network;
    this.index = index;
    this.stream = new Stream(network);
  }

  async counts(file) {
    const bytes = new Uint8Array(await (await fetch(`words/${file}`)).arrayBuffer());
    const { inputs } = this.network.manifest;
    return Array.from({ length: bytes.length / inputs }, (_, t) =>
      bytes.subarray(t * inputs, (t + 1) * inputs),
    );
  }

  // At the network's own pace, or slower.
  async play(file) {
    const { page, network, stream } = this;
    const run = page.begin();
    const steps = await this.counts(file);
    if (run !== page.run) {
      return;
    }
    const ms = network.manifest.dt_ms / Number($("speed").value);
    let best = -1;
    page.use(network);
    stream.reset();
    const whole = await page.pace(run, steps, ms, (counts) => {
      best = stream.step(counts);
      page.draw(counts, stream);
      page.show(best, stream);
    });
    if (whole) {
      page.say(`${labelOf(file)}: heard as ${network.label(best)}`);
    }
  }

  // Every word without a pause; what each was heard as.
  async all() {
    const { page, network, stream } = this;
    const run = page.begin();
    const heard = [];
    let right = 0;
    let ms = 0;
    for (const file of this.index.files) {
      const steps = await this.counts(file);
      if (run !== page.run) {
        return;
      }
      const started = performance.now();
      stream.reset();
      const word = network.label(steps.reduce((_, x) => stream.step(x), -1));
      ms += performance.now() - started;
      heard.push(`${file}: ${word}`);
      right += word === labelOf(file);
    }
    const each = (1000 * ms) / (heard.length * 80);
    page.say(`${right} of ${heard.length} right, ${each.toFixed(0)} µs per step of 10 ms`);
    document.body.dataset.heard = JSON.stringify(heard);
  }
}

// Sound: its spikes are made by the front end of the artifact.
class Sound {
  constructor(page, network) {
    this.page = page;
    this.network = network;
    this.listener = new Listener(network);
  }

  // What hears the blocks of a run, and lists the words; then what hears their end.
  ear() {
    const { page, network, listener } = this;
    const run = page.begin();
    const words = [];
    page.use(network);
    listener.reset();
    delete document.body.dataset.words;
    const word = (best) => {
      words.push(network.label(best));
      page.say(`Heard: ${words.slice(-8).join(", ")}`);
      document.body.dataset.words = JSON.stringify(words);
    };
    const hear = (block) => {
      if (run !== page.run) {
        return;
      }
      const { counts, best, final } = listener.hear(block);
      page.draw(counts, listener.stream);
      if (best >= 0) {
        page.show(best, listener.stream);
      }
      if (final) {
        word(best);
      }
    };
    const end = () => {
      const best = listener.end();
      if (best >= 0) {
        word(best);
      }
    };
    return { run, hear, end };
  }

  async microphone() {
    const { page } = this;
    const button = $("microphone");
    if (button.getAttribute("aria-pressed") === "true") {
      page.begin();
      return;
    }
    const { run, hear } = this.ear();
    const stop = await microphone(hear);
    if (run !== page.run) {
      stop();
      return;
    }
    page.stop = stop;
    button.setAttribute("aria-pressed", "true");
    page.say("Say a digit, in English or in German.");
  }

  async file(sound) {
    const { page } = this;
    const { run, hear, end } = this.ear();
    const blocks = await file(sound);
    if (run !== page.run) {
      return;
    }
    page.say("Listening…");
    if (!(await page.pace(run, blocks, 10, hear))) {
      return;
    }
    end();
    if (!document.body.dataset.words) {
      page.say("No word was heard.");
    }
  }
}

function enable(form) {
  form.querySelectorAll("[disabled]").forEach((element) => (element.disabled = false));
}

// A promise's error becomes the page's message.
const told = (page, action) => () => action().catch((error) => page.say(error.message));

async function start(page) {
  const network = await load("artifact");
  const index = await (await fetch("words/index.json")).json();
  const words = new Words(page, network, index);
  page.use(network);
  for (const label of index.labels) {
    const files = index.files.filter((file) => label === labelOf(file));
    files.forEach((file, i) => $("word").append(new Option(`${label} ${i + 1}`, file)));
  }
  $("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    told(page, () => words.play($("word").value))();
  });
  $("all").addEventListener("click", told(page, () => words.all()));
  enable($("controls"));
  page.say("Ready.");

  const sound = new Sound(page, await load("listening"));
  $("microphone").addEventListener("click", told(page, () => sound.microphone()));
  $("sound").addEventListener("change", () => {
    const [chosen] = $("sound").files;
    told(page, () => sound.file(chosen))();
  });
  enable($("listening"));
}

const page = new Page();
start(page).catch((error) => page.say(error.message));
