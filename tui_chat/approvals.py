"""The calls of a running turn that wait for the user's word.

An answer counts only for the very input that was shown: it is bound to the call's id and to a hash of name and input. It must
not know what the calls do, nor who is asked.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from tui_chat.conversation import ToolCall


class Approvals:
    """The open questions of one session. `limit`: seconds until a call that nobody answers for is denied; None: never."""

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self._asked: dict[str, tuple[str, asyncio.Future[bool]]] = {}  # the input's hash, and the answer

    def ask(self, call: ToolCall) -> Coroutine[Any, Any, bool]:
        """Open the question; await what this returns for the answer to `call`."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked[call.tool_use_id] = call.input_hash, answer
        return self._answered(call, answer)

    async def _answered(self, call: ToolCall, answer: "asyncio.Future[bool]") -> bool:
        try:
            async with asyncio.timeout(self.limit):
                return await answer
        except TimeoutError:
            return False
        finally:
            del self._asked[call.tool_use_id]

    def answer(self, tool_use_id: str, input_hash: str, *, allow: bool) -> bool:
        """Allow or deny the call that asks; returns whether such a one, with this very input, was asking."""
        asked = self._asked.get(tool_use_id)
        if asked is None or asked[0] != input_hash or asked[1].done():
            return False
        asked[1].set_result(allow)
        return True
