"""A full-screen terminal chat with Claude that shows the stream.

The layers, from the bottom: values (`conversation`, `errors`, `text`), `events`, the fold over them (`turns`), the
figures (`meter`), `config`, then `engine`, `store` and `demo` side by side, `session`, and on top `ui`, `headless`
and `cli`. Imports point downwards only; import-linter checks it.

For programs of others: the names of `__all__` are the public interface. They are loaded when they are first asked for, so that
`import tui_chat` costs nothing. `__init__.pyi` says to type checkers what they are.
"""

from importlib import import_module

__version__ = "0.1.0"

_MODULE_OF = {
    "ChatSession": "session",
    "Conversation": "conversation",
    "Event": "events",
    "Failure": "errors",
    "Message": "conversation",
    "NotSavedError": "session",
    "Options": "library",
    "Outcome": "conversation",
    "Request": "conversation",
    "Runtime": "runtime",
    "State": "session",
    "StoreError": "errors",
    "Timeouts": "config",
    "Tool": "engine.tools",
    "ToolError": "engine.tools",
    "TuiChatError": "errors",
    "Turn": "conversation",
    "UsageError": "errors",
    "events": "events",
    "final_message": "subscribers",
    "open_runtime": "library",
    "open_session": "library",
}
__all__ = [*_MODULE_OF]  # noqa: PLE0604 - they are strings


def __getattr__(name: str) -> object:
    """The public name `name`, loaded now."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_MODULE_OF[name]}")
    value = module if name == _MODULE_OF[name] else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
