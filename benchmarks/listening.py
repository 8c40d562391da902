"""Live listening against batch, on words of voices that no training sample has.

    python -m benchmarks.listening [WORDS] [--model MODEL] [--set valid]

The words of `data synth` are spoken by espeak-ng one after the other in steady noise, with pauses, into
one WAV file of 16 bits. Live: `listen` on that file, which finds the words itself. Batch: the file cut
at the known places, one second each, through the FFT cochlea, all steps of the network. Prints one JSON
object: both accuracies, words missed and heard where none was, cochlea against cochlea, and times.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.data import synth, utterances, voices
from delrec_compile.data.cochlea import RATE_HZ, UNITS, Cochlea, Float
from delrec_compile.data.streaming import StreamingCochlea
from delrec_compile.evaluation.latency.bench import ONE_THREAD
from delrec_compile.evaluation.listening import engine, sources
from delrec_compile.evaluation.listening.listener import STEPS, Listener, Word
from delrec_compile.ops.readout import decide

PAUSE_S = (0.6, 1.0)
SNR_DB = 20.0
BEFORE_S = 0.1  # of the second that batch is given, in front of the word
ROUNDS, ROUND_S = 9, 10  # of the time
NEAR_S = 0.3  # a word is heard where it begins within this


@dataclass(frozen=True)
class Spoken:
    """A WAV file's samples, and where each word begins and ends in it, in samples."""

    samples: Float
    labels: list[int]
    starts: list[int]
    ends: list[int]


def spoken(words: int, name: str = "test", seed: int = 0) -> Spoken:
    """The first words of a set of `data synth`, one after the other, in coloured noise."""
    speak = partial(voices.say, voices.find_espeak())
    rng = np.random.default_rng([seed, words])
    parts: list[Float] = [np.zeros(RATE_HZ // 2, np.float32)]
    starts, ends, at = [], [], len(parts[0])
    plan = synth.plan(name, -(-words // len(voices.WORDS)), seed)[:words]
    for utterance in plan:
        word = utterances.spoken_word(speak, utterance)
        word *= np.float32(utterances.LEVEL / np.sqrt(np.mean(word**2)))
        word *= np.float32(10 ** (rng.uniform(*utterances.GAIN_DB) / 20))
        pause = np.zeros(int(rng.uniform(*PAUSE_S) * RATE_HZ), np.float32)
        starts.append(at)
        ends.append(at + len(word))
        parts += [word, pause]
        at += len(word) + len(pause)
    samples = np.concatenate([*parts, np.zeros(RATE_HZ, np.float32)])
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    spectrum *= np.arange(1.0, len(spectrum) + 1) ** -0.5
    noise = np.fft.irfft(spectrum, len(samples))
    noise *= utterances.LEVEL * 10 ** (-SNR_DB / 20) / np.sqrt(np.mean(noise**2))
    return Spoken((samples + noise).astype(np.float32), [u.label for u in plan], starts, ends)


def batch_classes(listener: Listener, said: Spoken) -> list[int]:
    """Classes of each word, cut at its place, by the FFT cochlea and the same library."""
    cochlea, group = Cochlea.build(), UNITS // listener.takes.inputs
    silent = np.zeros((1, cochlea.steps, UNITS), np.float32)
    before, classes = int(BEFORE_S * RATE_HZ), []
    for start in said.starts:
        clip = said.samples[start - before :][:RATE_HZ]
        spikes = cochlea.spikes(clip[None], silent)[0]
        counts = binned(spikes, listener.step_ms, group)[: listener.takes.steps or STEPS]
        y = listener.session.trace_once(counts[:, None]).y[..., : listener.takes.outputs]
        classes.append(int(decide(listener.decision, y)[0]))
    return classes


def binned(spikes: npt.NDArray[np.bool_], step_ms: int, group: int) -> Float:
    """(milliseconds, units) -> counts (steps, channels)."""
    steps = len(spikes) // step_ms
    grouped = spikes[: steps * step_ms].reshape(steps, step_ms, -1, group)
    return np.asarray(grouped.sum(axis=(1, 3)), np.float32)


def cochleas(said: Spoken, most: int = 100) -> dict[str, float]:
    """The streaming cochlea against the FFT one on each word's second: counts of 5 units x 10 ms."""
    fft, stream = Cochlea.build(), StreamingCochlea()
    silent = np.zeros((1, fft.steps, UNITS), np.float32)
    correlations, spikes, differing, moved = [], 0, 0, 0.0
    for start in said.starts[:most]:
        clip = said.samples[start - int(BEFORE_S * RATE_HZ) :][:RATE_HZ]
        stream.reset()
        a, b = fft.spikes(clip[None], silent)[0], stream.spikes(clip)
        counts = [binned(s, 10, 5) for s in (a, b)]
        correlations.append(np.corrcoef(counts[0].ravel(), counts[1].ravel())[0, 1])
        spikes, differing = spikes + int(a.sum()), differing + int((a != b).sum())
        moved += float(np.abs(counts[0] - counts[1]).sum())
    return {
        "words": len(correlations),
        "correlation_of_counts": float(np.mean(correlations)),
        "spikes": spikes,
        "spikes_at_another_millisecond": differing / (2 * spikes),
        "counts_that_differ": moved / (2 * spikes),
    }


def cpu_for_a_second(artifact: Path, said: Spoken) -> float:
    """Seconds of one core for a second of audio: the least of ROUNDS runs over the first words."""
    part = said.samples[: ROUND_S * RATE_HZ]
    blocks, spent = np.split(part, range(sources.BLOCK, len(part), sources.BLOCK)), []
    for _ in range(ROUNDS):
        listener = engine.open_listener(artifact)
        source = sources.Source((block, time.perf_counter()) for block in blocks)
        began = time.process_time()
        for _word in listener.listen(source):
            pass
        spent.append((time.process_time() - began) / (len(part) / RATE_HZ))
    return min(spent)


def matched(said: Spoken, heard: list[Word]) -> tuple[list[int | None], int]:
    """Class heard for each word, None where none was, and the number of words heard in excess."""
    classes: list[int | None] = [None] * len(said.labels)
    extra = 0
    for word in heard:
        begins = np.array(said.starts) / RATE_HZ - word.start_s
        nearest = int(np.abs(begins).argmin())
        if classes[nearest] is None and abs(begins[nearest]) < NEAR_S:
            classes[nearest] = word.label
        else:
            extra += 1
    return classes, extra


def measure(words: int, model: str, name: str = "test") -> dict[str, Any]:
    """All figures, with the network of that name."""
    from scipy.io import wavfile

    artifact = engine.artifact_of(model) or Path(engine.build_kept(model))
    said = spoken(words, name)
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        path = Path(folder) / "words.wav"
        wavfile.write(path, RATE_HZ, np.round(said.samples * 32767).astype(np.int16))
        listener, source = engine.open_listener(artifact), sources.of_file(path)
        heard = list(listener.listen(source))
    timing = listener.timing(source)
    live, extra = matched(said, heard)
    batch = batch_classes(listener, said)
    labels = said.labels
    return {
        "words": words,
        "set": name,
        "model": model,
        "accuracy_live": sum(a == b for a, b in zip(live, labels, strict=True)) / words,
        "accuracy_batch": sum(a == b for a, b in zip(batch, labels, strict=True)) / words,
        "same_class": sum(a == b for a, b in zip(live, batch, strict=True)) / words,
        "missed": live.count(None),
        "heard_in_excess": extra,
        "cpu_for_a_second": cpu_for_a_second(artifact, said),
        "timing": asdict(timing),
        "cochlea": cochleas(said),
    }


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("words", type=int, nargs="?", default=400)
    parser.add_argument("--model", default="conv_delay_256")
    parser.add_argument("--set", default="test", choices=synth.SETS)
    options = parser.parse_args()
    os.environ.update(ONE_THREAD)
    print(json.dumps(measure(options.words, options.model, options.set), indent=2))


if __name__ == "__main__":
    main()
