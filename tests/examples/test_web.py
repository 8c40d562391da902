"""The web page in Chromium: it names the bundled words, draws their spikes, and is sound."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io.wavfile
import torch
from axe_playwright_python.sync_playwright import Axe
from fixtures.examples import EXAMPLES, Makers, commands, needs
from playwright.sync_api import sync_playwright

from delrec_compile.data.samples import read_samples
from delrec_compile.data.sounds import bundled_sounds
from delrec_compile.evaluation.listening.gate import Gate
from delrec_compile.network import checkpoint
from delrec_compile.network.front_end import front_end_of
from delrec_compile.network.torch_step import Step

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), NAMES[0])
# whether each pixel of a canvas has colour, rows of a picture from above
DRAWN = """id => { const c = document.getElementById(id), {width, height} = c;
    const {data} = c.getContext("2d").getImageData(0, 0, width, height);
    return [width, Array.from({length: width * height}, (_, i) => +(data[4 * i + 3] > 0))]; }"""
Open = Callable[..., Any]
SOUNDS, SPOKEN = bundled_sounds(), 4


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(makers: Makers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the page, served as its README says."""
    needs(BROWSER)
    root = tmp_path_factory.mktemp("page")
    folder = shutil.copytree(EXAMPLES / "web", root / "web")
    *makes, serve = commands("web")
    assert not any(makers.follow(line, folder) for line in makes)
    assert serve.startswith("python -m http.server")
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV file of the bundled sounds, between silences."""
    file = tmp_path_factory.mktemp("speech") / "words.wav"
    spoken = SOUNDS.pcm[:SPOKEN]
    quiet = np.random.default_rng(0).integers(-3, 4, (len(spoken), 6400)).astype(np.int16)
    parts = [part for pair in zip(quiet, spoken, strict=True) for part in pair]
    scipy.io.wavfile.write(file, 16_000, np.concatenate([*parts, quiet[0]]))
    return file


@pytest.fixture(scope="module")
def opened(address: str, speech: Path) -> Iterator[Open]:
    """`opened(width, scheme, **options)`: the page, ready, in a window of its own."""
    microphone = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    microphone += [f"--use-file-for-fake-audio-capture={speech}%noloop"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", *microphone]
        )

        def at(width: int = 1200, scheme: str = "light", **options: Any) -> Any:
            window = {"width": width, "height": 900}
            tab = browser.new_context(viewport=window, color_scheme=scheme, **options).new_page()
            tab.heard, tab.asked = [], []
            tab.on("console", lambda m: tab.heard.append(m.text))
            tab.on("pageerror", lambda e: tab.heard.append(str(e)))
            tab.on("request", lambda r: tab.asked.append(r.url))
            tab.goto(address)
            tab.wait_for_selector("#microphone:enabled")
            return tab

        yield at
        browser.close()


def test_it_names_all_words(opened: Open, classified: list[str]) -> None:
    tab = opened()
    tab.click("#all")
    tab.wait_for_selector("body[data-heard]")
    assert tab.evaluate("JSON.parse(document.body.dataset.heard)") == classified
    assert tab.locator("#told").inner_text().startswith("85 of 100 right")


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_word_is_played_and_drawn(opened: Open, classified: list[str], motion: str) -> None:
    tab = opened(reduced_motion=motion)
    tab.locator("#word").select_option("01_three.u8")
    tab.locator("#word").press("Tab")
    tab.locator("button.first").press("Enter")
    tab.wait_for_selector("#told:has-text('three: heard as three')")
    width, pixels = tab.evaluate(DRAWN, "inputs")
    picture = np.reshape(pixels, (-1, width))
    counts = read_samples("samples").counts[1]
    np.testing.assert_array_equal(picture[:, -len(counts) :], (counts > 0).T)
    assert not picture[:, : -len(counts)].any()
    width, pixels = tab.evaluate(DRAWN, "membranes")
    assert 0.1 < np.reshape(pixels, (-1, width))[:, -len(counts) :].mean() < 0.9
    assert tab.locator("#class").inner_text() == "three"
    assert tab.locator("li[data-best]").inner_text() == "three"
    shares = tab.evaluate("[...document.querySelectorAll('meter')].map(m => m.value)")
    assert sum(shares) == pytest.approx(1)
    assert tab.locator("#confidence").inner_text() == f"{100 * max(shares):.0f} %"


def words_in(pcm: np.ndarray) -> list[str]:
    """What is heard in a recording: front end and gate in NumPy, network in PyTorch."""
    network = checkpoint.load("conv_delay_128_listening")
    front, gate, step = front_end_of(network), Gate(), Step(network)
    blocks = pcm[: len(pcm) // front.block * front.block].reshape(-1, front.block)
    counts = torch.from_numpy(front.encode(pcm[None])[0].astype(np.float32))
    words, state, score, first = [], None, np.zeros(0), -1
    for t, block in enumerate(blocks):
        was_open = gate.open
        if gate.hear(block.astype(np.float32) / 32768) and not was_open:
            first, state, score = max(0, t - 11), step.reset(1), np.zeros(network.outputs)
            heard = range(first, t + 1)
        elif first >= 0:
            heard = range(t, t + 1)
        else:
            continue
        for now in heard:
            y, *_, state = step.inside(counts[now][None], state)
            powers = np.exp(y[0].numpy().astype(np.float64))
            score += powers / powers.sum()
        if not gate.open or t + 1 - first >= 80:
            words.append(network.labels[score.argmax()])
            first = -1
    return words if first < 0 else [*words, network.labels[score.argmax()]]


def test_a_sound_file_is_heard(opened: Open, speech: Path) -> None:
    tab = opened(reduced_motion="reduce")
    tab.set_input_files("#sound", speech)
    tab.wait_for_selector("body[data-words]")
    expected = words_in(scipy.io.wavfile.read(speech)[1])
    assert tab.evaluate("JSON.parse(document.body.dataset.words)") == expected
    assert tab.locator("#told").inner_text() == f"Heard: {', '.join(expected[-8:])}"
    right = [SOUNDS.keys[label] for label in SOUNDS.labels[:SPOKEN]]
    assert sum(map(str.__eq__, expected, right)) >= 3


def test_a_sound_file_may_end_within_its_word(opened: Open, tmp_path: Path) -> None:
    pcm = np.concatenate([np.zeros(6_400, np.int16), SOUNDS.pcm[0, :8_000]])
    scipy.io.wavfile.write(tmp_path / "cut.wav", 16_000, pcm)
    tab = opened(reduced_motion="reduce")
    tab.set_input_files("#sound", tmp_path / "cut.wav")
    tab.wait_for_selector("#told:has-text('eard')")
    assert tab.locator("#told").inner_text() == f"Heard: {words_in(pcm)[0]}"


def test_what_starts_later_ends_what_runs(opened: Open) -> None:
    tab = opened(permissions=["microphone"])
    play = "document.getElementById('controls').requestSubmit()"
    shares = "[...document.querySelectorAll('meter')].map(m => m.value)"
    tab.evaluate(play)
    tab.wait_for_selector("#told:has-text('heard as')")
    alone = tab.evaluate(shares)
    tab.evaluate(
        f"() => {{ ['microphone', 'all'].map(i => document.getElementById(i).click()); {play} }}"
    )
    tab.wait_for_selector("#told:has-text('heard as')")
    assert tab.evaluate(shares) == alone
    assert tab.locator("#microphone").get_attribute("aria-pressed") == "false"
    assert tab.evaluate("document.body.dataset.heard") is None


def test_a_microphone_is_heard(opened: Open) -> None:
    tab = opened(permissions=["microphone"])
    tab.click("#microphone")
    tab.wait_for_selector("#microphone[aria-pressed=true]")
    tab.wait_for_selector("#told:has-text('Heard: ')", timeout=60_000)
    said = tab.evaluate("JSON.parse(document.body.dataset.words)")[0]
    assert said in SOUNDS.keys
    tab.click("#microphone")
    tab.wait_for_selector("#microphone[aria-pressed=false]")
    assert tab.heard == []


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1200, "light")])
def test_it_is_sound(opened: Open, address: str, width: int, scheme: str) -> None:
    tab = opened(width, scheme)
    assert tab.heard == []
    assert all(url.startswith((address, "data:")) for url in tab.asked)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(opened(width, scheme, bypass_csp=True)).response["violations"]
    assert [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in violations] == []


def test_without_an_artifact_it_says_so(opened: Open, address: str) -> None:
    tab = opened()
    tab.route("**/manifest.json", lambda route: route.fulfill(status=404))
    tab.reload()
    tab.wait_for_selector("#told:has-text('artifact/manifest.json: 404; is the artifact built?')")
    assert tab.locator("button:enabled").count() == 0
