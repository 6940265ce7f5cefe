"""Slow work off the event loop, in a thread that nobody has to wait for.

Why it exists: `asyncio.to_thread` uses the loop's pool, and the program waits for that pool when it ends, so a read that
hangs on a network disk would keep it from ending. A daemon thread does not.
What it must not know: what the work is.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_Result = TypeVar("_Result")


async def off_the_loop(work: Callable[[], _Result]) -> _Result:
    """The result of `work`, done in a daemon thread; what it raises is raised here. Cancelling ends the wait at once.

    The thread then runs on, and its result is dropped: work that can be long should look at a flag now and then.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_Result] = loop.create_future()

    def deliver(settle: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            settle(value)

    def run() -> None:
        settle: Callable[[Any], None] = future.set_result
        value: Any
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the one who waits
            settle, value = future.set_exception, error
        try:
            loop.call_soon_threadsafe(deliver, settle, value)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    threading.Thread(target=run, name="tool", daemon=True).start()
    return await future
