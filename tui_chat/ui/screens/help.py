"""The help: all keys as they are bound now, all commands, and what the numbers mean. It knows nothing but words."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui_chat.ui.commands import COMMANDS

_KEYS = (
    ("Enter", "send; while a reply runs: queue", "composer.send"),
    ("Ctrl+J  Shift+Enter  Alt+Enter", "new line", "composer.new_line"),
    ("Up  Down", "earlier prompts, at the first and last line"),
    ("Escape", "stop the reply; then back to the composer; then take a paused queue back", "chat.stop"),
    ("Ctrl+C", "copy a selection, else stop; twice when idle: quit", "chat.copy_or_stop"),
    ("Tab", "between composer and log; completes a /command"),
    ("PgUp  PgDn  Ctrl+Home  Ctrl+End", "move the log"),
    ("Ctrl+N", "new chat", "chat.new"),
    ("Ctrl+T", "new tab: another conversation beside this one; /close leaves one", "app.new_tab"),
    ("Alt+1 … Alt+9", "go to a tab"),
    ("Ctrl+PgDn  F6", "the next tab", "app.next_tab"),
    ("Ctrl+PgUp  Shift+F6", "the tab before", "app.previous_tab"),
    ("Ctrl+R", "history: all conversations, and what was said in them", "app.history"),
    ("Ctrl+F", "find in this conversation", "chat.find"),
    ("F2", "the wire: every server-sent event as it comes, beside the log", "chat.wire"),
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
    ("i", "the turn in detail: what the wait was made of, and all its figures"),
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
_WIRE_KEYS = (
    ("Up k  Down j  PgUp  PgDn", "move; Home and End G: to the ends; the end is followed"),
    ("Enter", "all of an event, or of a request and its headers; Left and Right: the others", "wire.open"),
    ("Space f", "freeze, or follow", "wire.follow"),
    ("n  N", "the next gap, the gap before: a silence on the wire", "wire.next_gap"),
    ("+  -", "from how long on a silence is a gap", "wire.longer_gap"),
    ("t  T", "only one type of event, each in turn", "wire.type"),
    ("/", "only events that hold a text", "wire.filter"),
    ("c  C", "copy the event as it came; copy all rows that are shown", "wire.copy"),
    ("u", "copy the request as a curl command, without the key", "wire.curl"),
    ("Escape", "leave the event or the filter; stop the reply; back to the composer"),
    ("F2", "close", "chat.wire"),
)
_TURN_KEYS = (
    ("Up  Down  PgUp  PgDn", "move; Home and End: to the ends"),
    ("Left  Right", "the turn before, the turn after", "turn.previous"),
    ("c", "copy all of it as text", "turn.copy"),
    ("Ctrl+C", "copy what is selected, else stop the reply", "turn.stop"),
    ("Escape  i  q", "back to the chat", "turn.close"),
)
_REPLAY_KEYS = (
    ("Space  p", "pause, or go on; with the wire focused only p"),
    (".", "one event further, there too", "replay.step"),
    ("+", "faster", "replay.faster"),
    ("-", "slower", "replay.slower"),
    ("r", "from the start, also when it has ended", "replay.restart"),
)
_RACE_KEYS = (
    ("Tab  Left  Right  1 to 4", "another column"),
    ("Up  Down  PgUp  PgDn", "move the answer in it; Home and End: to the ends"),
    ("Escape", "stop this answer, again within a second all; when all have ended leave with the first", "race.stop"),
    ("Enter  k", "keep this answer; those that still run are stopped", "race.keep"),
    ("c", "copy this answer", "race.copy"),
    ("Ctrl+C", "copy what is selected, else stop all", "race.copy_or_stop"),
)
_COMPARE_KEYS = (
    ("y", "send the requests; before that nothing is sent", "compare.agree"),
    ("Escape", "stop and show what was measured; then back to the chat", "compare.leave"),
    ("PgUp  PgDn", "move both replies"),
    ("m", "with one more model; chosen again it is left out", "compare.model"),
    ("r", "the same once more", "compare.again"),
    ("c", "copy the report", "compare.copy"),
    ("Ctrl+C", "copy what is selected, else stop", "compare.copy_or_stop"),
)
_APPROVAL_KEYS = (
    ("y", "allow the call; counts from 0.3 s after the dialog has come", "approval.allow"),
    ("n  Enter  Escape", "deny it; the turn goes on", "approval.deny"),
    ("Ctrl+C", "stop the turn"),
    ("other text", "goes on to the composer"),
)
_WORDS = (
    (
        "TTFT",
        "time to first token: how long you wait from the moment the request is sent until the first piece of the answer comes, its thinking included. message_start, which only says that an answer begins, is no token",
    ),
    (
        "tok/s",
        "how fast the answer comes: its tokens over the time from the first piece to the last. While it runs: the last two seconds, estimated",
    ),
    (
        "▂▅▇ ╌",
        "what came in the last two seconds, a quarter of a second a sign, the newest at the right; ╌ is a stall: nothing for a second or longer",
    ),
    ("in", "tokens of the prompt, cached ones included; (read +written) is the cache's part"),
    ("out", "tokens generated, thinking included"),
    ("ctx", "share of the model's context window that the last request and its reply fill"),
    ("$", "what it cost at Anthropic's list price; nothing is shown where the price is not known"),
    ("headers", "while nothing else has come: when the answer's HTTP headers came"),
    (
        "quiet",
        "no content for ten seconds, though the connection stands; the status says whether the server still sends pings",
    ),
    (
        "lag",
        "our own delay, from text's arrival to its being on the screen; shown while it is more than two frames (33 ms)",
    ),
    (
        "closed in",
        "from the byte of your Escape to the closed connection, the wait for the rest of an escape sequence included",
    ),
    (
        "~",
        "an estimate: the server counts tokens only at the end, and not at all when it is stopped; until then we count letters",
    ),
    ("–", "not known; nothing is ever invented"),
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
                ("What the numbers mean", _WORDS),
                ("With the log focused", self._named(_LOG_KEYS)),
                ("In the history", self._named(_HISTORY_KEYS)),
                ("While finding", self._named(_FIND_KEYS)),
                ("On the wire", self._named(_WIRE_KEYS)),
                ("In a turn's details", self._named(_TURN_KEYS)),
                ("While a recording plays, with the log focused", self._named(_REPLAY_KEYS)),
                ("In a race", self._named(_RACE_KEYS)),
                ("In a comparison", self._named(_COMPARE_KEYS)),
                ("When a tool asks", self._named(_APPROVAL_KEYS)),
                ("Commands", tuple((f"/{each.name}", each.help) for each in COMMANDS if each.slash)),
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
