"""Which models race: a line of names, and below it the server's list to take them from.

A name may come twice, and may be one that the list does not have, so the line is what counts; the list only writes into it.
"""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tui_chat.racing import LANES_MAX, LANES_MIN
from tui_chat.text import sanitise_line
from tui_chat.ui import wording


class RaceSetupScreen(ModalScreen[list[str] | None]):
    """Gives back the names as they are typed, two to four, or None. `entries` are ids with their descriptions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", id="race_setup.close", priority=True),
        Binding("down", "move(1)", "Next", id="race_setup.next", priority=True),
        Binding("up", "move(-1)", "Previous", id="race_setup.previous", priority=True),
        Binding("tab", "take", "Take it", id="race_setup.take", priority=True),
    ]

    def __init__(self, prompt: str, entries: Sequence[tuple[str, str]], names: Sequence[str]) -> None:
        super().__init__()
        self._prompt, self._entries = prompt, entries
        self._names = [wording.model_name(each) for each in names]

    def compose(self) -> ComposeResult:
        """What is asked, the names, the list, the keys."""
        with Vertical(classes="dialog"):
            yield Static("Race", classes="dialog-title", markup=False)
            yield Static(f"“{sanitise_line(self._prompt)}”", id="asked", markup=False)
            yield Input(
                "".join(f"{name} " for name in self._names), placeholder="two to four models", compact=True, id="names"
            )
            yield OptionList(compact=True)
            yield Static("", classes="dialog-hint", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        field = self.query_one(Input)
        field.focus()
        field.cursor_position = len(field.value)
        self._fill()

    @property
    def hint(self) -> str:
        """What Enter does now."""
        marked = self._marked
        if marked is not None:
            return f"Enter takes {wording.model_name(marked)}"
        count = len(self.query_one(Input).value.split())
        if LANES_MIN <= count <= LANES_MAX:
            return f"Enter starts the race of {count}"
        return "two to four models, one may come twice"

    @property
    def _marked(self) -> str | None:
        options = self.query_one(OptionList)
        return None if options.highlighted is None else options.get_option_at_index(options.highlighted).id

    @property
    def _word(self) -> str:
        """The name that is being typed: the last one, without a space behind it."""
        value = self.query_one(Input).value
        return "" if not value or value[-1].isspace() else value.split()[-1]

    def _fill(self) -> None:
        """Show what fits the name that is being typed, the first of it marked."""
        options, word = self.query_one(OptionList), self._word.lower()
        options.clear_options()
        is_whole = any(word in (each.lower(), wording.model_name(each).lower()) for each, _ in self._entries)
        for each, description in self._entries:
            if is_whole or word in f"{each} {description}".lower():
                text = sanitise_line(description)
                label = Content.assemble(wording.model_name(each), (f"  {text}" if text else "", "$text-muted"))
                options.add_option(Option(label, id=each))
        options.display = bool(options.option_count)
        options.highlighted = 0 if word and not is_whole and options.option_count else None
        self._say()

    def _say(self) -> None:
        self.query_one(".dialog-hint", Static).update(f"{self.hint} · Up and Down choose from the list")

    @on(Input.Changed)
    def changed(self) -> None:
        """The list follows."""
        self._fill()

    def action_move(self, by: int) -> None:
        """Mark another entry."""
        options = self.query_one(OptionList)
        if options.option_count:
            place = options.highlighted
            wanted = (0 if by > 0 else options.option_count - 1) if place is None else place + by
            options.highlighted = wanted if 0 <= wanted < options.option_count else None
            self._say()

    def action_take(self) -> None:
        """Write the marked entry into the line, in place of what was typed of it."""
        marked = self._marked
        if marked is not None:
            self._take(marked)

    def _take(self, model: str) -> None:
        field, word = self.query_one(Input), self._word
        is_whole = any(word in (each, wording.model_name(each)) for each, _ in self._entries)
        kept = f"{field.value} " if word and is_whole else field.value[: len(field.value) - len(word)]
        field.value = f"{kept}{wording.model_name(model)} "
        field.cursor_position = len(field.value)
        field.focus()

    @on(OptionList.OptionSelected)
    def clicked(self, message: OptionList.OptionSelected) -> None:
        """A click takes it."""
        if message.option.id is not None:
            self._take(message.option.id)

    @on(Input.Submitted)
    def submitted(self) -> None:
        """Take what is marked, else start."""
        names = self.query_one(Input).value.split()
        if self._marked is not None:
            self.action_take()
        elif LANES_MIN <= len(names) <= LANES_MAX:
            self.dismiss(names)
