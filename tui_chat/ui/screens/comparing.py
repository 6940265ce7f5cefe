"""`/compare`: the same prompt with streaming and without, side by side as they come, and then what was measured.

The two columns hold one pair of requests, one after the other: the streaming one fills while it is written, the other stays empty
and counts until all of it is there. Nothing of it is part of the conversation. What is sent and measured is `comparing`'s.
"""

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static
from textual.worker import Worker

from tui_chat.comparing import report
from tui_chat.comparing.figures import Result, Run
from tui_chat.comparing.plan import Call, Plan, mode_name
from tui_chat.comparing.runs import Comparison
from tui_chat.conversation import Turn
from tui_chat.errors import RequestError
from tui_chat.events import BlockStarted, Event, TextDelta, ThinkingDelta
from tui_chat.text import sanitise_line
from tui_chat.ui import wording
from tui_chat.ui.widgets.live_markdown import LiveMarkdown
from tui_chat.ui.widgets.status_bar import StatusBar
from tui_chat.ui.wording import Field

if TYPE_CHECKING:
    from tui_chat.ui.app import TuiChatApp

_TICK: Final = 0.1  # seconds between two looks at the clocks
_PAINTED_BY: Final = 0.2  # seconds
_NARROW: Final = 64  # columns of the screen below which the two stand one above the other
_COPIED: Final = 80  # columns of a report that is copied
_EARLIER: Final = 3  # runs that a column's head still names


class Column(Vertical):
    """One of the two ways: a head with a clock, and the reply as it comes."""

    DEFAULT_CSS = """
    Column { width: 1fr; height: 1fr; padding: 0 1; }
    Column > .compare--head { height: 2; margin: 0 0 1 0; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, *, streaming: bool) -> None:
        super().__init__(id="streaming" if streaming else "whole")
        self.streaming = streaming
        self.run_done: Run | None = None
        self.turn: Turn | None = None
        self.reply = LiveMarkdown()
        self._quotes = False  # the end of the reply is thinking, which is quoted
        self._earlier: list[Run] = []
        self._head = Static("", classes="compare--head", markup=False)

    def compose(self) -> ComposeResult:
        """Head and reply."""
        yield self._head
        yield self.reply

    def clear(self, *, forget: bool = False) -> None:
        """Make room for the next pair; `forget` the runs before as well."""
        self._earlier = [] if forget else [*self._earlier, *([self.run_done] if self.run_done else [])]
        self.run_done = self.turn = None
        self.reply.clear()
        self._quotes = False

    def think(self, text: str) -> None:
        """Show thinking, which stands before the text, as a quotation."""
        if text:
            self.reply.write(("" if self._quotes else "> ") + text.replace("\n", "\n> "))
            self._quotes = True

    def write(self, text: str) -> None:
        """Show text."""
        if text:
            self.reply.write(("\n\n" if self._quotes else "") + text)
            self._quotes = False

    def show(self, now: float, characters_per_token: float) -> None:
        """Bring the head up to date."""
        head = [(mode_name(streaming=self.streaming), "bold")]
        if self.run_done is not None and self.run_done.output_tokens is not None:
            head.append((f"   {self.run_done.output_tokens:,} tokens", ""))
        if before := ", ".join(_first(run) for run in self._earlier[-_EARLIER:]):
            head.append((f"   before: {before}", "$foreground 60%"))
        state, tone = self._state(now, characters_per_token)
        self._head.update(Content("\n").join([Content.assemble(*head), Content.styled(state, tone)]), layout=False)

    def _state(self, now: float, characters_per_token: float) -> tuple[str, str]:
        run, turn = self.run_done, self.turn
        if run is not None and run.failure is not None:
            return f"failed: {sanitise_line(run.failure.sentence)}", "$text-error"
        if run is not None:
            complete = "" if run.complete is None else f" · complete {report.seconds(run.complete)}"
            return f"first token {_first(run)}{complete}", "$text-success"
        if turn is None or not turn.requests:
            return "its turn comes next", "$foreground 60%"
        request = turn.requests[-1]
        waited = wording.clock(now - request.stamps.sent)
        if request.ttft is None:
            return f"{waited}  nothing to read yet", "$text-warning"
        tokens = f"~{round(request.characters / characters_per_token):,} tokens"
        return f"{waited}  first token {report.seconds(request.ttft)} · {tokens}", "$foreground"


def _first(run: Run) -> str:
    return "failed" if run.failure is not None else wording.UNKNOWN if run.ttft is None else report.seconds(run.ttft)


class CompareScreen(Screen[None]):
    """Compares `plan`. It asks before anything is paid for, except in the demo, then runs, then shows the result."""

    DEFAULT_CSS = """
    CompareScreen > #what { height: 2; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    CompareScreen > #columns { height: 1fr; margin: 1 0; }
    CompareScreen.-narrow > #columns { layout: vertical; }
    CompareScreen.-narrow Column#whole { margin: 1 0 0 0; }
    CompareScreen > #outcome { height: 1fr; margin: 1 0; padding: 0 1; display: none; scrollbar-size-vertical: 1; }
    CompareScreen.-told > #outcome { display: block; }
    CompareScreen.-told > #columns { display: none; }
    CompareScreen #told { width: 100%; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Stop, then close", id="compare.leave", priority=True),
        Binding("ctrl+c,super+c", "copy_or_stop", "Copy, else stop", id="compare.copy_or_stop", priority=True),
        Binding("y", "agree", "Send them", id="compare.agree"),
        Binding("r", "again", "Again", id="compare.again"),
        Binding("m", "model", "With another model too", id="compare.model"),
        Binding("c", "copy", "Copy the report", id="compare.copy"),
        Binding("pageup", "page(-1)", "Page up", id="compare.page_up"),
        Binding("pagedown", "page(1)", "Page down", id="compare.page_down"),
        Binding("f1", "app.help", "Keys", id="compare.help", priority=True),
    ]

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        self.columns = {streaming: Column(streaming=streaming) for streaming in (True, False)}
        self.result: Result | None = None  # None while it asks, or runs
        self.state = "preparing"  # asking, running, done
        self._comparison: Comparison | None = None
        self._call: Call | None = None
        self._worker: Worker[None] | None = None
        self._clock: Timer | None = None
        self._what = Static("", id="what", markup=False)
        self._told = Static("", id="told", markup=False)
        self._status = StatusBar(id="compare-status")

    def compose(self) -> ComposeResult:
        """What is compared, the two columns or what there is to say, the keys."""
        yield self._what
        with Horizontal(id="columns"):
            yield from self.columns.values()
        with VerticalScroll(id="outcome"):
            yield self._told
        yield self._status

    @property
    def chat_app(self) -> "TuiChatApp":
        """The app, with its runtime."""
        return cast("TuiChatApp", self.app)

    def on_mount(self) -> None:
        """Begin."""
        self._clock = self.set_interval(_TICK, self._tick, pause=True)
        self._prepare()

    def on_resize(self) -> None:
        """One above the other where there is no room side by side; the report is made for a width."""
        self.set_class(self.size.width < _NARROW, "-narrow")
        self._tell()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Workers report to the node that started them."""
        self.chat_app.on_worker_state_changed(event)

    # The comparison ------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self._comparison, self.result, self.state = Comparison(self.chat_app.runtime, self._plan), None, "preparing"
        self._call = None
        for column in self.columns.values():
            column.clear(forget=True)
        self._show()
        self._worker = self._run(asked=False)

    @work(group="compare", exclusive=True, exit_on_error=False)
    async def _run(self, *, asked: bool) -> None:
        """Prepare and ask, or (`asked`, or in the demo, which costs nothing) make all requests."""
        comparison = self._comparison
        if comparison is None:
            return
        try:
            if not asked:
                await comparison.prepare()
                if not self.chat_app.config.demo:
                    self._change("asking")
                    return
            self._change("running")
            await comparison.run(self)
        except RequestError as error:
            self.notify(sanitise_line(error.failure.sentence), severity="error", markup=False)
        self._end()

    def _end(self) -> None:
        if self._comparison is not None:
            self.result = self._comparison.result
        self._change("done")

    def _change(self, state: str) -> None:
        self.state = state
        if self._clock is not None:
            (self._clock.resume if state == "running" else self._clock.pause)()
        self._show()

    # What happens while it runs ------------------------------------------------------------------------------------

    async def prepared(self, call: Call) -> None:
        """A request comes next; with the first of a pair both columns are emptied. Then wait until that is painted."""
        before, self._call = self._call, call
        if before is not None and (before.model, before.run) != (call.model, call.run):
            for column in self.columns.values():
                column.clear(forget=before.model != call.model)
        self._show()
        painted = asyncio.Event()
        if self.call_after_refresh(painted.set):
            with contextlib.suppress(TimeoutError):  # below another screen nothing is painted
                await asyncio.wait_for(painted.wait(), _PAINTED_BY)

    def began(self, call: Call, turn: Turn) -> None:
        """A request leaves."""
        self.columns[call.streaming].turn = turn

    def heard(self, call: Call, event: Event) -> None:
        """Text goes into its column."""
        column = self.columns[call.streaming]
        match event:
            case TextDelta(text=text) | BlockStarted(block={"type": "text", "text": str(text)}):
                column.write(text)
            case ThinkingDelta(thinking=text) | BlockStarted(block={"type": "thinking", "thinking": str(text)}):
                column.think(text)
            case _:
                pass

    def measured(self, run: Run) -> None:
        """A request is over."""
        column = self.columns[run.call.streaming]
        column.run_done = run
        column.reply.finish()
        self._tick()

    def _tick(self) -> None:
        now = time.monotonic()
        model = self._call.model if self._call else self._plan.models[0]
        ratio = self.chat_app.runtime.ratios.characters_per_token(model)
        for column in self.columns.values():
            column.show(now, ratio)

    # What is shown -------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        if not self.is_attached:
            return
        self._what.update(Content("\n").join(self._heading()))
        self.set_class(self.state in ("asking", "done"), "-told")
        self._tick()
        self._tell()
        self._status.show(*self._keys())
        self.set_focus(self.query_one("#outcome") if self.state in ("asking", "done") else None)

    def _heading(self) -> list[Content]:
        prompt = sanitise_line(self._plan.prompt)
        width = max(10, self.size.width - 6)
        prompt = prompt if len(prompt) <= width else prompt[: width - 1] + "…"
        models = ", ".join(map(wording.model_name, self._plan.models))
        runs = f"{self._plan.runs} run{'s' if self._plan.runs > 1 else ''} of each"
        return [
            Content.assemble(
                ("Streaming against not", "bold $text-primary"), (f"   {models} · {runs}", "$foreground 60%")
            ),
            Content.assemble(("▌ ", "$primary"), (prompt, "bold")),
        ]

    def _keys(self) -> tuple[list[Field], str]:
        match self.state:
            case "asking":
                return [Field("y send them", 3, "state"), Field("m with another model too", 1, "dim")], "Esc closes"
            case "running":
                call, total = self._call, len(self._comparison.calls) if self._comparison else 0
                if call is None:
                    return [Field("connecting", 3, "state")], "Esc stops"
                where = f"{wording.model_name(call.model)} run {call.run} of {self._plan.runs}"
                return [Field(f"request {call.number} of {total}", 3, "state"), Field(where, 2, "dim")], "Esc stops"
            case "done":
                return [
                    Field("stopped" if self.result and self.result.stopped else "done", 3, "state"),
                    Field("r again", 2, "dim"),
                    Field("c copy", 1, "dim"),
                    Field("m with another model too", 1, "dim"),
                ], "Esc closes"
            case _:
                return [Field("connecting", 3, "state")], "Esc closes"

    def _tell(self) -> None:
        """The question, or the result, for the width as it is."""
        width = max(36, self.size.width - 4)
        if self.state == "asking" and self._comparison is not None:
            self._told.update(
                Content("\n\n").join(map(Content, (*self._comparison.estimate().sentences, "Send them?")))
            )
        elif self.state == "done" and self.result is not None:
            self._told.update(_outcome(self.result, width))

    # Keys ----------------------------------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Stop what runs, and show what was measured; else close."""
        if self.state == "running" and self._worker is not None:
            self._worker.cancel()
            self._end()
        else:
            self.dismiss()

    def action_copy_or_stop(self) -> None:
        """Ctrl+C, as in the chat: copy a selection, else stop; it closes nothing."""
        replies = (column.reply.selected_text() for column in self.columns.values())
        if selected := self.get_selected_text() or next(filter(None, replies), ""):
            self.chat_app.chat.copy(selected)
        elif self.state == "running":
            self.action_leave()

    def action_copy(self) -> None:
        """Copy the report."""
        if self.state == "done" and self.result is not None:
            self.chat_app.chat.copy(report.text(self.result, _COPIED))

    def action_page(self, direction: int) -> None:
        """Move both replies by a page."""
        for column in self.columns.values():
            column.reply.page(direction)

    def action_agree(self) -> None:
        """Send them."""
        if self.state == "asking":
            self._worker = self._run(asked=True)

    def action_again(self) -> None:
        """The same once more; it asks again."""
        if self.state == "done":
            self._prepare()

    def action_model(self) -> None:
        """Compare with one more model, or one fewer."""
        if self.state not in ("asking", "done"):
            return
        from tui_chat.ui.screens.dialogs import PickScreen  # here: most comparisons are of one model

        entries = [
            (
                info.id,
                "already in it; chosen again it is left out"
                if info.id in self._plan.models
                else info.display_name or "",
            )
            for info in self.chat_app.runtime.catalog
        ]
        self.app.push_screen(PickScreen("Compare with another model too", entries, free_text=True), self._model_chosen)

    def _model_chosen(self, model: str | None) -> None:
        if not model:
            return
        models = self._plan.models
        chosen = tuple(each for each in models if each != model) if model in models else (*models, model)
        if chosen:
            self._plan = Plan(self._plan.prompt, chosen, self._plan.runs)
            self._prepare()


def _outcome(result: Result, width: int) -> Content:
    """The report, with what matters most standing out."""
    parts: list[Content] = []
    for model in result.plan.models:
        head, _, rows = report.table(result, model, width).partition("\n")
        parts.append(Content.assemble((head, "bold $text-primary"), "\n", rows))
    parts += [
        Content.styled(report.shorter(result, width), "bold"),
        Content.styled(report.failures(result, width), "$text-error"),
        Content(report.chart(result, width)).highlight_regex("▇+", style="$primary"),
        Content.styled(report.legend(result, width), "$foreground 60%"),
    ]
    return Content("\n\n").join(part for part in parts if part.plain)
