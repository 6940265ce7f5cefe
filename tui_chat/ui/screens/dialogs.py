"""The dialogs: pick one of a list, write the system prompt, read the help. Each returns a value or None; Escape is None."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from tui_chat.text import sanitise, sanitise_line
from tui_chat.ui.commands import COMMANDS


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


_KEYS = (
    ("Enter", "send; while a reply runs: queue", "composer.send"),
    ("Ctrl+J  Shift+Enter  Alt+Enter", "new line", "composer.new_line"),
    ("Up  Down", "earlier prompts, at the first and last line"),
    ("Escape", "stop the reply; then back to the composer; then take a paused queue back", "chat.stop"),
    ("Ctrl+C", "copy a selection, else stop; twice when idle: quit", "chat.copy_or_stop"),
    ("Tab", "between composer and log; completes a /command"),
    ("PgUp  PgDn  Ctrl+Home  Ctrl+End", "move the log"),
    ("Ctrl+N", "new chat", "chat.new"),
    ("Ctrl+R", "history: all conversations, and what was said in them", "app.history"),
    ("Ctrl+F", "find in this conversation", "chat.find"),
    ("Ctrl+P", "every command"),
    ("F1", "this help", "chat.help"),
    ("Ctrl+L", "paint the screen again", "app.redraw"),
    ("Ctrl+Q", "save everything and quit", "app.quit"),
)
_LOG_KEYS = (
    ("Up k  Down j", "the message before, the message after"),
    ("c", "copy the message as markdown"),
    ("b", "copy the code block in view"),
    ("1 to 9", "copy that code block of the message"),
    ("w", "wrap long lines of code, or cut them; Left and Right then move them"),
    ("o", "open a link of the message"),
    ("t", "show or hide what it thought, and what its tools did"),
    ("g", "go on from a reply that broke off"),
    ("r", "again: another version of this reply; the one before stays"),
    ("R", "again, by another model"),
    ("e", "edit the prompt: another version of it; Escape leaves it"),
    (",  .", "the version before, the version after: 2/3 in the footer"),
    ("n", "a new conversation from here"),
    ("d", "delete this version and what follows; u brings it back"),
    ("f", "go on from before the turn that the API refuses"),
    ("x", "leave a prompt and its reply out of the next requests, or take them in again"),
    ("Home  End G", "the start and the end"),
    ("any other key", "is typed into the composer"),
)
_FIND_KEYS = (
    ("Enter  Down", "the next match; F3 also when the field is closed", "find.next"),
    ("Shift+Enter  Up", "the match before; Shift+F3 also when it is closed", "find.previous"),
    ("Escape", "close; you stay where you are"),
)
_HISTORY_KEYS = (
    ("any text", 'titles that fit, then messages; "words in order", and pref*'),
    ("Enter", "open it, at the message that was found; a click does too", "history.open"),
    ("Up  Down  PgUp  PgDn", "move; Ctrl+Home and Ctrl+End: to the ends"),
    ("F2", "rename; Enter keeps the new title, Escape does not", "history.rename"),
    ("Ctrl+T", "pin to the top, or no longer", "history.pin"),
    ("Ctrl+D", "delete", "history.delete"),
    ("Ctrl+Z", "bring back what was deleted last, until the program ends", "history.undo"),
    ("Ctrl+Y", "duplicate, with all its versions", "history.duplicate"),
    ("Escape  Ctrl+R", "back to the chat", "history.close"),
)
_APPROVAL_KEYS = (
    ("y", "allow the call; counts from 0.3 s after the dialog has come", "approval.allow"),
    ("n  Enter  Escape", "deny it; the turn goes on", "approval.deny"),
    ("Ctrl+C", "stop the turn"),
    ("other text", "goes on to the composer"),
)
_WORDS = (
    ("TTFT", "time to first token: from the request being sent to the first content, thinking included"),
    ("tok/s", "output tokens over the time from the first delta to the last; ~ while it is estimated"),
    ("in", "tokens of the prompt, cached ones included; (read +written) is the cache's part"),
    ("out", "tokens generated, thinking included; ~ where the server could not tell"),
    ("ctx", "share of the model's context window that the last request and its reply fill"),
    ("$", "what it cost at Anthropic's list price; nothing is shown where the price is not known"),
    ("headers", "while nothing else has come: when the answer's HTTP headers came"),
    ("closed in", "from your Escape to the connection being closed"),
    ("quiet", "no content for ten seconds; the status says whether the server still sends pings"),
    ("–", "not known"),
)


class HelpScreen(ModalScreen[None]):
    """All keys, all commands, and what the numbers mean."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q,enter", "dismiss(None)", "Close", id="help.close", priority=True),
    ]

    def __init__(self, keys: Mapping[str, str]) -> None:
        """`keys` are those that the user has bound otherwise, by the binding's id."""
        super().__init__()
        self._remapped = keys

    def compose(self) -> ComposeResult:
        """Tables of two columns."""
        with VerticalScroll(classes="dialog"):
            for title, rows in (
                ("Keys", self._named(_KEYS)),
                ("With the log focused", self._named(_LOG_KEYS)),
                ("In the history", self._named(_HISTORY_KEYS)),
                ("While finding", self._named(_FIND_KEYS)),
                ("When a tool asks", self._named(_APPROVAL_KEYS)),
                ("Commands", tuple((f"/{each.name}", each.help) for each in COMMANDS if each.slash)),
                ("What the numbers mean", _WORDS),
            ):
                yield Static(title, classes="dialog-title", markup=False)
                yield Static(_table(rows), classes="dialog-table", markup=False)

    def _named(self, rows: Sequence[tuple[str, str] | tuple[str, str, str]]) -> list[tuple[str, str]]:
        """The rows with the keys as they are now; a third member is the id of the row's binding."""
        return [(self._remapped.get(row[2], row[0]) if len(row) > 2 else row[0], row[1]) for row in rows]

    def on_mount(self) -> None:
        """Scroll with the keys."""
        self.query_one(VerticalScroll).focus()


def _table(rows: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=False, max_width=32)
    table.add_column(ratio=1)
    for key, meaning in rows:
        table.add_row(Text(key), Text(meaning, style="dim"))
    return table
