"""The part of the API's rules that is about one content block: its fields, their types, which role may send it.

Why it exists: `legality` is the function to call; this keeps it readable.
What it must not know: the blocks around it.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tui_chat.demo.legal_parameters import check_cache_control, names, refuse

_SIGNATURE_MARK: Final = b"tui-chat demo signature:"

_RESULT: Final = {"tool_use_id": True, "content": True, "cache_control": False, "caller": False}
_RESULTS: Final = (
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
)
SERVER_RESULTS: Final = (*_RESULTS, "advisor_tool_result")

# For the blocks a chat builds itself: every field the API knows, True where it is required. Others are only named.
_FIELDS: Final[Mapping[str, Mapping[str, bool]]] = {
    "text": {"text": True, "cache_control": False, "citations": False},
    "thinking": {"thinking": True, "signature": True},
    "redacted_thinking": {"data": True},
    "tool_use": {
        "id": True,
        "name": True,
        "input": True,
        "cache_control": False,
        "caller": False,
        "toolset_name": False,
    },
    "tool_result": {
        "tool_use_id": True,
        "content": False,
        "is_error": False,
        "cache_control": False,
        "toolset_name": False,
    },
    "server_tool_use": {"id": True, "name": True, "input": True, "cache_control": False, "caller": False},
    **dict.fromkeys(_RESULTS, _RESULT),
    "image": {"source": True, "cache_control": False, "transformations": False},
    "document": {"source": True, "cache_control": False, "citations": False, "context": False, "title": False},
}
_OTHER_BLOCKS: Final = names(
    "search_result container_upload advisor_tool_result mcp_tool_use mcp_tool_result mcp_tool_listing compaction fallback"
)
_CITATIONS: Final = (
    "char_location",
    "page_location",
    "content_block_location",
    "search_result_location",
    "web_search_result_location",
)
_CALL_ID: Final = "^[a-zA-Z0-9_-]+$"
_CALL_NAME: Final = "^[a-zA-Z0-9_-]{1,200}$"
_SERVER_CALL_ID: Final = "^srvtoolu_[a-zA-Z0-9_]+$"
ASSISTANT_ONLY: Final = ("tool_use", "thinking", "redacted_thinking", "server_tool_use")
USER_ONLY: Final = ("tool_result", "image", "document", "search_result")


def sign(thinking: str) -> str:
    """The signature the demo gives a thinking block; `why_illegal` notices when such a block was altered."""
    digest = hashlib.sha256(thinking.encode("utf-8", "surrogatepass")).digest()
    return base64.b64encode(_SIGNATURE_MARK + digest).decode()


def check_block(block: object, at: str, only: Sequence[str] | None = None, where: str = "messages") -> None:
    """Refuse a block that is none of the kinds in `only` (None: of all there are), or not of its kind's shape.

    `at` is its place in the request; `where` is how messages about texts name it.
    """
    if not isinstance(block, dict):
        refuse(f"{at}: Input should be a valid dictionary")
    kind = block.get("type")
    if kind is None:
        refuse(f"{at}.type: Field required")
    known = only if only is not None else (*_FIELDS, *_OTHER_BLOCKS)
    if kind not in known:
        refuse(f"{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    fields = _FIELDS.get(kind)
    if fields is None:
        return
    for name, required in fields.items():
        if required and block.get(name) is None:
            refuse(f"{at}.{kind}.{name}: Field required")
    for name in block:
        if name != "type" and name not in fields:
            refuse(f"{at}.{kind}.{name}: Extra inputs are not permitted")
    for name in ("text", "thinking", "signature", "data", "id", "name", "tool_use_id"):
        if name in fields and not isinstance(block[name], str):
            refuse(f"{at}.{kind}.{name}: Input should be a valid string")
    check_cache_control(block.get("cache_control"), f"{at}.{kind}.cache_control")
    match kind:
        case "text":
            check_text(block["text"], where)
            _check_citations(block.get("citations"), f"{at}.text.citations")
        case "thinking":
            _check_signature(block, at)
        case "tool_use":
            _check_input(block, f"{at}.tool_use")
            _check_pattern(block["id"], _CALL_ID, f"{at}.tool_use.id")
            _check_pattern(block["name"], _CALL_NAME, f"{at}.tool_use.name")
        case "tool_result":
            _check_pattern(block["tool_use_id"], _CALL_ID, f"{at}.tool_result.tool_use_id")
            _check_tool_result(block.get("content"), at)
        case "server_tool_use":
            _check_input(block, f"{at}.server_tool_use")
            _check_pattern(block["id"], _SERVER_CALL_ID, f"{at}.server_tool_use.id")
        case _ if kind in _RESULTS:
            _check_pattern(block["tool_use_id"], _SERVER_CALL_ID, f"{at}.{kind}.tool_use_id")
            if not isinstance(block["content"], dict | list):
                refuse(f"{at}.{kind}.content: Input should be a valid list")
        case _:
            pass


def _check_input(block: Mapping[str, Any], at: str) -> None:
    if not isinstance(block["input"], dict):
        refuse(f"{at}.input: Input should be a valid dictionary")


def _check_pattern(text: str, pattern: str, at: str) -> None:
    if not re.fullmatch(pattern, text):
        refuse(f"{at}: String should match pattern '{pattern}'")


def _check_citations(citations: object, at: str) -> None:
    if citations is None:
        return
    if not isinstance(citations, list):
        refuse(f"{at}: Input should be a valid list")
    for index, citation in enumerate(citations):
        kind = citation.get("type") if isinstance(citation, dict) else None
        if kind not in _CITATIONS:
            refuse(f"{at}.{index}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
        if kind == "web_search_result_location":
            for name in ("cited_text", "encrypted_index", "title", "url"):
                if name not in citation:
                    refuse(f"{at}.{index}.{kind}.{name}: Field required")


def check_text(text: str, where: str) -> None:
    """Refuse an empty or blank text; `where` is `messages` or `system`."""
    if not text:
        refuse(f"{where}: text content blocks must be non-empty")
    if not text.strip():
        refuse(f"{where}: text content blocks must contain non-whitespace text")


def _check_tool_result(content: object, at: str) -> None:
    if isinstance(content, list):
        for index, block in enumerate(content):
            check_block(block, f"{at}.tool_result.content.{index}", only=("text", "image", "document", "search_result"))
    elif content is not None and not isinstance(content, str):
        refuse(f"{at}.tool_result.content: Input should be a valid list")


def _check_signature(block: Mapping[str, Any], at: str) -> None:
    signature = block["signature"]
    try:
        ours = base64.b64decode(signature, validate=True).startswith(_SIGNATURE_MARK)
    except ValueError:  # signed elsewhere: only its absence can be judged here
        ours = False
    if not signature or (ours and signature != sign(block["thinking"])):
        refuse(f"{at}: Invalid `signature` in `thinking` block")
