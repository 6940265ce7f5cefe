"""The busiest instance: everything that writes, in an order that a seed gives, until it is killed or has had enough.

Turns of every kind, new versions of them, forks, copies, trees that are taken in, deletions, second thoughts about them,
erasing, and searches in between. Every conversation has a word of its own in its prompts, so that the parent can look for it
in the bytes of the files once it was deleted.
"""

import dataclasses
import string
from collections.abc import Mapping, Sequence
from itertools import count
from random import Random
from typing import Any, Final

from tests.e2e.sessions import Chat
from tests.faults import syncs
from tests.faults.instance import Order, Voice, digest, open_store, take_turn, words_of
from tui_chat.conversation import Tree, Turn

# What is asked of the demo, and how often: short and long, thought about, cut, failed, with tools.
PROMPTS: Final = {"hello": 4, "long 300": 6, "long 900": 6, "thinking": 3, "cut": 2, "error": 1, "tools": 3, "limit": 1}
# What is done, and how often.
ACTIONS: Final = {
    "send": 10,
    "stop": 3,
    "new": 3,
    "again": 2,
    "edit": 2,
    "switch": 1,
    "fork": 1,
    "duplicate": 1,
    "add": 2,
    "delete": 2,
    "delete_branch": 1,
    "restore": 2,
    "purge": 1,
    "search": 1,
}
MUCH: Final = 15  # the share of what is to be done often
WORD: Final = 12  # letters of a conversation's own word


async def talk(order: Order, voice: Voice) -> None:
    """Take `steps` steps, or go on until killed; `likely` names actions to be taken more often."""
    if order.get("tell_syncs"):
        tell_syncs(voice)
    voice.say("doing", job="open")
    async with open_store(order) as chat:
        voice.say("opened", notices=chat.store.notices)
        watch(chat, voice)
        latest = order.get("conversation")
        talker = Talker(chat, voice, Random(order["seed"]), await chat.store.load(latest) if latest else None)
        shares = ACTIONS | dict.fromkeys(order.get("likely", ()), MUCH)
        for _ in range(order["steps"]) if order["steps"] else count():
            await talker.act(pick(talker.random, shares))
        voice.say("doing", job="close")


def tell_syncs(voice: Voice) -> None:
    """Say each sync of SQLite's, and wait until the parent has seen to it."""

    def synced(path: str, entries: bool) -> None:
        voice.say("synced", path=path, entries=entries)
        voice.listen()

    syncs.watch(synced)


def watch(chat: Chat, voice: Voice) -> None:
    """Say before each write what is being done, and after each write of the journal how far it goes."""
    store, running = chat.store, dict[str, Turn]()
    begin, journal, end = store.begin_turn, store.journal, store.end_turn

    async def begin_turn(conversation: Any, turn: Turn) -> tuple[str, ...]:
        running[turn.id] = turn
        voice.say("doing", job="begin")
        return await begin(conversation, turn)

    async def journal_events(turn_id: str, events: Any) -> None:
        thinking, text = running[turn_id].thinking, running[turn_id].text
        voice.say("doing", job="journal")
        await journal(turn_id, events)
        voice.say("journalled", turn=turn_id, thinking=len(thinking), text=len(text), digest=digest(thinking + text))

    async def end_turn(conversation: Any, turn: Turn) -> None:
        voice.say("doing", job="end")
        await end(conversation, turn)

    store.begin_turn, store.journal = begin_turn, journal_events  # type: ignore[method-assign]  # each calls the real one
    store.end_turn = end_turn  # type: ignore[method-assign]  # as the two above


class Talker:
    """Somebody who does all of that in one session after the other."""

    def __init__(self, chat: Chat, voice: Voice, random: Random, conversation: Any) -> None:
        self._chat, self._voice, self.random = chat, voice, random
        self._session = chat.session(conversation)
        self._word = self._new_word()
        self._deletions: list[tuple[str, str]] = []  # conversation, deletion

    async def act(self, action: str) -> None:
        """Take one of the `ACTIONS`."""
        await getattr(self, f"_{action}")()

    # Turns

    async def _send(self) -> None:
        prompt = f"{pick(self.random, PROMPTS)} {self._word}"
        self._session.tools_on = prompt.startswith("tools")
        await take_turn(self._session, self._session.send(prompt), self._voice)

    async def _stop(self) -> None:
        sent = self._session.send(f"long 900 {self._word}")
        await take_turn(self._session, sent, self._voice, self.random.randrange(1, 40))

    async def _new(self) -> None:
        self._session, self._word = self._chat.session(), self._new_word()
        await self._send()

    async def _again(self) -> None:
        if turn := self._a_turn():
            await take_turn(self._session, self._session.again(turn), self._voice)

    async def _edit(self) -> None:
        if turn := self._a_turn():
            sent = self._session.send(f"limit {self._word}", instead_of=turn)
            await take_turn(self._session, sent, self._voice)

    async def _switch(self) -> None:
        if turn := self._a_turn():
            self._voice.say("doing", job="switch")
            await self._session.switch(turn, -1)
            self._voice.say("switched")

    # Copies

    async def _fork(self) -> None:
        if turn := self._a_turn():
            self._voice.say("doing", job="fork")
            await self._kept(await self._chat.store.library.fork(turn.conversation_id, turn.id))

    async def _duplicate(self) -> None:
        if id_ := await self._a_conversation():
            self._voice.say("doing", job="duplicate")
            await self._kept(await self._chat.store.library.duplicate(id_))

    async def _add(self) -> None:
        id_ = await self._a_conversation()
        tree = await self._chat.store.library.tree(id_) if id_ else None
        if tree is not None and all(turn.outcome for turn in tree.turns):
            fresh = with_other_ids(tree, self._new_word())
            self._voice.say("doing", job="add")
            await self._chat.store.library.add(fresh)
            await self._kept(fresh.conversation.id)

    async def _kept(self, conversation_id: str) -> None:
        """Everything in that conversation is promised."""
        tree = await self._chat.store.library.tree(conversation_id)
        assert tree is not None
        for turn in tree.turns:
            fields = {"turn": turn.id, "digest": digest(words_of(turn)), "outcome": turn.outcome}
            self._voice.say("kept", conversation=conversation_id, text=turn.prompt.text, **fields)

    # Deletions

    async def _delete(self) -> None:
        if id_ := await self._a_conversation():
            self._voice.say("doing", job="delete", turns=await self._live(id_))
            await self._deleted(id_, await self._chat.store.library.delete(id_))

    async def _delete_branch(self) -> None:
        if turn := self._a_turn():
            id_ = turn.conversation_id
            self._voice.say("doing", job="delete", turns=await self._live(id_, turn))
            await self._deleted(id_, await self._session.delete_version(turn))

    async def _deleted(self, conversation_id: str, deletion: str) -> None:
        self._deletions.append((conversation_id, deletion))
        live = await self._live(conversation_id)
        self._voice.say("deleted", deletion=deletion, conversation=conversation_id, live=live)

    async def _restore(self) -> None:
        if self._deletions:
            id_, deletion = self._deletions.pop()
            self._voice.say("doing", job="restore", conversation=id_)
            await self._chat.store.library.restore(deletion)
            live = await self._live(id_)
            self._voice.say("restored", deletion=deletion, conversation=id_, live=live)
            self._session = self._chat.session()  # the old one may show another path

    async def _purge(self) -> None:
        self._voice.say("doing", job="purge")
        await self._chat.store.library.purge(mine=True)
        self._deletions.clear()
        self._voice.say("purged")

    async def _live(self, conversation_id: str, turn: Turn | None = None) -> list[str]:
        """The ids of the turns of a conversation, or of `turn` and what may follow it."""
        tree = await self._chat.store.library.tree(conversation_id)
        found = [] if tree is None else tree.turns
        return [each.id for each in found] if turn is None else below(found, turn)

    async def _search(self) -> None:
        await self._chat.store.library.search(self._word[:5])
        await self._chat.store.library.page("hello")

    # Choices

    def _a_turn(self) -> Turn | None:
        """A turn of the path that is shown."""
        turns = self._session.conversation.turns
        return self.random.choice(turns) if turns else None

    async def _a_conversation(self) -> str | None:
        """A stored conversation that is not the one of the session."""
        ids = [id_ for id_ in await self._chat.store.library.ids() if id_ != self._session.conversation.id]
        return self.random.choice(ids) if ids else None

    def _new_word(self) -> str:
        return "".join(self.random.choices(string.ascii_lowercase, k=WORD))


def pick(random: Random, shares: Mapping[str, int]) -> str:
    """One of the names, as often as its share says."""
    return random.choices(list(shares), list(shares.values()))[0]


def below(turns: Sequence[Turn], turn: Turn) -> list[str]:
    """The turn and all that may follow it, by what their prompts follow. `turns` are in order of beginning."""
    found, ends = [turn.id], {turn.reply_id, turn.prompt.id}
    for each in turns:
        if each.id != turn.id and each.prompt.parent_id in ends:
            found.append(each.id)
            ends |= {each.reply_id, each.prompt.id}
    return found


def with_other_ids(tree: Tree, suffix: str) -> Tree:
    """The same conversation as if it came from another machine."""

    def other(id_: str) -> str:
        return f"{id_}{suffix}"

    conversation = dataclasses.replace(tree.conversation, id=other(tree.conversation.id))
    turns = []
    for turn in tree.turns:
        parent = turn.prompt.parent_id
        prompt = dataclasses.replace(turn.prompt, id=other(turn.prompt.id), parent_id=parent and other(parent))
        other_turn = dataclasses.replace(turn, id=other(turn.id), reply_id=other(turn.reply_id), prompt=prompt)
        turns.append(dataclasses.replace(other_turn, conversation_id=conversation.id))
    return Tree(conversation, turns, tree.current_turn_id and other(tree.current_turn_id))
