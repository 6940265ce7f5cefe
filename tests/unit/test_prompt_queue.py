"""Messages that wait for the running turn."""

from tui_chat.ui.queue import PromptQueue


def test_first_in_first_out() -> None:
    queue = PromptQueue()
    assert not queue
    for text in ("one", "two", "three"):
        queue.add(text)
    assert queue
    assert [queue.take(), queue.take()] == ["one", "two"]
    assert queue.texts == ("three",)


def test_a_stored_queue_comes_back_paused() -> None:
    queue = PromptQueue(("one", "one"), paused=True)
    assert queue.paused
    assert queue.texts == ("one", "one")
    queue.add("two")
    assert queue.paused  # adding does not set it going


def test_taking_all_back_empties_the_queue_and_ends_the_pause() -> None:
    queue = PromptQueue(["one", "two"], paused=True)
    assert queue.take_all() == ["one", "two"]
    assert (bool(queue), queue.paused, queue.texts) == (False, False, ())
    queue.add("three")
    assert queue.texts == ("three",)


def test_the_queue_does_not_share_its_list() -> None:
    texts = ["one"]
    queue = PromptQueue(texts)
    queue.add("two")
    assert texts == ["one"]
    assert queue.texts == ("one", "two")
