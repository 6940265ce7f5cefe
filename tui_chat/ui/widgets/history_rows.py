"""What the history's list holds: conversations, known in pages, and below them the messages that fit. Pure; no widths, no looks.

Ten thousand conversations are ten thousand lines and a few pages: what is not near the view is not held. An entry is what the
cursor can stand on; a conversation is one line of the list, a message two.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tui_chat.listed import ConversationFigures, ConversationSummary, Hit

PAGE: Final = 100  # conversations that are asked for at once
_PAGES: Final = 20  # that are held
FEW: Final = 5  # titles that are shown above messages that fit; the others behind one more line
_HEAD: Final = 2  # lines between the titles and the messages: a blank one and the heading


@dataclass(frozen=True, slots=True)
class More:
    """The line that stands for titles that are not shown yet."""

    count: int


Entry = ConversationSummary | Hit | More


class HistoryRows:
    """For one text in the field. `titles` is how many conversations fit; None in place of an entry: not known yet."""

    def __init__(
        self, wanted: str = "", titles: int = 0, figures: dict[str, ConversationFigures | None] | None = None
    ) -> None:
        self.wanted, self.titles = wanted, titles
        self.hits: Sequence[Hit] = ()
        self.more_hits = False
        self.heading: str | None = None  # above the messages; None: they are not looked for
        self.figures = {} if figures is None else figures  # None of a conversation: not known
        self.all_titles = not wanted  # else few of them, above the messages
        self._pages: OrderedDict[int, list[ConversationSummary]] = OrderedDict()

    def put(self, offset: int, page: list[ConversationSummary]) -> None:
        """The conversations from `offset`, a multiple of `PAGE`, on."""
        self._pages[offset] = page
        self._pages.move_to_end(offset)
        while len(self._pages) > _PAGES:
            self._pages.popitem(last=False)

    @property
    def _shown(self) -> int:
        return self.titles if self.all_titles or self.titles <= FEW + 1 else FEW

    @property
    def _title_lines(self) -> int:
        return self._shown + (self._shown < self.titles)

    # Entries -------------------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many entries there are."""
        return self._title_lines + len(self.hits)

    def entry(self, place: int) -> Entry | None:
        """What stands there; None if it is not known yet, or if there is no such place."""
        if place < self._shown:
            return self._title(place)
        if place < self._title_lines:
            return More(self.titles - self._shown)
        place -= self._title_lines
        return self.hits[place] if 0 <= place < len(self.hits) else None

    def _title(self, place: int) -> ConversationSummary | None:
        page = self._pages.get(place - place % PAGE)
        return page[place % PAGE] if page is not None and 0 <= place % PAGE < len(page) else None

    def place_of(self, key: str) -> int | None:
        """Where the entry with that key is, as far as it is known."""
        for place, hit in enumerate(self.hits):
            if key_of(hit) == key:
                return self._title_lines + place
        found = (
            offset + place
            for offset, page in self._pages.items()
            for place, summary in enumerate(page)
            if key_of(summary) == key
        )
        return next((place for place in found if place < self._shown), None)

    # Lines ---------------------------------------------------------------------------------------------------------

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return self._first_hit + 2 * len(self.hits)

    @property
    def heading_line(self) -> int | None:
        """The line of the heading above the messages."""
        return None if self.heading is None else self._first_hit - 1

    @property
    def _first_hit(self) -> int:
        """The line of the first message."""
        if self.heading is None:
            return self._title_lines
        return self._title_lines + (_HEAD if self._title_lines else 1)

    def lines_of(self, place: int) -> range:
        """The lines of an entry."""
        if place < self._title_lines:
            return range(place, place + 1)
        first = self._first_hit + 2 * (place - self._title_lines)
        return range(first, first + 2)

    def at(self, line: int) -> int | None:
        """The entry that a line belongs to."""
        if line < self._title_lines:
            return line if line >= 0 else None
        place = self._title_lines + (line - self._first_hit) // 2
        return place if line >= self._first_hit and place < self.count else None

    def between(self, first: int, stop: int) -> range:
        """The entries with a line from `first` up to `stop`."""
        found = [place for line in range(max(0, first), min(stop, self.lines)) if (place := self.at(line)) is not None]
        return range(found[0], found[-1] + 1) if found else range(0)

    # What is missing -----------------------------------------------------------------------------------------------

    def missing_page(self, places: Iterable[int]) -> int | None:
        """The offset of a page that these entries need and that is not there."""
        offsets = {place - place % PAGE for place in places if place < self._shown}
        return next((offset for offset in sorted(offsets) if offset not in self._pages), None)

    def without_figures(self, places: Iterable[int]) -> list[str]:
        """The conversations among these entries whose figures are not known."""
        entries = (self._title(place) for place in places if place < self._shown)
        return [each.id for each in entries if each is not None and each.id not in self.figures]


def key_of(entry: Entry | None) -> str:
    """What tells an entry from all others, also in a newer list."""
    match entry:
        case ConversationSummary():
            return entry.id
        case Hit():
            return f"{entry.conversation_id} {entry.message_id}"
        case _:
            return ""
