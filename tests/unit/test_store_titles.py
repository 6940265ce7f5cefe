"""Titles, pins, places and requests beside the talk: whatever another window thinks they are."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.store_talks import after, ended, talk
from tui_chat.conversation import SideRequest
from tui_chat.errors import StoreError
from tui_chat.store import Store
from tui_chat.usage import Usage


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = await Store.open(None)
    yield opened
    await opened.close()


async def test_titles_pins_and_places_with_odd_text(store: Store) -> None:
    owner = await talk(store, "word", 1)
    await store.library.rename(owner.id, "t\ud800\x00t")
    await store.library.pin(owner.id, True)
    owner.place = '{"at": "\ud800\x00", "line": 18446744073709551616}'
    await store.save_conversation(owner)
    loaded = await store.load(owner.id)
    assert loaded is not None
    assert (loaded.title, loaded.title_from, loaded.pinned) == ("t\ufffd\x00t", "user", True)
    assert loaded.place == '{"at": "\ufffd\x00", "line": 18446744073709551616}'
    await store.library.pin(owner.id, False)
    assert not (await store.recent())[0].pinned
    for refused in (store.library.rename("nobody", "x"), store.library.pin("nobody", True)):
        with pytest.raises(StoreError, match="gone"):
            await refused


async def test_a_title_of_the_user_stays_whatever_another_window_thinks(store: Store) -> None:
    owner = await talk(store, "word", 1)
    owner.title, owner.title_from = "from the model", "model"
    await store.save_conversation(owner)
    assert (await store.recent())[0].title == "from the model"
    await store.library.rename(owner.id, "the user's")
    for source in ("prompt", "model", "user"):
        owner.title, owner.title_from = f"late, from {source}", source
        await store.save_conversation(owner)
        await ended(store, owner, after(owner), "text")
        loaded = await store.load(owner.id)
        assert loaded is not None
        assert (loaded.title, loaded.title_from) == ("the user's", "user")
    await store.library.rename(owner.id, "again")
    assert (await store.recent())[0].title == "again"


async def test_side_requests_of_two_windows_are_all_kept(store: Store) -> None:
    owner = await talk(store, "word", 1)
    here, there = await store.load(owner.id), await store.load(owner.id)
    assert here is not None
    assert there is not None
    side = [
        SideRequest("title", f"m\ud800{n}", "s", float(n), Usage({"n": 2**64}), usage_is_final=False) for n in range(3)
    ]
    here.side_requests += (side[0],)
    there.side_requests += (side[1], side[2])
    for window in (here, there, here):
        await store.save_conversation(window)
    loaded = await store.load(owner.id)
    assert loaded is not None
    assert [each.at for each in loaded.side_requests] == [1.0, 0.0, 1.0, 2.0]
    assert loaded.side_requests[1].model == "m\ufffd0"
    assert loaded.side_requests[1].usage.fields == {"n": 2**64}
