"""Making and looking at database files, for the store's tests."""

from pathlib import Path

from tests.unit.store_values import content, conversation, end, running, take
from tui_chat.conversation import Conversation, Turn
from tui_chat.store import Store


async def written(path: Path, text: str = "text") -> tuple[Conversation, Turn]:
    """A database at `path` with one ended turn."""
    store = await Store.open(path)
    owner = conversation()
    turn = running(owner)
    await store.begin_turn(owner, turn)
    owner.turns.append(turn)
    take(turn, content(text))
    end(turn)
    await store.end_turn(owner, turn)
    await store.close()
    return owner, turn


async def kept(path: Path) -> list[str]:
    """The ids of the conversations at `path`."""
    store = await Store.open(path)
    found = await store.recent()
    await store.close()
    return [each.id for each in found]


async def turn_count(store: Store, conversation_id: str) -> int:
    """How many turns a conversation has, on all branches."""
    tree = await store.library.tree(conversation_id)
    assert tree is not None
    return len(tree.turns)


def names(directory: Path) -> list[str]:
    """The names of the files in `directory`, sorted."""
    return sorted(file.name for file in directory.iterdir())


def put_aside(path: Path) -> list[Path]:
    """The damaged databases that were kept beside `path`, without their -wal and -shm."""
    found = path.parent.glob(f"{path.name}.damaged-*")
    return [file for file in found if not file.name.endswith(("-wal", "-shm"))]
