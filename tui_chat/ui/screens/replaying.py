"""Recordings on the chat screen: turns that were recorded are played in its log, and `/record` writes the last one.

While a recording plays, the log has the focus and a few keys set its pace; typing goes to the composer as ever. Nothing is stored
of what is played. How a recording is read, played and written is `recordings`'; this is its remote control.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from textual import work
from textual.binding import Binding, BindingType
from textual.worker import Worker, WorkerCancelled, WorkerFailed

from tui_chat.errors import UsageError
from tui_chat.events import Event
from tui_chat.recordings.player import Player, Playlist, speed_text
from tui_chat.recordings.recorder import write_afterwards
from tui_chat.session import ChatSession
from tui_chat.text import sanitise_line
from tui_chat.ui.screens.log_screen import LogScreen
from tui_chat.ui.status_fields import KEEP_TTFT
from tui_chat.ui.wording import Field

if TYPE_CHECKING:
    from tui_chat.ui.app import TuiChatApp
    from tui_chat.ui.screens.wire_inspector import WireInspector

FOLDER: Final = "recordings"  # in the data directory
_HINTS_NEED: Final = 70  # columns for more than how to stop
_WIDE: Final = 100  # ... and for all of it


class Replaying(LogScreen):
    """A log screen whose session can play recordings. `playlist` is what was played last on it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # With priority: what these keys mean to the log and to the composer they do not mean while a recording plays.
        Binding("p", "replay_pause", "Pause the replay, or go on", id="replay.pause", priority=True),
        Binding("space", "replay_pause('log')", "Pause the replay, or go on", id="replay.pause_in_log", priority=True),
        Binding("full_stop", "replay_step", "One event further", id="replay.step", priority=True),
        Binding("plus,equals_sign", "replay_faster('log')", "Faster", id="replay.faster", priority=True),
        Binding("minus", "replay_slower('log')", "Slower", id="replay.slower", priority=True),
        Binding("r", "replay_restart", "From the start", id="replay.restart", priority=True),
    ]

    session: ChatSession | None
    turn_worker: Worker[None] | None
    wire: "WireInspector | None"

    def __init__(self) -> None:
        super().__init__()
        self.playlist: Playlist | None = None

    @property
    def chat_app(self) -> "TuiChatApp":
        """The app, with its runtime."""
        raise NotImplementedError

    def attach(self, session: ChatSession) -> None:
        """Show `session`."""
        raise NotImplementedError

    def start_over(self) -> None:
        """Empty the screen for another conversation."""
        raise NotImplementedError

    def start_turn(self, stream: AsyncGenerator[Event, None], text: str, what: str) -> None:
        """Read turns of the session."""
        raise NotImplementedError

    def refresh_status(self) -> None:
        """Show the state and the figures as they are now."""
        raise NotImplementedError

    # Playing -------------------------------------------------------------------------------------------------------

    @property
    def player(self) -> Player | None:
        """Who plays, or has played, the latest turn; None: that was sent."""
        return self.session.player if self.session is not None else None

    def start_replay(self, playlist: Playlist) -> None:
        """Play all of it as turns of the session, which is an empty one."""
        if self.session is None:
            return
        self.playlist = playlist
        self.session.conversation.model = playlist.recordings[0].started.model
        self.log_widget.clear()
        self.log_widget.focus()
        self.start_turn(_all_turns(self.session, playlist), "", "replay")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys of a replay are its own only while it has the focus, and has something to play.

        Beside the log that is the list of the wire, which has a use of its own for some (`log`) of them.
        """
        if not action.startswith("replay_"):
            return super().check_action(action, parameters)
        on_wire = self._wire_listens and "log" not in parameters
        if self.player is None or self.session is None or not (self.log_widget.has_focus or on_wire):
            return False
        return not self.session.is_idle or action == "replay_restart"

    @property
    def _wire_listens(self) -> bool:
        return self.wire is not None and self.wire.pane.list.has_focus

    def action_replay_pause(self, where: str = "") -> None:
        """Stand still, or go on."""
        if self.player is not None:
            self.player.pause(not self.player.paused)
            self.refresh_status()

    def action_replay_step(self) -> None:
        """Stand still after one more event."""
        if self.player is not None:
            self.player.step()
            self.refresh_status()

    def action_replay_faster(self, where: str = "") -> None:
        """The next higher speed."""
        if self.player is not None:
            self.player.faster()
            self.refresh_status()

    def action_replay_slower(self, where: str = "") -> None:
        """The next lower speed."""
        if self.player is not None:
            self.player.faster(-1)
            self.refresh_status()

    def action_replay_restart(self) -> None:
        """Play it again, from the start, in an empty log."""
        self._restart()

    @work(group="replay", exclusive=True, exit_on_error=False)
    async def _restart(self) -> None:
        session, playlist = self.session, self.playlist
        if session is None or playlist is None:
            return
        await session.close()
        if self.turn_worker is not None:
            with contextlib.suppress(WorkerFailed, WorkerCancelled):
                await self.turn_worker.wait()
        again = await self.chat_app.runtime.new_session()
        self.start_over()
        self.attach(again)
        renamed = tuple(recording.under_new_ids() for recording in playlist.recordings)
        self.start_replay(replace(playlist, recordings=renamed))

    def with_replay(self, fields: Sequence[Field], right: str) -> tuple[Sequence[Field], str]:
        """What the status bar shows, and that it is a replay, and which keys it has."""
        player, session = self.player, self.session
        if player is None or session is None:
            return fields, right
        width = self.size.width
        hints = (self.log_widget.has_focus or self._wire_listens) and width >= _HINTS_NEED
        pause = "Space" if self.log_widget.has_focus else "p"
        if session.is_idle:
            return [Field("replay ended", KEEP_TTFT, "warm"), *fields], "r from the start" if hints else right
        text, keys = f"replay {speed_text(player.speed)}", f"{pause} pauses"
        if player.paused:
            text, keys = f"{text} paused", f"{pause} goes on" + ("  . steps" if width >= _WIDE else "")
        if width < _HINTS_NEED:
            text = "paused" if player.paused else "replay"
        return [Field(text, KEEP_TTFT, "warm"), *fields], f"{keys}  {right}" if hints else right

    # Recording -----------------------------------------------------------------------------------------------------

    def action_record(self, argument: str = "") -> None:
        """Write the last turn to a file, in the folder `argument`, else where this run records, else with the data."""
        session = self.session
        if session is None or session.turn is None:
            self.say("there is no turn of this run to record", timeout=4)
        elif not session.is_idle:
            self.say("a turn is running: it can be recorded when it has ended", timeout=4)
        else:
            config = self.chat_app.config
            usual = config.record_to or config.data_dir / FOLDER
            self._record(session, session.turn.id, Path(argument) if argument else usual)

    @work(group="record", exit_on_error=False)
    async def _record(self, session: ChatSession, turn_id: str, folder: Path) -> None:
        stores = self.chat_app.runtime.store.path is not None
        said, captures = list(session.said), session.wire.of_turn(turn_id)

        def write() -> Path:
            return write_afterwards(folder.expanduser().absolute(), said, captures, stores=stores)

        try:
            path = await asyncio.to_thread(write)
        except UsageError as error:
            self.say(f"not recorded: {sanitise_line(error.sentence)}", "warning", timeout=8)
        except (OSError, RuntimeError) as error:  # RuntimeError: ~ of a user who has no home
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            self.say(f"not recorded: {sanitise_line(why)}; /record FOLDER writes elsewhere", "warning", timeout=8)
        else:
            self.say(f"recorded in {sanitise_line(str(path))}; tui-chat replay FILE plays it", timeout=8)


async def _all_turns(session: ChatSession, playlist: Playlist) -> AsyncGenerator[Event, None]:
    """The events of all recordings, until one is stopped."""
    for recording in playlist.recordings:
        async with contextlib.aclosing(session.replay(recording, playlist.player)) as events:
            async for event in events:
                yield event
        if playlist.player.stopped:
            return
