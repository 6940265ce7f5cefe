"""A title from a model: which model is asked, what, and what of its answer is a title.

Why it exists: the first prompt names a conversation at once, but a name that sums it up is better found again. It is asked for
in a request of its own, beside the conversation: small, without retries, with time limits of its own. Whoever asks must be able
to go on without an answer. It must not know sessions, stores or the screen.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final

from tui_chat import turns
from tui_chat.beginnings import title_of
from tui_chat.config import Config
from tui_chat.conversation import Conversation, Message, Outcome, SideRequest, Turn
from tui_chat.engine.client import ApiClient, ModelInfo
from tui_chat.engine.stream import stream_request
from tui_chat.errors import Failure, RequestError
from tui_chat.events import RequestStarted, TurnStarted
from tui_chat.ids import new_id
from tui_chat.prices import ANTHROPIC_HOST, PriceList
from tui_chat.text import storable
from tui_chat.usage import Usage

PURPOSE: Final = "title"
PATIENCE: Final = 20.0  # seconds until the first byte, and then without content
MAX_TOKENS: Final = 60
MAX_TOKENS_THINKING: Final = 1_000  # for models that cannot leave their thinking out
PROMPT_SHOWN: Final = 2_000  # characters of the prompt, and fewer of the reply: a title needs no more
REPLY_SHOWN: Final = 1_000
_TYPICAL: Final = Usage({"input_tokens": 500})  # for comparing prices
_INSTRUCTION: Final = (
    "Name this conversation. Answer with its title alone: at most six words, in the language of the conversation, "
    "without quotes or markup."
)
_LABEL: Final = re.compile(r"\A(conversation )?title\s*:\s*", re.IGNORECASE)
_MARKUP: Final = "#*_` \t"
_QUOTED: Final = re.compile(r"""\A(?:"[^"]*"|'[^']*'|“[^“”]*”|„[^„“”]*[“”]|«[^«»]*»|‘[^‘’]*’|「[^「」]*」)\Z""")


def turn_to_name(conversation: Conversation) -> Turn | None:
    """The turn that a title can be found in: the first one that was completed; None where no title is wanted (any more)."""
    asked = any(side.purpose == PURPOSE for side in conversation.side_requests)
    if asked or conversation.title_from != "prompt":
        return None
    return next((turn for turn in conversation.turns if turn.outcome is Outcome.COMPLETED and turn.text.strip()), None)


def cheapest_model(
    model: str, server: str, catalog: Iterable[ModelInfo], prices: PriceList, on: date | None = None
) -> str:
    """The model to ask: on Anthropic's own host the cheapest one it offers, elsewhere the conversation's own `model`."""
    if server != ANTHROPIC_HOST:
        return model
    day = on or datetime.now(UTC).date()
    costs = {info.id: cost for info in catalog if (cost := prices.cost(info.id, _TYPICAL, MAX_TOKENS, day)) is not None}
    return min(costs, key=lambda name: costs[name], default=model)


def parameters(model: str, info: ModelInfo | None, turn: Turn) -> dict[str, Any]:
    """The request for a title of the conversation that `turn` began; `info` is what is known of `model`."""
    talk = f"<prompt>\n{turn.prompt.text[:PROMPT_SHOWN]}\n</prompt>\n\n<reply>\n{turn.text[:REPLY_SHOWN]}\n</reply>"
    asked: dict[str, Any] = {
        "model": model,
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": storable(f"{_INSTRUCTION}\n\n{talk}")}],
    }
    if info is not None and info.thinking is not None:
        if "disabled" in info.thinking:
            asked["thinking"] = {"type": "disabled"}
        else:
            asked["max_tokens"] = MAX_TOKENS_THINKING
    return asked


async def ask(
    client: ApiClient, asked: Mapping[str, Any], config: Config, note: Callable[[SideRequest], None]
) -> str | None:
    """Send the request; returns the title, or None if the answer is none.

    `note` gets what it cost, also where no title came of it.

    Raises:
        RequestError: the request failed.

    """
    await client.ready()
    now, started_at, model = time.monotonic(), time.time(), str(asked["model"])
    prompt = Message(new_id(), None, "user", (), started_at)
    turn = turns.begin(TurnStarted(now, new_id(), new_id(), new_id(), model, config.server, started_at, prompt))
    turns.apply(turn, RequestStarted(now, model, 1))
    timeouts = replace(config.timeouts, first_byte=PATIENCE, idle=PATIENCE, content=PATIENCE)
    try:
        ended = await stream_request(client, asked, timeouts, lambda event: turns.apply(turn, event))
    finally:
        if turn.usage.fields:
            note(SideRequest(PURPOSE, model, config.server, started_at, turn.usage, turn.counts_are_final))
    if not ended.complete:
        raise RequestError(ended.error or Failure("cut_off", "the reply did not end"))
    return title_in(turn.text) if ended.stop_reason in ("end_turn", "stop_sequence", None) else None


def title_in(reply: str) -> str | None:
    """The title that a model's reply holds: its first line, without markup and label; None if there is none."""
    line = next((line for line in reply.splitlines() if line.strip(_MARKUP)), "")
    line = _LABEL.sub("", " ".join(line.split()).strip(_MARKUP)).strip(_MARKUP).removesuffix(".")
    if _QUOTED.match(line):
        line = line[1:-1]
    return title_of(line.removesuffix(".")) if re.search(r"\w", line) else None
