"""`python -m tui_chat.demo`: the demo server alone."""

import sys

from tui_chat.demo.cli import main

sys.exit(main())
