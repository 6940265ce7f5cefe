"""May this tool run? The whole input, nothing hidden in it, and two answers of which "no" is the default.

What a model wants to run may have been written by somebody else, and the dialog comes up while the user types. So:

- everything that can be mistaken is shown as an escape, nothing is cut off silently (`call_view.py`), and the end of the reply,
  which says why the call is made, stays readable above it;
- Enter, Escape, Ctrl+C, a time-out, and closing the program all deny; one key allows;
- a key answers only when the dialog was on screen for `GUARD` seconds and the keys have been quiet for as long, by the time at which
  it was typed, not at which it was handled: keys that were typed ahead, or are held down, answer nothing. Escape always denies;
- a key that allows is acted on only when no other follows within `SETTLE`: text that somebody goes on typing is no answer either, nor
  is a key that was pressed before and begins to repeat only now;
- text that answers nothing goes on to the composer below, where it was meant for, and the dialog says so.

It knows neither tools nor sessions; what the answer means is the caller's.
"""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.timer import Timer

from tui_chat.ui.widgets.call_view import CallView, Move
from tui_chat.ui.widgets.keys import own_actions

if TYPE_CHECKING:
    from tui_chat.ui.screens.log_screen import LogScreen

GUARD: Final = 0.3  # seconds
SETTLE: Final = 0.15  # seconds; a held key repeats faster, a typist hardly slower
TOLD_FROM: Final = 30.0  # seconds before a time-out
_TICK: Final = 0.2  # seconds between two looks at the clock
_ALWAYS_DENY: Final = frozenset({"enter"})  # and Escape and Ctrl+C; no keymap changes that
_MOVES: Final[dict[str, Move]] = {key: key for key in ("up", "down", "pageup", "pagedown", "home", "end")}
_ALONE_BELOW: Final = 10  # rows; on a smaller screen the dialog lies over the composer too
_WITH_LOG: Final = 15  # rows, of which the log keeps a third


class ApprovalScreen(ModalScreen[bool]):
    """Asks about one call; `what` says in a line what it may do, `place` below which folder, `more` how many calls wait behind it.

    True allows it. After `timeout` seconds (None: never) it is denied. `clock` is monotonic, in seconds. `below` is the screen that
    it stands on: above its composer, which gets what is typed and answers nothing.
    """

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "allow", "Allow", id="approval.allow"),
        Binding("n", "deny", "Deny", id="approval.deny"),
    ]

    def __init__(
        self,
        name: str,
        input: Mapping[str, Any],
        what: str = "",
        *,
        place: str = "",
        more: int = 0,
        timeout: float | None = None,
        below: "LogScreen | None" = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._view = CallView(name, input, what, place)
        self._view.more, self._view.has_limit = more, timeout is not None
        self._limit, self._clock, self._below = timeout, clock, below
        self._opened: float | None = None
        self._quiet_from: float | None = None  # since then it is on screen and no key came; None: it is not on screen
        self._guarding: Timer | None = None  # until the answers look as if they counted
        self._settling: Timer | None = None  # a key that allows was pressed,
        self._pressed: events.Key | None = None  # this one
        self._press_counts = False
        self.stops = False  # Ctrl+C: not only this call, the whole turn
        self._answer: bool | None = None
        self._dismissed = False
        self._actions: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """One widget."""
        yield self._view

    def on_mount(self) -> None:
        """Learn the keys; the time runs from now on."""
        self._actions = {key: action for key, action in own_actions(self).items() if action in ("allow", "deny")}
        keys = {action: key for key, action in reversed(self._actions.items())}
        self._view.keys = keys.get("deny", "Esc"), keys.get("allow", "–")
        self._opened = self._clock()
        self._take_place()
        if self._below is not None:  # its composer may grow
            self._below.screen_layout_refresh_signal.subscribe(self, lambda _: self._take_place())
        if self._limit is not None:
            self.set_interval(_TICK, self._look_at_the_clock)

    def on_resize(self, event: events.Resize) -> None:
        """A small screen has no room for margins."""
        self.set_class(event.size.width < 60 or event.size.height < 18, "-tight")
        self.call_after_refresh(self._take_place)

    def _take_place(self) -> None:
        """Stand on the composer, below an end of the log."""
        below, height = self._below, self.app.size.height
        bottom = height - below.prompt.region.y if below is not None else 0
        if not 0 <= bottom <= height - _ALONE_BELOW:
            bottom = 0
        free = height - bottom
        self._view.room = free - free // 3 if free >= _WITH_LOG and bottom else free
        self._view.styles.margin = (0, 0, bottom, 0)
        self._view.refresh(layout=True)
        self.call_after_refresh(self._push_log)

    def _push_log(self) -> None:
        """What the dialog stands on ends above it, if there is room for both."""
        view = self._view
        if self._below is not None and view.room is not None:
            shares = view.room + view.styles.margin.bottom < self.app.size.height
            self._below.log_widget.leave_free(view.outer_size.height if shares else 0)

    def on_screen_resume(self) -> None:
        """On screen, or again after something lay over it."""
        self._quiet_from = None
        self._view.ready = False
        if self._answer is not None:
            self._close(answer=self._answer)
        else:
            self.call_after_refresh(self._shown)

    def on_unmount(self) -> None:
        """Closed with the program and not by an answer: that is a no."""
        if self._answer is None and self._result_callbacks:
            self._answer = False
            self._result_callbacks[-1](False)

    def waiting(self, more: int) -> None:
        """So many calls wait behind this one now."""
        self._view.more = more
        self._take_place()

    def withdraw(self) -> None:
        """There is nothing to ask any more: close, with a no."""
        self._give(answer=False)

    # The guard -----------------------------------------------------------------------------------------------------

    def _shown(self) -> None:
        self._wait_anew(self._clock())

    def _wait_anew(self, quiet_from: float) -> None:
        """No key was quiet before then: the guard begins again, and the answers look like it."""
        self._quiet_from = quiet_from
        if self._guarding is not None:
            self._guarding.stop()
        self._guarding = self.set_timer(GUARD, self._look_ready)
        self._view.ready = False
        self._view.refresh()

    def _look_ready(self) -> None:
        self._view.ready = True
        self._view.refresh()

    def _counts(self, typed_at: float) -> bool:
        """Whether what was typed then, by the events' clock, is meant for this dialog; what is not begins the wait anew."""
        at = self._clock() - max(0.0, time.monotonic() - typed_at)
        if self._quiet_from is None:
            return False
        if at >= self._quiet_from + GUARD:
            return True
        self._wait_anew(max(self._quiet_from, at))
        return False

    def on_key(self, event: events.Key) -> None:
        """What a key means here. None reaches the bindings below; only the app's own come first, as everywhere.

        Those open the palette above the dialog, paint everything again, or quit, which denies.
        """
        event.stop()
        event.prevent_default()
        if event.key in ("escape", "ctrl+c"):
            self.stops = event.key == "ctrl+c"
            self._give(answer=False)
            return
        counts = self._counts(event.time)
        pressed = self._unsettle()
        action = "deny" if event.key in _ALWAYS_DENY else self._actions.get(event.key)
        if counts and action == "deny":
            self._give(answer=False)
        elif counts and action == "allow" and pressed is None:
            self._pressed, self._settling = event, self.set_timer(SETTLE, self._allow)
        elif event.key in _MOVES and action is None and pressed is None:
            self._view.move(_MOVES[event.key])
        else:
            if counts:
                self._shown()
            self._say("too early" if action else self._answers, pressed, event)

    def _unsettle(self) -> events.Key | None:
        """Take back a key that would have allowed if nothing had followed."""
        pressed, self._pressed = self._pressed, None
        if self._settling is not None:
            self._settling.stop()
            self._settling = None
        return pressed

    @property
    def _answers(self) -> str:
        deny, allow = self._view.keys
        return f"{deny} denies, {allow} allows"

    def _say(self, why: str, *keys: events.Key | None) -> None:
        """What was typed is no answer: it goes on to the composer if it is text, and the dialog says that."""
        texts = [key for key in keys if key is not None and (key.is_printable or key.key == "backspace")]
        typed = self._pass_on(*(events.Key(key.key, key.character) for key in texts))
        self._note(f"{why}; typed below" if typed else f"{why}; press it again" if why == "too early" else why)

    def _note(self, note: str) -> None:
        self._view.note = note
        self._take_place()

    def _pass_on(self, *typed: events.Key | events.Paste) -> bool:
        """Give what was typed to the composer below, if it had the focus. Returns whether anything went there."""
        below = self._below
        if below is None or below.focused is not below.composer:
            return False
        for event in typed:
            below.composer.post_message(event)
        return bool(typed)

    def on_paste(self, event: events.Paste) -> None:
        """What is pasted is never an answer."""
        event.stop()
        self._pass_on(events.Paste(event.text))

    def on_call_view_pressed(self, message: CallView.Pressed) -> None:
        """The mouse is guarded as keys are."""
        self._press_counts = self._counts(message.at)

    def on_call_view_chosen(self, message: CallView.Chosen) -> None:
        """A click on an answer."""
        if self._press_counts:
            self._give(answer=message.answer == "allow")
        else:
            self._note("too early; click again")

    # The answer ----------------------------------------------------------------------------------------------------

    def _allow(self) -> None:
        self._give(answer=True)

    def _give(self, *, answer: bool) -> None:
        """The first answer holds. Below another screen the dialog closes when it is back on top."""
        if self._answer is None:
            self._answer = answer
            if self.is_active:
                self._close(answer=answer)

    def _close(self, *, answer: bool) -> None:
        if not self._dismissed:
            self._dismissed = True
            self.dismiss(answer)

    def _look_at_the_clock(self) -> None:
        if self._limit is None or self._opened is None:
            return
        rest = self._limit - (self._clock() - self._opened)
        if rest <= 0:
            self._give(answer=False)
        told = int(rest) + 1 if rest <= TOLD_FROM else None
        if told != self._view.rest:
            self._view.rest = told
            self._view.refresh()
