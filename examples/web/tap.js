// In the audio thread: hands what is heard to the page, and is silent itself.
class Tap extends AudioWorkletProcessor {
  process([input]) {
    if (input.length > 0) {
      this.port.postMessage(input[0].slice());
    }
    return true;
  }
}

registerProcessor("tap", Tap);
