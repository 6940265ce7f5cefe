"""`python -m tui_chat` and the `tui-chat` command: the process around `cli.main`.

It knows exit codes and nothing else; even the import of the command line is inside the try, so that Ctrl+C during the first
milliseconds is no traceback either.
"""

import signal
import sys


def run() -> None:
    """Run the program and leave with its exit code."""
    try:
        from tui_chat.cli import main  # here: Ctrl+C may come during this import

        code = main()
    except KeyboardInterrupt:
        code = 130
    # All is saved and the code is decided: a late Ctrl+C must not paint a traceback over the shell's prompt.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


if __name__ == "__main__":
    run()
