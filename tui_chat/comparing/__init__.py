"""Streaming against not: the same prompt both ways, to any models, measured in turn; `tui-chat compare` and its screen.

From a prompt to a table: `plan` says which requests go out, in which order and at what cost; `runs` sends them one after the
other; `figures` makes medians of what was measured; `report` writes it as text, JSON and bars; `cli` is the subcommand. Nothing
of it is stored: a comparison is no conversation.
"""
