"""The history: all conversations in one list, found by title or by anything that was said in them; and what its keys do.

Keys act on the list of what is typed: while that is looked for, or something is changed, they wait, in their order. So Enter right
behind a word opens what the word finds. What is done to conversations is the app's (`library_commands.py`), because the one on the
screen behind may be among them.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType

from tui_chat.errors import StoreError
from tui_chat.listed import ConversationSummary, Hit
from tui_chat.text import sanitise_line
from tui_chat.ui import history_text
from tui_chat.ui.screens.history_finding import HistoryFinding, Opened
from tui_chat.ui.widgets.history_field import HistoryField, TitleField
from tui_chat.ui.widgets.history_list import HistoryList
from tui_chat.ui.widgets.history_rows import More
from tui_chat.ui.wording import Field

_WAITING: Final = 0.5  # seconds after which a change says that it waits


@dataclass(frozen=True, slots=True)
class Changed:
    """What was done, in a sentence, and the conversation to point at if it is another."""

    said: str
    key: str = ""


class HistoryScreen(HistoryFinding):
    """Gives back what was chosen, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+r", "close", "Close", id="history.close"),
        Binding("f1", "app.help", "Keys", id="history.help", priority=True),
    ]

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self._changing = False
        self._asked: list[HistoryField.Asked] = []  # keys that wait for the list that they are meant for
        self._renaming: ConversationSummary | Hit | None = None

    def on_mount(self) -> None:
        """The keys at the bottom."""
        self._show_hint()

    def on_resize(self) -> None:
        """The title that is being changed does not stand where it stood."""
        self.title_field.action_leave(keep=True)

    @property
    def settled(self) -> bool:
        """Whether all that is shown is known, and nothing waits."""
        return super().settled and not self._changing and not self._asked

    # Keys and clicks -----------------------------------------------------------------------------------------------

    @on(HistoryField.Asked)
    def asked(self, message: HistoryField.Asked) -> None:
        """A key; while something is looked for or changed it waits, so that it acts on the list as it is then."""
        if self._changing or self.searching:
            self._asked.append(message)
            return
        self.hint.say(None)
        match message.action:
            case "open":
                self._open()
            case "previous":
                self.list.move(-1)
            case "next":
                self.list.move(1)
            case "page_up":
                self.list.move_page(-1)
            case "page_down":
                self.list.move_page(1)
            case "first":
                self.list.move_to(0)
            case "last":
                self.list.move_to(-1)
            case "rename":
                self._begin_rename()
            case "pin":
                self._change(self._pin)
            case "delete":
                self._change(self._delete)
            case "undo":
                self._change(self._undo)
            case "duplicate":
                self._change(self._duplicate)
            case _:
                pass

    def not_found(self) -> None:
        """The keys that were meant for that list are void."""
        self._asked.clear()

    def found(self) -> None:
        """The list is what it should be: do what was asked for meanwhile."""
        self._show_hint()
        while self._asked and not self._changing and not self.searching:
            self.asked(self._asked.pop(0))

    @on(HistoryList.EntryClicked)
    def clicked(self) -> None:
        """A click opens what is shown there, whatever is looked for; a title that was being changed is done with."""
        if self._renaming is not None:
            self.title_field.action_leave(keep=True)
        elif not self._changing:
            self._open()

    def _open(self) -> None:
        """Open what the cursor is on."""
        if not self.is_current:
            return  # a tool has asked meanwhile
        match self.list.selected:
            case ConversationSummary(id=conversation_id):
                self.dismiss(Opened(conversation_id))
            case Hit(conversation_id=conversation_id) as hit:
                self.dismiss(Opened(conversation_id, hit, history_text.shown_text(hit, self.list.rows.wanted)))
            case More():
                self.list.rows.all_titles = True
                self.list.refresh_rows()
            case None:
                if self.list.said:
                    self.look_up()  # after a failure: try again

    def action_close(self) -> None:
        """Back to the chat."""
        self.dismiss(None)

    # Changing ------------------------------------------------------------------------------------------------------

    def _change(self, change: Callable[[], Coroutine[Any, Any, Changed | None]]) -> None:
        """Run `change`, then show the list as it is now; None: nothing was changed."""
        self._changing = True
        self.run_worker(self._run_change(change), group="change", exit_on_error=False)

    async def _run_change(self, change: Callable[[], Coroutine[Any, Any, Changed | None]]) -> None:
        waiting = self.set_timer(_WAITING, lambda: self.hint.say("waiting for the database"))
        doing = asyncio.create_task(change())  # which is done to its end when the history is closed meanwhile
        doing.add_done_callback(self._report)
        try:
            changed = await asyncio.shield(doing)
            waiting.stop()
            if changed is not None:
                await self.look_up_now(keep=True, key=changed.key)
                self.hint.say(changed.said)
        except StoreError as error:
            self.hint.say(sanitise_line(error.sentence), "error")
        finally:
            waiting.stop()
            self._changing = False
            self._show_hint()
        self.found()

    def _report(self, done: asyncio.Task[Changed | None]) -> None:
        """What went wrong after the history was closed has to be said elsewhere."""
        error = None if done.cancelled() else done.exception()
        if isinstance(error, StoreError) and not self.is_attached:
            self.chat_app.notify(sanitise_line(error.sentence), severity="warning", markup=False)

    @property
    def _chosen(self) -> tuple[str, str] | None:
        """Id and title of the conversation under the cursor."""
        match self.list.selected:
            case (
                ConversationSummary(id=conversation_id, title=title) | Hit(conversation_id=conversation_id, title=title)
            ):
                return conversation_id, title
            case _:
                return None

    def _begin_rename(self) -> None:
        selected = self.list.selected
        if not isinstance(selected, ConversationSummary | Hit):
            return
        self._renaming = selected
        row, region = self.list.row_of(self.list.cursor), self.list.region
        self.list.covered = True
        left = history_text.LEFT
        width = self.list.row_width - left
        self.title_field.begin(sanitise_line(selected.title), region.x + left, region.y + row, width)
        self.hint.show([Field("Enter keeps the title", 1, "dim")], "Esc leaves it")

    @on(TitleField.Left)
    def title_written(self, message: TitleField.Left) -> None:
        """The new title, or none."""
        renamed, self._renaming = self._renaming, None
        self.list.covered = False
        self.set_focus(self.field)
        self._show_hint()
        title = message.title
        if renamed is None or title is None or title == renamed.title:
            return
        conversation_id = renamed.id if isinstance(renamed, ConversationSummary) else renamed.conversation_id

        async def rename() -> Changed:
            await self.chat_app.rename_conversation(conversation_id, title)
            return Changed("renamed")

        self._change(rename)

    async def _pin(self) -> Changed | None:
        chosen = self._chosen
        if chosen is None:
            return None
        pinned = await self.chat_app.pin_conversation(chosen[0])
        return Changed("pinned: it stays at the top" if pinned else "no longer pinned")

    async def _delete(self) -> Changed | None:
        chosen = self._chosen
        if chosen is None:
            return None
        await self.chat_app.delete_conversation(*chosen)
        return Changed(f"deleted; {self._key('undo', '^Z')} brings back {self.chat_app.named(chosen[1])}")

    async def _undo(self) -> Changed:
        back = await self.chat_app.undo_delete()
        if back is None:
            return Changed("nothing was deleted since the start that could come back")
        return Changed(f"{self.chat_app.named(back.title)} is back", back.conversation_id)

    async def _duplicate(self) -> Changed | None:
        chosen = self._chosen
        if chosen is None:
            return None
        copy = await self.library.duplicate(chosen[0])
        return Changed(f"a copy of {self.chat_app.named(chosen[1])} is in the list", copy)

    # The keys at the bottom ---------------------------------------------------------------------------------------------

    def _show_hint(self) -> None:
        fields = [
            Field(f"{self._key(name, key)} {label}", keep)
            for name, key, label, keep in (
                ("open", "Enter", "open", 9),
                ("rename", "F2", "rename", 6),
                ("pin", "^T", "pin", 5),
                ("delete", "^D", "delete", 7),
                ("undo", "^Z", "undo", 4),
                ("duplicate", "^Y", "duplicate", 3),
            )
            if (self.chat_app.deleted if name == "undo" else not self.list.said)
        ]
        self.hint.show([Field(each.text, each.keep, "dim") for each in fields], f"{self._key('close', 'Esc')} closes")

    def _key(self, name: str, key: str) -> str:
        return self.chat_app.config.keys.get(f"history.{name}", key)
