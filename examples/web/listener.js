// From sound to words: the front end of the artifact, a gate, and the network from the start of each word.
import { Stream } from "./network.js";

const EMPHASIS = 0.97; // share of the sample before that is taken off: rooms hum, words hiss
const QUIET_DB = -80; // relative to full scale: below it nothing is sound
const START_DB = -50; // of the background at most, until it is known
const OPEN_DB = 7; // above the background
const CLOSE_DB = 4;
const SMOOTH = 3; // steps of 10 ms
const BACKGROUND = 150; // steps in which its least energy is taken
const HANG = 25; // quiet steps that end a word: more than the closure of a stop
const CLICK = 3 + SMOOTH - 1; // shorter sounds open nothing
const LEAD = 12; // steps before the gate opened, which a word begins with
const LONGEST = 80; // steps of a word

// Told the samples of each step; `open` says whether a word is being spoken.
class Gate {
  constructor() {
    this.reset();
  }

  reset() {
    this.recent = [];
    this.levels = [];
    this.loud = this.quiet = 0; // steps in a row
    this.before = 0; // the last sample
    this.known = false; // whether the background was heard
    this.open = this.sure = false;
    this.peak = QUIET_DB; // since it opened
  }

  // Whether it opened at more than the background, before that was known.
  get sound() {
    return this.sure || this.peak - this.background() > OPEN_DB;
  }

  hear(samples) {
    const level = this.level(samples);
    this.levels = [...this.levels, level].slice(-BACKGROUND);
    const above = level - this.background();
    this.loud = above > OPEN_DB ? this.loud + 1 : 0;
    this.quiet = above > CLOSE_DB ? 0 : this.quiet + 1;
    if (!this.open) {
      [this.sure, this.peak] = [this.known, level];
    }
    this.peak = Math.max(this.peak, level);
    this.open = this.open ? this.quiet < HANG : this.loud >= CLICK;
    return this.open;
  }

  background() {
    const least = Math.max(Math.min(...this.levels), QUIET_DB);
    if (!this.known) {
      const near = this.levels.filter((level) => level < least + CLOSE_DB).length;
      this.known = near >= HANG || this.levels.length === BACKGROUND;
    }
    return this.known ? least : Math.min(least, START_DB);
  }

  level(samples) {
    let sum = 0;
    for (const sample of samples) {
      const now = sample / 32768;
      sum += (now - EMPHASIS * this.before) ** 2;
      this.before = now;
    }
    this.recent = [...this.recent, sum / samples.length].slice(-SMOOTH);
    const mean = this.recent.reduce((a, b) => a + b) / this.recent.length;
    return 10 * Math.log10(mean + 1e-12);
  }
}

export class Listener {
  constructor(network) {
    const { manifest } = network;
    this.network = network;
    this.stream = new Stream(network);
    this.gate = new Gate();
    this.block = (16000 * manifest.dt_ms) / 1000;
    const sizes = [network.call("listener_bytes"), 2 * this.block, manifest.inputs];
    [this.sound, this.pcm, this.counts] = network.allocate(...sizes);
    this.reset();
  }

  // Silence so far.
  reset() {
    this.gate.reset();
    this.network.call("frontend_reset", this.sound);
    this.lead = [];
    this.heard = 0; // steps of the word
    this.decided = true;
    this.speaking = false;
  }

  // A step of 160 samples: counts of its spikes, the class so far (-1 between words), whether it is final.
  hear(samples) {
    const { network } = this;
    network.view(Int16Array, this.pcm, this.block).set(samples);
    network.call("frontend", this.sound, this.pcm, this.counts);
    const counts = network.view(Uint8Array, this.counts, network.manifest.inputs).slice();
    this.lead = [...this.lead, counts].slice(-LEAD);
    const open = this.gate.hear(samples);
    let best = -1;
    if (open && !this.speaking) {
      this.stream.reset();
      this.decided = false;
      this.heard = this.lead.length;
      best = this.lead.reduce((_, x) => this.stream.step(x), -1);
    } else if (!this.decided) {
      this.heard += 1;
      best = this.stream.step(counts);
    }
    const ended = !this.decided && (!open || this.heard >= LONGEST);
    this.decided ||= ended;
    this.speaking = open;
    this.best = best;
    return { counts, best, final: ended && this.gate.sound };
  }

  // The class of the word that the end of the sound cuts off; -1 between words.
  end() {
    const best = this.decided || !this.gate.sound ? -1 : this.best;
    this.decided = true;
    return best;
  }
}
