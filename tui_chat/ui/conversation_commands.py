"""The commands that change what the next request of a conversation is: its model, system prompt, effort, tools.

A part of the app that stands alone: it asks in a dialog where no argument was given, and saves what was chosen.
"""

from typing import TYPE_CHECKING, Any, Final

from tui_chat.config import EFFORTS
from tui_chat.errors import StoreError
from tui_chat.text import sanitise_line
from tui_chat.ui import wording
from tui_chat.ui.painted_app import PaintedApp

if TYPE_CHECKING:
    from tui_chat.runtime import Runtime
    from tui_chat.ui.screens.chat import ChatScreen

DEFAULT_EFFORT: Final = "default"


class ConversationCommands(PaintedApp):
    """The app's actions for the conversation on the screen."""

    runtime: "Runtime"

    @property
    def chat(self) -> "ChatScreen":
        """The chat screen in front."""
        raise NotImplementedError

    async def action_model(self, argument: str = "") -> None:
        """Choose the model of the next request: from the server's list, or any name."""
        chat = self.chat
        if chat.session is None:
            return
        if not argument:
            from tui_chat.ui.screens.dialogs import PickScreen  # dialogs are not needed for the first paint

            entries = [(info.id, info.display_name or "") for info in self.runtime.catalog]
            self.push_screen(
                PickScreen("Model", entries, free_text=True, current=chat.session.model), self._model_chosen
            )
            return
        await self._set_model(argument)

    def _model_chosen(self, model: str | None) -> None:
        if model:
            self.run_worker(self._set_model(model))

    async def _set_model(self, model: str) -> None:
        session = self.chat.session
        if session is None:
            return
        if any(character.isspace() for character in model) or model.startswith("/"):
            self._tell(f"{sanitise_line(model)!r} is no model's name")
            return
        session.conversation.model = model
        await self._saved(session.save())
        self.chat.refresh_status()
        self._tell(f"{wording.model_name(model)} answers from the next request on", "information")

    async def action_system(self, argument: str = "") -> None:
        """Change the system prompt of this conversation."""
        session = self.chat.session
        if session is None:
            return
        if not argument:
            from tui_chat.ui.screens.dialogs import SystemPromptScreen  # as above

            self.push_screen(SystemPromptScreen(session.system or ""), self._system_written)
            return
        self._system_written(argument)

    def _system_written(self, text: str | None) -> None:
        session = self.chat.session
        if text is None or session is None:
            return
        session.conversation.system = text.strip() or None
        self.run_worker(self._saved(session.save()))
        self.notify(
            "the system prompt holds from the next request on" if text.strip() else "no system prompt", markup=False
        )

    async def _saved(self, saving: Any) -> None:
        try:
            await saving
        except StoreError as error:
            self.notify(sanitise_line(error.sentence), severity="warning", markup=False)

    async def action_effort(self, argument: str = "") -> None:
        """Choose how hard the model thinks; it holds for this conversation."""
        session = self.chat.session
        if session is None:
            return
        offered = session.efforts if session.efforts is not None else EFFORTS
        if not offered:
            self._tell(f"{wording.model_name(session.model)} has no effort to choose")
        elif argument == DEFAULT_EFFORT or argument in offered:
            await self._set_effort(argument)
        elif argument:
            self._tell(
                f"{wording.model_name(session.model)} knows {', '.join(offered)}, not {sanitise_line(argument)!r}"
            )
        else:
            from tui_chat.ui.screens.dialogs import PickScreen  # as above

            entries = [(DEFAULT_EFFORT, "the model's own"), *((name, "") for name in offered)]
            current = session.conversation.effort or DEFAULT_EFFORT
            self.push_screen(PickScreen("Effort", entries, current=current), self._effort_chosen)

    def _effort_chosen(self, effort: str | None) -> None:
        if effort:
            self.run_worker(self._set_effort(effort))

    async def _set_effort(self, effort: str) -> None:
        session = self.chat.session
        if session is None:
            return
        session.conversation.effort = None if effort == DEFAULT_EFFORT else effort
        await self._saved(session.save())
        self.chat.refresh_status()
        self._tell(f"effort {effort} from the next request on", "information")

    def action_tools(self, argument: str = "") -> None:
        """Let the model use tools, or no longer; each call asks first."""
        session = self.chat.session
        if session is None:
            return
        session.tools_on = {"on": True, "off": False}.get(argument, not session.tools_on)
        names = ", ".join(tool.name for tool in session.tools)
        text = f"tools on, each call asks first: {names}" if session.tools_on else "tools off"
        self._tell(f"{text}; from the next prompt on", "information")

    def _tell(self, text: str, severity: Any = "warning") -> None:
        self.chat.say(text, severity, timeout=5)
