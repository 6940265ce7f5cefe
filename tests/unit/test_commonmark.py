"""Every example of the CommonMark specification: cut at random it gives the lines it gives at once, and the structure
is markdown-it's.

The examples come from markdown-it-py's sdist (see `tests.third_party`). Without them a plain run says so and takes our
own examples.
"""

import io
import json
import random
import tarfile
from typing import Final

import pytest
from textual.strip import Strip

from tests.lanes import lane, sample
from tests.third_party import UnavailableError, sdist
from tests.unit.markdown_structure import comparable, ours, reference
from tests.unit.markdown_texts import SAMPLE, cut
from tests.unit.test_markdown_blocks import SOURCES
from tui_chat.ui.markdown import LiveDocument, MarkdownTheme

PACKAGE: Final = ("markdown-it-py", "4.3.0", "91a58fa5b72c71a40cf7177250fd767480d7a2bb3ac426ccfb76fb90305fdaaa")
EXAMPLES: Final = "markdown_it_py-4.3.0/tests/test_cmark_spec/commonmark.json"
CUTS: Final = 20
THEME: Final = MarkdownTheme.default()

# Where our structure is not markdown-it's, and why.
EXCEPTIONS: Final = {
    13: "a tab inside text reaches the sink as spaces: it is shown so",
}


@pytest.fixture(scope="session")
def specification() -> list[tuple[int, str]]:
    """The specification's examples, by number."""
    try:
        archive = sdist(*PACKAGE)
    except UnavailableError as error:
        pytest.skip(f"CommonMark's examples could not be fetched, our own stand in for them: {error}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        member = files.extractfile(EXAMPLES)
        assert member is not None
        return [(example["example"], example["markdown"]) for example in json.load(member)]


def _fails(source: str, seed: int) -> str:
    """What goes wrong with one cut of a text, if anything."""
    width = random.Random(seed).choice([12, 30, 80])
    expected = _lines(source, width)
    document = LiveDocument(width, THEME)
    shown: list[Strip] = []
    for delta in cut(source, seed, 1 + seed % 12):
        document.write(delta)
        first = document.update(limit=None if seed % 2 else 3)
        now = list(document.lines)
        if shown[:first] != now[:first]:
            return f"a line above {first} changed"
        shown = now
    document.finish()
    while document.behind:
        document.update(limit=1 + seed)
    return "" if list(document.lines) == expected else "the finished lines differ"


def _lines(source: str, width: int) -> list[Strip]:
    document = LiveDocument(width, THEME)
    document.write(source)
    document.finish()
    document.update()
    return list(document.lines)


def _all_cuts(sources: list[tuple[int, str]]) -> None:
    cases = sample((number, source, seed) for number, source in sources for seed in range(CUTS))
    failures = [(number, seed, why) for number, source, seed in cases if (why := _fails(source, seed + number * CUTS))]
    assert not failures


@lane(seconds=300)
def test_no_example_depends_on_its_cuts(specification: list[tuple[int, str]]) -> None:
    assert len(specification) > 600
    _all_cuts(specification)


@lane(seconds=60)
def test_none_of_our_own_examples_depends_on_its_cuts() -> None:
    _all_cuts(list(enumerate([*SOURCES, SAMPLE])))


@lane(seconds=120)
def test_every_example_has_the_structure_that_markdown_it_finds(specification: list[tuple[int, str]]) -> None:
    different = set()
    for number, source in specification:
        found = ours(source)
        events, definitions = reference(source)
        if comparable(found.events) != comparable(events) or found.definitions != definitions:
            different.add(number)
    assert different == set(EXCEPTIONS)
