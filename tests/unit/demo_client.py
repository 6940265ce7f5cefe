"""A client of the demo server for tests: requests, and what came back, event by event.

Most tests run the server on a clock that jumps to the next moment, so that nothing waits.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import anthropic
import httpx2

from tui_chat.demo import DemoServer, RequestRecord, why_illegal
from tui_chat.demo.content import Failure, Reply
from tui_chat.demo.replies import choose_reply
from tui_chat.demo.tokens import InputUsage
from tui_chat.demo.wire import Envelope, whole_message

MODEL = "claude-sonnet-5-5"
KEY = "sk-secret-key"


class JumpingClock:
    """Time passes only by being waited for."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    async def sleep_until(self, moment: float) -> None:
        self.time = max(self.time, moment)
        await asyncio.sleep(0)


def body(prompt: Any = "hello", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": MODEL, "max_tokens": 1000, "stream": True, "messages": messages} | fields


def client_of(server: DemoServer, **headers: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=server.base_url, headers={"x-api-key": KEY} | headers, trust_env=False, verify=False
    )


def sdk_of(server: DemoServer) -> anthropic.AsyncAnthropic:
    http_client = anthropic.DefaultAsyncHttpxClient(mounts={"all://127.0.0.1": None})
    return anthropic.AsyncAnthropic(api_key="local", base_url=server.base_url, max_retries=0, http_client=http_client)


async def post(server: DemoServer, content: Any, path: str = "/v1/messages", **headers: str) -> httpx2.Response:
    async with client_of(server, **headers) as client:
        return await client.post(path, json=content)


def decode(stream: str) -> list[dict[str, Any]]:
    """The events of a body, each checked for its two lines and their agreement."""
    assert stream.endswith("\n\n")
    events = []
    for frame in stream.removesuffix("\n\n").split("\n\n"):
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


def joined(events: list[dict[str, Any]], kind: str = "text") -> str:
    return "".join(event["delta"].get(kind, "") for event in events if event["type"] == "content_block_delta")


async def play(server: DemoServer, prompt: str, **fields: Any) -> list[dict[str, Any]]:
    response = await post(server, body(prompt, **fields))
    assert response.status_code == 200, response.text
    return decode(response.text)


async def last_record(server: DemoServer) -> RequestRecord:
    await server.wait_for(lambda: bool(server.requests) and server.requests[-1].ended is not None)
    return server.requests[-1]


async def raw(server: DemoServer, content: Any, target: str = "/v1/messages") -> bytes:
    """All bytes of an answer up to the close, as they came."""
    data = json.dumps(content).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = (
        f"POST {target} HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    writer.write(head.encode() + data)
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


def dechunked(received: bytes) -> list[bytes]:
    """The chunks of a chunked body."""
    chunks = []
    while (size := int(received.partition(b"\r\n")[0], 16)) > 0:
        start = received.index(b"\r\n") + 2
        chunks.append(received[start : start + size])
        received = received[start + size + 2 :]
    return chunks


async def check_error(response: httpx2.Response, status: int, kind: str) -> str:
    assert response.status_code == status
    content = response.json()
    assert content["type"] == "error"
    assert content["request_id"] == response.headers["request-id"]
    assert content["error"]["type"] == kind
    return str(content["error"]["message"])


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def tool_definition(name: str, *properties: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {each: {"type": "string"} for each in properties}}
    return {"name": name, "description": name, "input_schema": schema}


CALCULATOR = tool_definition("calculator", "expression")
CURRENT_TIME = tool_definition("current_time", "timezone")
READ_FILE = tool_definition("read_file", "path")
TOOLS = [READ_FILE, CURRENT_TIME, CALCULATOR]


def content_of(reply: Reply | Failure) -> list[dict[str, Any]]:
    """The content of the message that a reply is sent as."""
    assert isinstance(reply, Reply), reply
    envelope = Envelope("msg_1", "req_1", MODEL, InputUsage(0))
    content: list[dict[str, Any]] = whole_message(reply, envelope)["content"]
    return content


def ask(*messages: dict[str, Any], tools: Sequence[dict[str, Any]] = (), attempt: int = 0) -> Reply:
    """The reply to a conversation, which is held to be legal."""
    reason = why_illegal({"model": MODEL, "max_tokens": 9000, "messages": list(messages), "tools": list(tools)})
    assert reason is None, reason
    chosen = choose_reply(messages, attempt, {tool["name"]: tool for tool in tools})
    assert isinstance(chosen, Reply), chosen
    return chosen


def results_of(content: list[dict[str, Any]], *texts: str, **fields: Any) -> dict[str, Any]:
    """The user's message with one result for each call in `content`."""
    calls = [block["id"] for block in content if block["type"] == "tool_use"]
    return user(
        [
            {"type": "tool_result", "tool_use_id": call, "content": text, **fields}
            for call, text in zip(calls, texts, strict=True)
        ]
    )
