"""The pages of `report` in a browser: nothing is loaded or logged, axe finds nothing, keys reach all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import graph_cases
import numpy as np
import pytest
from fixtures.comparison import comparison
from fixtures.pages import EVIL, every_part, page_of

from delrec_compile.data.samples import read_samples
from delrec_compile.evaluation.page.compared import comparison_page
from delrec_compile.evaluation.page.measured import network_page
from delrec_compile.evaluation.page.raster import raster
from delrec_compile.evaluation.page.recording import compared
from delrec_compile.evaluation.page.render import render
from delrec_compile.evaluation.page.traces import traces
from delrec_compile.network import checkpoint
from delrec_compile.network.drive import drive

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

LARGEST, SLOWEST_S = 1_500_000, 10.0  # the second is of a busy machine: its pages took 0.1 to 0.8 s
VIEWS = (
    ("chain", 390, "light"),
    ("graph", 1440, "dark"),
    ("comparison", 390, "dark"),
    ("parts", 1440, "light"),
    ("parts", 390, "dark"),
)
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file of each kind; that of parts has a difference, and texts that would run."""
    network, samples = checkpoint.load("conv_delay_256"), read_samples("samples")
    chain, recording = network_page(network, samples, 0, "delrec-compile report")
    graph = graph_cases.maps(np.random.default_rng(0))
    other = [s.copy() for s in recording.spikes]
    other[1][30, 9] ^= 1
    differs = compared(recording, other)
    made = {
        "chain": chain,
        "graph": network_page(graph, drive(graph).samples, 0, "")[0],
        "comparison": comparison_page(comparison(), network, samples)[0],
        "parts": page_of(raster(differs), traces(differs), *every_part(EVIL)[1:], text=EVIL),
    }
    folder = tmp_path_factory.mktemp("pages")
    for name, page in made.items():
        (folder / f"{name}.html").write_text(render(page))
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture
def opened(browser: Any, pages: dict[str, Path]) -> Iterator[Open]:
    """`opened(kind, width, scheme, **options)`: the page in a window of its own."""
    contexts = []

    def at(kind: str, width: int = 1440, scheme: str = "light", **options: Any) -> Any:
        window = {"width": width, "height": 900}
        context = browser.new_context(viewport=window, color_scheme=scheme, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.heard = []
        tab.on("console", lambda m: tab.heard.append(m.text))
        tab.on("pageerror", lambda e: tab.heard.append(str(e)))
        tab.on("dialog", lambda d: (tab.heard.append(d.message), d.dismiss()))
        tab.asked = []
        tab.on("request", lambda r: tab.asked.append(r.url))
        tab.goto(pages[kind].as_uri())
        return tab

    yield at
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("kind", "width", "scheme"), VIEWS)
def test_a_page_is_sound(
    opened: Open, pages: dict[str, Path], kind: str, width: int, scheme: str
) -> None:
    assert pages[kind].stat().st_size < LARGEST
    started = time.monotonic()
    tab = opened(kind, width, scheme)
    assert time.monotonic() - started < SLOWEST_S
    assert tab.heard == []
    assert [url for url in tab.asked if not url.startswith("data:")] == [pages[kind].as_uri()]
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert dark == (scheme == "dark")
    tab = opened(kind, width, scheme, bypass_csp=True)  # axe is a script of its own
    found = axe.Axe().run(tab).response["violations"]
    assert [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found] == []


def test_text_of_a_model_is_only_text(opened: Open) -> None:
    tab = opened("parts")
    assert tab.heard == []
    assert tab.locator("h1").inner_text() == EVIL
    assert tab.locator("img[onerror]").count() == 0


def test_keys_reach_the_parts_in_their_order(opened: Open) -> None:
    tab = opened("chain")
    stops = []
    for _ in range(30):
        tab.keyboard.press("Tab")
        stops.append(
            tab.evaluate("(e => e.matches('input') ? 'slider' : e.className || e.tagName)"
                         "(document.activeElement)")
        )  # fmt: skip
    assert stops[0] == "skip"
    sections = tab.locator("nav a").count()
    assert stops[1 : sections + 1] == ["A"] * sections
    rest = stops[sections + 1 :]
    assert rest[:2] == ["graph", "scroll"]
    assert rest.index("slider") < rest.index("SUMMARY")


def test_the_slider_goes_through_the_steps(opened: Open) -> None:
    tab = opened("chain")
    slider, told = tab.locator("input[type=range]"), tab.locator("output")
    assert told.inner_text().startswith("0 ms: input ")
    slider.focus()
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    assert told.inner_text().startswith("30 ms: input ")
    assert slider.get_attribute("aria-valuetext") == told.inner_text()
    area = tab.locator(".wide .area").nth(1)
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    tab.mouse.move(box["x"] + box["width"] * 50.5 / 80, box["y"] + 20)
    assert told.inner_text().startswith("500 ms: input ")
    line = area.locator(".cursor").bounding_box()
    assert line["x"] == pytest.approx(box["x"] + box["width"] * 50.5 / 80, abs=2)


def test_it_is_printed_whole_and_light(opened: Open) -> None:
    tab = opened("chain", scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(252, 252, 251)"
    assert not tab.locator("nav").is_visible()
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("details:not([open])").count() == 0
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert tab.locator("details[open]").count() == 0


def test_it_is_complete_without_scripts(opened: Open) -> None:
    tab = opened("chain", java_script_enabled=False)
    assert not tab.locator(".player").is_visible()
    assert tab.locator("section").count() == 7
    assert tab.locator("svg[role=img]").count() > 8
