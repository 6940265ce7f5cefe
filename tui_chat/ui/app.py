"""The application: one runtime, chats in tabs, the palette, and an exit that restores the terminal and loses nothing.

First paint comes before everything slow: the screen is composed from Textual alone; store, demo server and SDK are opened once
it has been painted. Whatever goes wrong ends in one sentence on the terminal and a traceback, without locals, in the log.
"""

import asyncio
import logging
import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.worker import Worker, WorkerState

from tui_chat.config import Config
from tui_chat.conversation import Outcome, Turn
from tui_chat.errors import TuiChatError
from tui_chat.files import write_private
from tui_chat.recordings.player import Playlist
from tui_chat.runtime import Runtime, read_state, write_state
from tui_chat.session import ChatSession
from tui_chat.text import sanitise_line, storable
from tui_chat.ui.commands import COMMANDS
from tui_chat.ui.conversation_commands import ConversationCommands
from tui_chat.ui.driver import driver_class, take_mouse
from tui_chat.ui.garbage import Collector
from tui_chat.ui.library_commands import LibraryCommands
from tui_chat.ui.links import link_note, may_open
from tui_chat.ui.screens.chat import ChatScreen
from tui_chat.ui.screens.inspecting import Inspecting
from tui_chat.ui.screens.log_screen import LogScreen
from tui_chat.ui.screens.replaying import Replaying
from tui_chat.ui.screens.tabbed import Tabbed
from tui_chat.ui.stream_commands import StreamCommands
from tui_chat.ui.tabs import Tabs
from tui_chat.ui.warm_up import LANGUAGES, warm_up
from tui_chat.ui.widgets.composer import Composer
from tui_chat.ui.widgets.message_log import MessageLog

_log = logging.getLogger(__name__)


class TuiChatApp(Tabs, ConversationCommands, LibraryCommands, StreamCommands):
    """See the module. `prompt` is sent at once; `resume` is an id prefix, `continue_last` the last conversation."""

    CSS_PATH = "app.tcss"
    TITLE = "tui-chat"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", id="app.quit", priority=True),
        Binding("ctrl+l", "redraw", "Redraw", id="app.redraw", priority=True),
        Binding("ctrl+r", "history", "History", id="app.history", priority=True),
    ]

    def __init__(
        self,
        config: Config,
        *,
        prompt: str | None = None,
        resume: str | None = None,
        continue_last: bool = False,
        store_conversations: bool = True,
        playlist: Playlist | None = None,
    ) -> None:
        super().__init__(driver_class=driver_class(config.escape_wait_ms))
        self.config = config
        self.runtime = Runtime(config, store_conversations=store_conversations, replaying=playlist is not None)
        self.failure: str | None = None
        self.farewell = ""  # what is still to be said when the screen is gone
        self._prompt, self._resume, self._continue_last = prompt, resume, continue_last
        self._playlist = playlist
        self._quitting = False
        self._collector: Collector | None = None
        self.mouse_taken = True
        self._state_dir: Path | None = config.data_dir if store_conversations or playlist else None

    # Start ---------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Choose the theme, then open what is slow after the first paint."""
        remembered = read_state(self._state_dir) if self._state_dir else {}
        if remembered.get("mouse") is False:
            self._set_mouse(taken=False)
        for theme in (remembered.get("theme"), self.config.theme):
            if theme in self.available_themes:
                self.theme = str(theme)
                break
        if self.config.theme and self.config.theme not in self.available_themes:
            self.runtime.notices.append(f"there is no theme {self.config.theme!r}; /theme lists them")
        unknown = sorted(set(self.config.keys) - _binding_ids()) if self.config.keys else []
        if unknown:
            self.runtime.notices.append(f"[keys] of the config file: no binding is called {', '.join(unknown)}")
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())
        if self.config.keys:
            self.set_keymap(dict(self.config.keys))
        self.call_after_refresh(self._open)

    def _open(self) -> None:
        self.run_worker(self._open_runtime(), group="open", exit_on_error=False)

    async def _open_runtime(self) -> None:
        chat = self.chat
        try:
            await self.runtime.open()
            if self._resume or self._continue_last:
                session = await self.runtime.resume(self._resume, with_flags=True)
                await asyncio.to_thread(warm_up)
            else:
                session = await self.runtime.new_session()
            self.prompts = (await self.runtime.store.recent_prompts())[::-1]
        except TuiChatError as error:
            self.failure = error.sentence
            self.exit(1)
            return
        chat.composer.set_history(self.prompts)
        chat.attach(session)
        await self.offer_recent(chat)
        if self.runtime.recordings is not None:
            self.runtime.recordings.told = self._warn
        if self._playlist is not None:
            chat.start_replay(self._playlist)
        # Only now: the SDK's import takes most of a second of the interpreter, which a long conversation would share.
        self.runtime.preload()
        if self._prompt:
            chat.submitted(chat.composer.Submitted(self._prompt))
        for notice in self.runtime.notices:
            self._warn(notice)
        await asyncio.to_thread(warm_up)
        await self.runtime.learn_ratios()
        if chat.session is not None:
            chat.transcript.estimate_anew(chat.session)
        await self.runtime.refresh_catalog()
        chat.refresh_status()
        await asyncio.to_thread(warm_up, *LANGUAGES)
        self._collector = Collector(asyncio.get_running_loop())

    def _warn(self, text: str) -> None:
        self.notify(sanitise_line(text), severity="warning", timeout=15, markup=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A bug in a worker is logged and said; it must not end as a spinner that nobody stops. The chat screen calls it too."""
        error = event.worker.error
        if event.state is WorkerState.ERROR and error is not None:
            _log.critical("a worker crashed\n%s", "".join(traceback.format_exception(error)))
            text = f"a bug in tui-chat ({type(error).__name__}); {_log_hint(self.config)}"
            self.notify(sanitise_line(text), severity="error", timeout=15, markup=False)

    def _choose_theme(self, name: str) -> None:
        self.theme = name
        if self._state_dir is not None:
            write_state(self._state_dir, theme=name)

    # Commands ------------------------------------------------------------------------------------------------------

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Every command of the table, in the palette."""
        chat = self.chat
        for command in COMMANDS:
            if not command.palette:
                continue
            title = f"{command.title}  {command.key}" if command.key else command.title

            def run(command: Any = command) -> None:
                chat.run_command(command, "")

            yield SystemCommand(title, command.help[:1].upper() + command.help[1:], run)

    def action_command_palette(self) -> None:
        """Every command, by typing."""
        from tui_chat.ui.screens.palette import Palette  # as the dialogs

        # The commands are those of the chat: not for a screen of its own, such as the history.
        if isinstance(self.screen, ChatScreen | ModalScreen) and not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    @on(MessageLog.ActionChosen)
    def entry_chosen(self, message: MessageLog.ActionChosen) -> None:
        """A conversation of the start screen; the other actions are the chat screen's."""
        if message.action == "open_conversation":
            self.run_worker(self.open_conversation(message.turn_id), group="open", exit_on_error=False)

    def after_turn(self, session: ChatSession, turn: Turn) -> None:
        """A turn has ended: a title may be asked for, beside whatever comes next."""
        self.turn_ended(session, turn)
        if turn.outcome is Outcome.COMPLETED:
            self.run_worker(self._suggest_title(session), group="title", exit_on_error=False)

    async def _suggest_title(self, session: ChatSession) -> None:
        if await self.runtime.suggest_title(session) is not None:
            self.show_titles()

    def action_theme(self, argument: str = "") -> None:
        """Choose the colours; the choice is remembered."""
        if argument in self.available_themes:
            self._choose_theme(argument)
        elif argument:
            self.notify(f"there is no theme {sanitise_line(argument)!r}", severity="warning", markup=False)
        else:
            from tui_chat.ui.screens.dialogs import PickScreen  # as above

            before = self.theme
            entries = [
                (name, "dark" if theme.dark else "light") for name, theme in sorted(self.available_themes.items())
            ]

            def preview(name: str) -> None:
                self.theme = name

            self.push_screen(
                PickScreen("Theme", entries, current=before, on_highlight=preview),
                lambda name: self._choose_theme(name) if name else preview(before),
            )

    def action_mouse(self) -> None:
        """Leave the mouse to the terminal, for its own selecting and pasting, or take it back."""
        self._set_mouse(taken=not self.mouse_taken)
        self.notify(
            "the mouse is ours again" if self.mouse_taken else "the mouse is the terminal's now; /mouse takes it back",
            markup=False,
        )
        if self._state_dir is not None:
            write_state(self._state_dir, mouse=self.mouse_taken)

    def _set_mouse(self, *, taken: bool) -> None:
        self.mouse_taken = taken
        take_mouse(self, taken=taken)

    def action_help(self) -> None:
        """Show all keys and words."""
        from tui_chat.ui.screens.help import HelpScreen  # as above

        self.push_screen(HelpScreen(self.config.keys))

    def open_url(self, url: str, *, new_tab: bool = True) -> None:
        """Open a link of the web or mail, and nothing else: replies are not to be trusted with other schemes."""
        if may_open(url):
            super().open_url(url, new_tab=new_tab)
            self.notify(f"opening {link_note(url).sentence}", timeout=2, markup=False)
        else:
            self.notify(link_note(url).sentence, severity="warning", markup=False)

    # The end -------------------------------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Stop and save what runs, keep the draft, leave. Asks nothing."""
        if self._quitting:
            return
        self._quitting = True
        await self.leave_all()
        signal_number = getattr(self._driver, "ended_by", None)
        self.exit(128 + int(signal_number) if signal_number else 0)

    def keep_aside(self, error: TuiChatError, texts: Sequence[str]) -> None:
        """Write what was typed into a file of its own, since the database would not take it, and say where it is."""
        _log.warning("a conversation was left without being saved: %s", error)
        if not texts:
            return
        path = self.config.data_dir / f"unsaved-{time.strftime('%Y%m%d-%H%M%S')}.txt"
        try:
            write_private(path, storable("\n\n".join(texts)) + "\n")
        except OSError as why:
            _log.warning("nor could a file be written: %s", why)
            self.farewell = f"what was typed could not be saved: {error}"
        else:
            self.farewell = f"what was typed is in {path}, since {error}"
        if not self._quitting:
            self.notify(sanitise_line(self.farewell), severity="warning", timeout=15, markup=False)

    async def on_unmount(self) -> None:
        """Close what is open."""
        if self._collector is not None:
            self._collector.stop()
        await self.runtime.close()

    def _fatal_error(self) -> None:
        """In place of Textual's traceback with locals, which may hold keys and conversations: the log, without locals."""
        kind, error, _ = sys.exc_info()
        _log.critical("crashed\n%s", "".join(traceback.format_exception(error)) if error else "")
        self.failure = f"tui-chat crashed ({kind.__name__ if kind else 'unknown'}); {_log_hint(self.config)}"
        self._close_messages_no_wait()


def _binding_ids() -> set[str | None]:
    """The names by which bindings can be remapped."""
    from tui_chat.ui.screens.approval import ApprovalScreen  # as the dialogs; asked only where keys are remapped
    from tui_chat.ui.screens.comparing import CompareScreen
    from tui_chat.ui.screens.history import HistoryScreen
    from tui_chat.ui.screens.race_setup import RaceSetupScreen
    from tui_chat.ui.screens.racing import RaceScreen
    from tui_chat.ui.screens.statistics import StatisticsScreen
    from tui_chat.ui.screens.turn_details import TurnDetailsScreen
    from tui_chat.ui.widgets.detail_lines import DetailLines
    from tui_chat.ui.widgets.find_bar import FindField
    from tui_chat.ui.widgets.history_field import HistoryField, TitleField
    from tui_chat.ui.widgets.wire_detail import WireDetail
    from tui_chat.ui.widgets.wire_list import WireList
    from tui_chat.ui.widgets.wire_pane import WireField

    screens = (
        TuiChatApp,
        Tabs,
        ChatScreen,
        Replaying,
        Tabbed,
        LogScreen,
        ApprovalScreen,
        HistoryScreen,
        TurnDetailsScreen,
    )
    owners = (
        *screens,
        StatisticsScreen,
        CompareScreen,
        Composer,
        MessageLog,
        FindField,
        HistoryField,
        TitleField,
        DetailLines,
    )
    wire = (Inspecting, WireList, WireDetail, WireField)
    races = (RaceScreen, RaceSetupScreen)
    return {
        binding.id for owner in (*owners, *wire, *races) for binding in owner.BINDINGS if isinstance(binding, Binding)
    }


def _log_hint(config: Config) -> str:
    return f"the log file has the details: {config.data_dir / 'tui-chat.log'}"


def run(
    config: Config,
    *,
    prompt: str | None = None,
    resume: str | None = None,
    continue_last: bool = False,
    store_conversations: bool = True,
    playlist: Playlist | None = None,
) -> int:
    """Run the full-screen program; returns its exit code."""
    app = TuiChatApp(
        config,
        prompt=prompt,
        resume=resume,
        continue_last=continue_last,
        store_conversations=store_conversations,
        playlist=playlist,
    )
    code = app.run()
    if app.failure is not None:
        sys.stderr.write(f"tui-chat: {sanitise_line(app.failure)}\n")
        return 1
    if app.farewell:
        sys.stderr.write(f"tui-chat: {sanitise_line(app.farewell)}\n")
    return int(code or 0)
