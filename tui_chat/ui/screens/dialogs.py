"""The dialogs: pick one of a list, write the system prompt. Each returns a value or None; Escape is None."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from tui_chat.text import sanitise, sanitise_line


class PickScreen(ModalScreen[str | None]):
    """Choose from `entries` (key, description) by typing; with `free_text` any text is an answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", id="pick.close", priority=True),
        Binding("down", "move(1)", "Next", id="pick.next", priority=True),
        Binding("up", "move(-1)", "Previous", id="pick.previous", priority=True),
    ]

    def __init__(
        self,
        title: str,
        entries: Sequence[tuple[str, str]],
        *,
        free_text: bool = False,
        show_key: bool = True,
        current: str = "",
        on_highlight: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._title, self._entries, self._free_text, self._show_key = title, entries, free_text, show_key
        self._current, self._on_highlight = current, on_highlight

    def compose(self) -> ComposeResult:
        """A filter above a list."""
        hint = "type a name, or choose" if self._free_text else "type to filter"
        with Vertical(classes="dialog"):
            yield Static(self._title, classes="dialog-title", markup=False)
            yield Input(placeholder=hint, compact=True)
            yield OptionList(compact=True)

    def on_mount(self) -> None:
        """Show all, the current one marked."""
        self._fill("")
        self.query_one(Input).focus()

    def _fill(self, wanted: str) -> None:
        options = self.query_one(OptionList)
        options.clear_options()
        words = wanted.lower().split()
        place = None
        for key, description in self._entries:
            if all(word in f"{key} {description}".lower() for word in words):
                if key == self._current:
                    place = options.option_count
                options.add_option(Option(self._label(key, description), id=key))
        typed = wanted.strip()
        if self._free_text and typed and typed not in dict(self._entries):
            options.add_option(Option(self._label(typed, "as typed"), id=typed))
        options.display = bool(options.option_count)
        if options.option_count:
            options.highlighted = (
                place if place is not None and not words else 0 if words or not self._free_text else place
            )

    def _label(self, key: str, description: str) -> Content:
        mark = "• " if key == self._current else "  "
        text = sanitise_line(description)
        if not self._show_key:
            return Content(mark + text)
        return Content.assemble(mark + sanitise_line(key), (f"  {text}" if text else "", "$text-muted"))

    def action_move(self, by: int) -> None:
        """Move in the list while typing."""
        options = self.query_one(OptionList)
        if options.option_count:
            place = -1 if options.highlighted is None else options.highlighted
            options.highlighted = max(0, min(options.option_count - 1, place + by))

    @on(Input.Changed)
    def filter_changed(self, message: Input.Changed) -> None:
        """Show what fits."""
        self._fill(message.value)

    @on(OptionList.OptionHighlighted)
    def highlighted(self, message: OptionList.OptionHighlighted) -> None:
        """Preview, where there is one."""
        if self._on_highlight is not None and message.option.id is not None and self.is_current:
            self._on_highlight(message.option.id)

    @on(OptionList.OptionSelected)
    def selected(self, message: OptionList.OptionSelected) -> None:
        """A click."""
        self.dismiss(message.option.id)

    @on(Input.Submitted)
    def submitted(self, message: Input.Submitted) -> None:
        """Enter: the highlighted entry, else the text itself."""
        options = self.query_one(OptionList)
        if options.highlighted is not None and options.option_count:
            self.dismiss(options.get_option_at_index(options.highlighted).id)
        elif self._free_text and message.value.strip():
            self.dismiss(message.value.strip())


class SystemPromptScreen(ModalScreen[str | None]):
    """Write what the model is told before the conversation."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Leave it", id="system.close", priority=True),
        Binding("ctrl+s", "save", "Use it", id="system.save", priority=True),
        Binding("ctrl+j", "new_line", "New line", id="system.new_line"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """A text area and its two keys."""
        with Vertical(classes="dialog"):
            yield Static("System prompt", classes="dialog-title", markup=False)
            yield TextArea(sanitise(self._text), soft_wrap=True, compact=True)
            yield Static("Ctrl+S uses it   Escape leaves it as it was", classes="dialog-hint", markup=False)

    def on_mount(self) -> None:
        """Write at once."""
        self.query_one(TextArea).focus()

    def action_new_line(self) -> None:
        """As in the composer; Enter makes one too."""
        self.query_one(TextArea).insert("\n")

    def action_save(self) -> None:
        """Use the text."""
        self.dismiss(self.query_one(TextArea).text)
