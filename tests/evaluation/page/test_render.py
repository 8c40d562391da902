"""The page as HTML: text that others wrote stays text, nothing is loaded, charts have words."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from fixtures.pages import EVIL, every_part, page_of

from delrec_compile.evaluation.page.figures import Page
from delrec_compile.evaluation.page.raster import raster
from delrec_compile.evaluation.page.recording import Recording
from delrec_compile.evaluation.page.render import render

OWN_SCRIPTS = 1


class Reader(HTMLParser):
    """Tags, attributes that load or run something, and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.handlers: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [v or "" for k, v in attrs if k in ("src", "href")]
        self.handlers += [k for k, _ in attrs if k.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(page: Page) -> Reader:
    reader = Reader()
    reader.feed(render(page))
    return reader


def test_text_of_a_model_runs_nothing_and_makes_no_element() -> None:
    plain, evil = (read(page_of(*every_part(t), text=t)) for t in ("t", EVIL))
    assert evil.tags == plain.tags
    assert evil.handlers == []
    assert sum(EVIL in text for text in evil.texts) > 20


def test_names_of_classes_are_text_in_the_lines_of_the_steps(recording: Recording) -> None:
    named = replace(recording, labels=(EVIL,) * 20)
    text = render(page_of(raster(named)))
    assert "<script>alert" not in text
    assert text.count("</script>") == OWN_SCRIPTS + 1  # and the data of the steps


def test_nothing_is_loaded(recording: Recording) -> None:
    reader = read(page_of(raster(recording), *every_part("t")))
    assert all(s.startswith(("#", "data:")) for s in reader.sources), reader.sources
    assert "http:" not in render(page_of()).replace("http-equiv", "")
    assert "default-src 'none'" in render(page_of())


def test_a_part_that_no_template_knows_is_an_error() -> None:
    with pytest.raises(Exception, match="template"):
        render(page_of(object()))
