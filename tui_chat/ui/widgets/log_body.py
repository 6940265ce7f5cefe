"""Where the log stands, and what is opened with it: below it, or beside it where the screen is wide."""

from textual.containers import Vertical


class LogBody(Vertical):
    """With the class `-beside` its parts stand side by side."""

    DEFAULT_CSS = """
    LogBody.-beside { layout: horizontal; }
    LogBody.-beside > MessageLog { width: 1fr; }
    LogBody.-beside > WirePane { min-width: 66; }
    """
