"""The fold of every stream that `messages.stream()` accepts equals the SDK's own final message.

The SDK reads over real HTTP. Its own recorded bodies come from its sdist (see `tests.third_party`); without it a plain run
says so, and our own bodies stand alone. Three differences are meant and hold for every stream:

- of a call's input that is cut the SDK guesses what it would have been; we keep what came, as text;
- a count that is null is unknown: we leave it out, or leave what was known;
- what a `message_delta` says of usage beside the counts that the SDK knows is kept by us and dropped by it.
"""

import io
import tarfile
import warnings
from typing import Any, Final

import pytest

from tests.third_party import UnavailableError, sdist
from tests.unit.odd_streams import ODD_STREAMS
from tests.unit.sdk_streams import final_message, request_of

PACKAGE: Final = ("anthropic", "2.11.0", "205711189d0bdbee78e5bb45b97944e7b42af3e2dce33ce8dacbf80f9492dc00")
RECORDED: Final = ("tests/lib/streaming/fixtures/", "tests/fixtures/")
DROPPED_USAGE: Final = {"iterations", "fallback_credit"}

# Where the SDK's final message is not ours, and why.
EXCEPTIONS: Final = {
    "delta-after-stop": "the SDK reads on after message_stop",
    "repeated-index": "the SDK adds the second block's text to the first",
    "delta-that-does-not-fit": "the SDK drops it",
    "mcp": "the SDK leaves the input of an mcp_tool_use empty",
    "stop-reason-then-null": "the SDK lets null overwrite a stop reason",
    "escaped-surrogates": "the SDK drops events without an event: line, which some of these are",
    "usage-infinite": "the SDK takes 1e999 for infinity",
    "usage-as-text": "the SDK takes text for numbers",
}


@pytest.fixture(scope="session")
def recorded() -> dict[str, bytes]:
    """The bodies that the SDK tests itself with, by file name."""
    try:
        archive = sdist(*PACKAGE)
    except UnavailableError as error:
        pytest.skip(f"the SDK's recorded streams could not be fetched, our own stand in for them: {error}")
    bodies = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files.getmembers():
            path = member.name.partition("/")[2]
            if path.startswith(RECORDED) and path.endswith(("_response.txt", ".sse")):
                content = files.extractfile(member)
                assert content is not None
                bodies[path.rpartition("/")[2]] = content.read()
    return bodies


async def sdk_message(body: bytes) -> dict[str, Any] | None:
    """The SDK's final message, or None where it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic, on values of another type
        try:
            return await final_message(body)
        except Exception:  # noqa: BLE001 - a dozen classes, AssertionError among them: which one is not the point
            return None


def differences(body: bytes, theirs: dict[str, Any]) -> list[str]:
    """What in our request is not as in the SDK's message."""
    request = request_of(body)
    found = []
    blocks = [dict(block.content()) for block in request.ordered_blocks]
    for block, other in zip(blocks, theirs["content"], strict=False):
        block.pop("unknown_deltas", None)
        if block.pop("partial_json", None) is not None:
            block.pop("input", None)
            other.pop("input", None)
    if blocks != theirs["content"]:
        found.append(f"content {blocks} is {theirs['content']}")
    usage = dict(request.usage.fields)
    known = {name: value for name, value in theirs["usage"].items() if value is not None}
    nulls = theirs["usage"].keys() - known.keys()
    kept = {name: value for name, value in usage.items() if name not in nulls and name not in DROPPED_USAGE}
    if kept != known:
        found.append(f"usage {usage} is {theirs['usage']}")
    facts = {
        "stop_reason": request.stop_reason,
        "stop_details": request.stop_details,
        "id": request.message_id,
        "model": request.served_model,
    }
    found += [f"{name} {value} is {theirs.get(name)}" for name, value in facts.items() if value != theirs.get(name)]
    return found


@pytest.mark.parametrize("odd", ODD_STREAMS, ids=lambda odd: odd.name)
async def test_our_streams(odd: Any) -> None:
    theirs = await sdk_message(odd.body)
    if theirs is not None and odd.name not in EXCEPTIONS:
        assert differences(odd.body, theirs) == []


async def test_the_sdk_accepts_most_of_our_streams() -> None:
    accepted = [odd.name for odd in ODD_STREAMS if await sdk_message(odd.body) is not None]
    assert len(accepted) > len(ODD_STREAMS) / 2
    assert set(EXCEPTIONS) <= set(accepted)


async def test_the_streams_that_the_sdk_recorded(recorded: dict[str, bytes]) -> None:
    assert len(recorded) >= 19
    accepted = {name: theirs for name, body in recorded.items() if (theirs := await sdk_message(body)) is not None}
    assert len(accepted) >= len(recorded) - 1  # it refuses its own tool_use_invalid_json_response.txt
    assert {name: found for name, theirs in accepted.items() if (found := differences(recorded[name], theirs))} == {}
