"""The command palette: Textual's, mended."""

import contextlib

from textual.command import CommandPalette


class Palette(CommandPalette):
    """A page key that comes before the list is laid out ends the program with a KeyError in Textual 8.2; here it does nothing."""

    def _action_command_list(self, action: str) -> None:
        with contextlib.suppress(KeyError):
            super()._action_command_list(action)
