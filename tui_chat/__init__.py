"""A full-screen terminal chat with Claude that shows the stream.

The layers, from the bottom: values (`conversation`, `errors`, `text`), `events`, the fold over them (`turns`), the
figures (`meter`), `config`, then `engine`, `store` and `demo` side by side, `session`, and on top `ui`, `headless`
and `cli`. Imports point downwards only; import-linter checks it.
"""

__version__ = "0.1.0"
