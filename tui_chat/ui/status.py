"""What the status bar says of a session now: session, runtime and clock in, a `Status` out."""

from tui_chat import meter
from tui_chat.conversation import Turn
from tui_chat.meter import RollingRate
from tui_chat.pulse import SAMPLES, PaintLag, Pulse
from tui_chat.runtime import Runtime
from tui_chat.session import ChatSession, State
from tui_chat.ui.status_fields import Status, running_state


class Live:
    """What is counted while a turn runs: its speed, its pulse, and how far the paints are behind it."""

    def __init__(self) -> None:
        self.lag = PaintLag()
        self.request_started()

    def request_started(self) -> None:
        """Another request: the time between two is nobody's speed, and no stall."""
        self.rolling, self.pulse = RollingRate(), Pulse()

    def count(self, at: float, text: str, *, waits: bool) -> None:
        """Content that arrived at `at` (monotonic seconds); it `waits` to be painted, or is not shown."""
        self.rolling.add(at, len(text))
        if text:
            self.pulse.add(at, len(text))
            if waits:
                self.lag.arrived(at)

    def painted(self, at: float | None) -> None:
        """What has arrived is on the screen since `at`; None: nobody sees it."""
        if at is None:
            self.lag.forget()
        else:
            self.lag.painted(at)


def starting(runtime: Runtime, *, waiting: bool) -> Status:
    """Before there is a session; `waiting`: a prompt was sent already."""
    state, hint = ("connecting", "Esc takes it back") if waiting else ("starting", "")
    return Status(model=runtime.config.model, demo=runtime.config.demo, state=state, hint=hint)


def status_of(session: ChatSession, runtime: Runtime, live: Live, now: float) -> Status:
    """The state and the figures of the running turn, or of the last one, and of all turns since the session was opened."""
    turns = session.conversation.turns
    running = session.state is not State.IDLE
    # While a new prompt is being stored its turn does not exist yet, and the last one's figures would be misread.
    turn = (
        None
        if not turns or (running and turns[-1].outcome is not None and session.turn is not turns[-1])
        else turns[-1]
    )
    state, tone, hint, rate, spark, lag = "ready", "", "^P", None, "", None
    if running:
        state, hint = "saving", ""
    if running and turn is not None and turn.outcome is None:
        state, tone = running_state(turn, now, session.state)
        asks = session.player is None and meter.state(turn, now) == "approval"  # a replay asks nobody
        hint = "Esc gives up" if turn.retry_at is not None else "Esc denies" if asks else "Esc stops"
        rate = live.rolling.tokens_per_second(now, runtime.ratios.characters_per_token(turn.model))
        spark = live.pulse.text(now) if _streams(turn) else " " * SAMPLES
        lag = live.lag.late(now)
    figures = runtime.figures(turn, now) if turn is not None else None
    # The sums are shown only between turns, and a running turn asks ten times a second.
    totals = (
        []
        if running
        else [
            *(runtime.figures(each, now) for each in session.begun if each.outcome is not None),
            *runtime.side_figures(session),  # titles cost as well
        ]
    )
    # Turns of the demo, and of servers without a price, have no cost and stay out of the sum.
    costs = [each.cost for each in totals if each.cost is not None]
    window = runtime.context_window(turn.model if turn else session.model)
    return Status(
        model=turn.model if running and turn is not None else session.model,
        effort=session.effort,
        tools=session.tools_on,
        # Whose words a replay shows its recording says, not this run.
        demo=turn.server == "demo" if turn and session.player else runtime.config.demo,
        running=running,
        state=state,
        tone=tone,
        figures=figures,
        rolling=rate,
        spark=spark,
        lag=lag,
        context=meter.context_share(figures, window) if figures else None,
        session_cost=sum(costs) if costs else None,
        session_in=sum(each.input_tokens or 0 for each in totals),
        session_out=sum(each.output_tokens or 0 for each in totals),
        session_estimated=any(each.output_estimated for each in totals),
        hint=hint,
    )


def _streams(turn: Turn) -> bool:
    """Whether a request is being answered: between two of them silence is no stall."""
    return turn.request is not None and turn.request.stamps.ended is None
