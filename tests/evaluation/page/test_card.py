"""The model card: front matter that YAML reads, tables, and text that stays text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml
from fixtures.pages import EVIL, every_part, page_of

from delrec_compile.data.events import Events
from delrec_compile.evaluation.markdown import plain
from delrec_compile.evaluation.page.card import card
from delrec_compile.evaluation.page.figures import Lines, Score
from delrec_compile.evaluation.page.measured import network_page
from delrec_compile.network.model import Network


def front(text: str) -> dict[str, Any]:
    _, head, _ = text.split("---\n", 2)
    read = yaml.safe_load(head)
    assert isinstance(read, dict)
    return read


def test_the_front_matter_is_what_hubs_read(network: Network, bundled_samples: Events) -> None:
    page, _ = network_page(network, bundled_samples, 0, "made: by")
    scored = replace(page, title='a "name": x', scores=(Score("accuracy", 0.875, "8 samples"),))
    told = front(card(scored, "apache-2.0"))
    assert told["license"] == "apache-2.0"
    assert told["library_name"] == "delrec-compile"
    assert told["metrics"] == ["accuracy"]
    assert all(tag == tag.lower() for tag in told["tags"])
    (entry,) = told["model-index"]
    assert entry["name"] == 'a "name": x'
    (result,) = entry["results"]
    assert result["dataset"] == {"name": "8 samples", "type": "samples"}
    assert result["metrics"] == [{"type": "accuracy", "value": 0.875}]


def test_what_is_not_known_is_left_out(network: Network, bundled_samples: Events) -> None:
    text = card(network_page(network, bundled_samples, 0, "c")[0])
    assert set(front(text)) == {"library_name", "tags"}
    assert "| l1 | 256 | lif | l0 | dense | 65,536 | - | 2^-15 |" in text
    assert "\n## Delays and kernels\n" in text
    assert "Histogram of delays: 256 delays" in text
    assert "```sh\nc\n```" in text


def test_every_part_is_told_and_no_text_becomes_markup() -> None:
    text = card(page_of(*every_part(EVIL), text=EVIL))
    body = text.split("---\n", 2)[2].split("```sh")[0]
    assert "<script" not in body.replace("\\<script", "")
    assert "onerror" in body
    assert plain("![a](http://b) *c*\n# d") == "!\\[a\\](http://b) \\*c\\* \\# d"


def test_a_part_without_words_leaves_no_gap() -> None:
    with_empty = card(page_of(Lines(()), Lines(("told",)), text="t"))
    assert with_empty == card(page_of(Lines(("told",)), text="t"))
    assert "\n\n\n" not in with_empty
