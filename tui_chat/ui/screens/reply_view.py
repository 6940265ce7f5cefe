"""One turn's reply in the log: text, thinking, tools, sources and notes, as its events come.

A stored turn is shown by the same methods, fed with its whole blocks, so it looks as it did when it ran. It must not know
sessions, keys, or how a footer is worded.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final

from tui_chat.conversation import Block, ContentBlock, Request, ToolCall, Turn, tool_use_ids
from tui_chat.ui import wording
from tui_chat.ui.widgets.message_log import MessageLog
from tui_chat.ui.widgets.reply_foot import Source
from tui_chat.ui.widgets.reply_item import ReplyItem
from tui_chat.ui.widgets.tool_item import ToolItem, ToolState

_SKIPPED: Final[dict[str, tuple[ToolState, str]]] = {
    "denied": ("denied", ""),
    "cancelled": ("cancelled", "stopped before it ran"),
    "unknown_tool": ("failed", "there is no such tool"),
    "bad_input": ("failed", "the input is not a JSON object"),
    "too_many_rounds": ("failed", "too many rounds of tools"),
}


class ReplyView:
    """Writes the reply of `turn` into `log`."""

    def __init__(self, log: MessageLog, turn: Turn) -> None:
        self._log, self._turn = log, turn
        self._numbers: dict[str, Source] = {}  # by what is cited; numbered through the turn
        self.disordered = False  # blocks came in another order than that of their indices
        self._index = -1  # of the block that is written now
        self._thinking_here = True  # the part that is written now is the one that holds the latest thinking
        self._thoughts: dict[ReplyItem, Request] = {}  # whose thinking a part sums up, while that is not final
        self._server_tools: dict[str, tuple[str, ContentBlock]] = {}  # open ones by id: the tool item's key, the call
        self._server_numbers = count()

    # Live ----------------------------------------------------------------------------------------------------------

    def request_started(self) -> None:
        """Another request: its blocks are counted from the start."""
        self._index = -1

    def text(self, index: int, text: str) -> None:
        """More of a text block; what does not fit its block is shown nowhere."""
        block = self._turn.requests[-1].blocks.get(index)
        if block is not None and block.type == "text":
            self._move(index)
            self._log.reply(self._turn.id).write(text)

    def block_started(self, block: ContentBlock, index: int) -> str:
        """A block opens in the latest request; returns the content it came with."""
        self._move(index)
        kind, request = block.get("type"), self._turn.requests[-1]
        if kind in ("thinking", "redacted_thinking"):
            self._thinking_here = True
        else:
            self._summarise_thinking(request)
        match kind:
            case "text":
                self._log.reply(self._turn.id).write(begun := _text(block.get("text")))
                return begun
            case "thinking":
                self._log.reply(self._turn.id).think(begun := _text(block.get("thinking")))
                return begun
            case "redacted_thinking":
                self.note("a part of the thinking is encrypted")
            case "tool_use":
                keys = [key for key in self._keys(request) if key is not None]
                self._add_tool(keys[-1]).update_call(_name(block), None, "proposed")
            case "server_tool_use":
                key = f"server/{next(self._server_numbers)}"
                self._server_tools[str(block.get("id"))] = key, block
                self._add_tool(key).update_call(_name(block), None, "running")
            case str() if kind.endswith("_tool_result"):
                self._server_result(block)
            case "container_upload":
                self.note(f"a file was put into the container: {block.get('file_id')}")
            case _:
                self.note(f"a block of an unknown type was kept: {kind or 'without a type'}")
        return ""

    def block_ended(self, block: Block) -> None:
        """A block is complete: its sources, or a server tool's input, are known."""
        content = block.content()
        match content.get("type"):
            case "text" if isinstance(citations := content.get("citations"), list) and citations:
                self._cite(citations)
            case "server_tool_use" if (known := self._server_tools.get(str(content.get("id")))) is not None:
                self._server_tools[str(content.get("id"))] = known[0], content
                self._log.tool(self._turn.id, known[0]).update_call(_name(content), _input(content), "running")
            case _:
                pass

    def update_call(self, call: ToolCall) -> None:
        """A call of the latest request has come further."""
        request = next(each for each in reversed(self._turn.requests) if call.tool_use_id in each.calls)
        state, reason = _state(call)
        seconds = call.ended - call.started if call.started is not None and call.ended is not None else None
        partial = self._as_it_came(request, call.tool_use_id) if call.skipped == "bad_input" else ""
        self._add_tool(self._key(request, call.tool_use_id)).update_call(
            call.name,
            None if partial else call.input,
            state,
            partial=partial,
            result=call.result or "",
            is_error=call.is_error,
            seconds=seconds,
            reason=reason,
        )

    def request_ended(self) -> None:
        """The latest request is over: only now its usage says what the thinking has cost."""
        for part, request in self._thoughts.items():
            self._log.change(part)
            part.thought(wording.thinking_summary(request))
        self._thoughts.clear()

    def note(self, text: str) -> None:
        """A quiet line about what came."""
        self._log.reply(self._turn.id).note(text)

    # Stored, or over -----------------------------------------------------------------------------------------------

    def show_stored(self) -> None:
        """All that a stored turn has."""
        rounds = self._turn.rounds
        for request in rounds:
            for block in request.ordered_blocks:
                self._show_block(request, block)
            self._summarise_thinking(request)
            self.request_ended()
            for event in request.unknown_events:
                self.note(unknown_event(str(event.get("event"))))
            for call in request.calls.values():
                self.update_call(call)

    def end(self) -> None:
        """The turn is over: of one that only thought, all of that is shown; calls that came to no end say so."""
        turn = self._turn
        if turn.thinking and not turn.text.strip() and not any(_is_call(each) for each in turn.rounds):
            self._log.reply(turn.id).show_thinking(shown=True)
        elif turn.request is not None:
            self._summarise_thinking(turn.request)
        self.request_ended()
        for request in turn.rounds:
            for key, block in zip(self._keys(request), request.ordered_blocks, strict=True):
                if block.type == "server_tool_use":
                    open_, _ = self._server_tools.pop(str(block.start.get("id")), (None, None))
                else:
                    open_ = None if key is None or key.partition("/")[2] in request.calls else key
                if open_ is not None:
                    self._end_call(open_, block)

    def _end_call(self, key: str, block: Block) -> None:
        """A call without a result: of an input that never came whole what came of it is shown."""
        content, reason = block.content(), "cut off before its input was complete"
        partial = _text(content.get("partial_json"))
        whole = not partial and (block.ended or bool(_input(content)))
        if block.ended:
            reason = "not run" if block.type == "tool_use" else "no result came"
        given = _input(content) if whole else None
        self._add_tool(key).update_call(_name(block.start), given, "cancelled", partial=partial, reason=reason)

    def _show_block(self, request: Request, block: Block) -> None:
        content = block.content()
        match content.get("type"):
            case "text":
                self._log.reply(self._turn.id).write(block.joined("text"))
                self.block_ended(block)
            case "thinking":
                self._thinking_here = True
                self._log.reply(self._turn.id).think(block.joined("thinking"))
            case "tool_use":
                self._summarise_thinking(request)
            case _:
                self.block_started(content, block.index)
                self.block_ended(block)
        for delta in content.get("unknown_deltas", ()):
            self.note(unknown_delta(delta))

    def _summarise_thinking(self, request: Request) -> None:
        """Thinking is over for now: one line takes its place, if there was any."""
        summary = wording.thinking_summary(request) if self._thinking_here else ""
        if summary:
            part = self._log.reply(self._turn.id)
            part.thought(summary)
            self._thoughts[part] = request

    def _add_tool(self, key: str) -> ToolItem:
        """The tool item of `key`, new or known, to be changed."""
        self._log.add_tool(self._turn.id, key)
        self._thinking_here = False  # what follows is another part
        return self._log.tool(self._turn.id, key)

    def _move(self, index: int) -> None:
        if index < self._index:
            self.disordered = True
        self._index = index

    # Parts ---------------------------------------------------------------------------------------------------------

    def _keys(self, request: Request) -> list[str | None]:
        """For each block the key of its tool item; None for a block that is no call."""
        ids = tool_use_ids(block.start for block in request.ordered_blocks)
        return [None if id_ is None else self._key(request, id_) for id_ in ids]

    def _key(self, request: Request, tool_use_id: str) -> str:
        number = next(number for number, each in enumerate(self._turn.requests, 1) if each is request)
        return f"{number}/{tool_use_id}"

    def _as_it_came(self, request: Request, tool_use_id: str) -> str:
        """The input of a call as the text that it came as."""
        block = dict(zip(self._keys(request), request.ordered_blocks, strict=True))[self._key(request, tool_use_id)]
        return block.joined("partial_json") or json.dumps(block.start.get("input"), ensure_ascii=False, default=str)

    def _cite(self, citations: Sequence[Any]) -> None:
        """Mark the text that stands there with the numbers of its sources, and list those below."""
        reply = self._log.reply(self._turn.id)
        cited: list[Source] = []
        for citation in citations:
            fields = citation if isinstance(citation, Mapping) else {}
            url = _text(fields.get("url")) or _text(fields.get("source"))
            title = _text(fields.get("title")) or _text(fields.get("document_title")) or url or "a document"
            what = url or f"{fields.get('document_index')} {title}"
            source = self._numbers.setdefault(what, Source(len(self._numbers) + 1, title, url))
            cited.append(source)
        reply.cite(source.number for source in cited)
        reply.sources(cited)

    def _server_result(self, block: ContentBlock) -> None:
        key, call = self._server_tools.pop(str(block.get("tool_use_id")), (None, None))
        if key is None or call is None:
            self.note(f"a result without its call was kept: {block.get('type')}")
            return
        content = block.get("content")
        failed = isinstance(content, Mapping) and "error" in str(content.get("type"))
        self._log.tool(self._turn.id, key).update_call(
            _name(call), _input(call), "failed" if failed else "ended", result=_result_text(content), is_error=failed
        )


def unknown_event(name: str) -> str:
    """The note about an event of a type we do not know."""
    return f"an event of an unknown type was kept: {name}"


def unknown_delta(delta: Mapping[str, Any]) -> str:
    """The note about a delta of a type we do not know."""
    return f"a delta of an unknown type was kept: {delta.get('type') or 'without a type'}"


def _is_call(request: Request) -> bool:
    return any(block.type in ("tool_use", "server_tool_use") for block in request.blocks.values())


def _state(call: ToolCall) -> tuple[ToolState, str]:
    if call.skipped:
        return _SKIPPED.get(call.skipped, ("failed", call.skipped))
    if call.result is not None:
        return ("failed", "") if call.is_error else ("ended", "")
    if call.waiting:
        return "waiting", ""
    return ("proposed", "") if call.started is None else ("running", "")


def _name(block: ContentBlock) -> str:
    return _text(block.get("name")) or "a tool without a name"


def _input(block: ContentBlock) -> Mapping[str, Any]:
    given = block.get("input")
    return given if isinstance(given, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _result_text(content: object) -> str:
    """A server tool's result: the titles and addresses of a search, the output of code, else its JSON."""
    if isinstance(content, list):
        return "\n".join(_result_text(each) for each in content)
    if isinstance(content, Mapping):
        if url := _text(content.get("url")):
            return f"{_text(content.get('title'))}  {url}".strip()
        parts = [_text(content.get(name)) for name in ("stdout", "stderr", "error_code")]
        if any(parts):
            return "\n".join(part for part in parts if part)
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)
