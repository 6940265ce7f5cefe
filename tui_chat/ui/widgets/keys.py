"""Keys in the order they were typed.

A binding of Textual runs in the application, not in the widget's own queue: it overtakes the text typed before it if it has
priority, and is overtaken by the text typed behind it if it has not. Where order matters (Enter behind text, Tab or an arrow
before a letter) the widget handles the key itself. Its bindings still say which keys, so they can be remapped and are listed.
"""

import inspect
from typing import cast

from textual import events
from textual.actions import SkipAction, parse
from textual.widget import Widget


def own_actions(widget: Widget) -> dict[str, str]:
    """The actions of the widget's own bindings by key, with the user's keymap applied."""
    bindings = widget._bindings.copy()  # noqa: SLF001 - Textual has no other way to ask
    bindings.apply_keymap(widget.app._keymap)  # noqa: SLF001 - as above
    return {key: binding.action for key, found in bindings.key_to_bindings.items() for binding in found}


def run_own(widget: Widget, action: str) -> bool:
    """Run an action that the widget itself has, now; False if it is another's, has to be waited for, or does not apply now."""
    namespace, name, parameters = parse(action)
    method = getattr(widget, f"action_{name}", None)
    if namespace or method is None or inspect.iscoroutinefunction(method):
        return False
    try:
        method(*parameters)
    except SkipAction:  # copying where nothing is selected, for example: the key may mean something further up
        return False
    return True


class KeysInOrder:
    """A part of a widget that handles its keys itself, in their order, and passes on what comes when the focus has moved on."""

    _actions: dict[str, str] | None = None

    def own_action(self, key: str) -> str | None:
        """What `key` is bound to, by the widget itself."""
        if self._actions is None:
            self._actions = own_actions(cast("Widget", self))
        return self._actions.get(key)


def holds_keys(widget: Widget) -> bool:
    """Whether keys wait in the queue of a widget that passes on what comes too late: those typed after them must wait there, too."""
    if not isinstance(widget, KeysInOrder):
        return False
    waiting = [widget._pending_message, *widget._message_queue.values]  # noqa: SLF001 - Textual has no other way to ask
    return any(isinstance(message, events.Key) for message in waiting)


def passed_on(widget: Widget, event: events.Key) -> bool:
    """Whether `event` came too late: the focus has moved on, and the key goes where it is now."""
    focused = widget.screen.focused
    if focused is None or focused is widget:
        return False
    event.stop()
    event.prevent_default()
    focused.post_message(events.Key(event.key, event.character))
    return True
