"""Messages that wait for the running turn. Pure: only a completed turn releases the next, which its owner sees to."""

from collections.abc import Iterable


class PromptQueue:
    """Texts in the order they were sent; paused after a stop or a failure."""

    def __init__(self, texts: Iterable[str] = (), *, paused: bool = False) -> None:
        self._texts = list(texts)
        self.paused = paused

    def __bool__(self) -> bool:
        return bool(self._texts)

    @property
    def texts(self) -> tuple[str, ...]:
        """What waits, first to last."""
        return tuple(self._texts)

    def add(self, text: str) -> None:
        """Put `text` at the end."""
        self._texts.append(text)

    def take(self) -> str:
        """The first one, which no longer waits."""
        return self._texts.pop(0)

    def take_all(self) -> list[str]:
        """All of them; the queue is then empty and no longer paused."""
        texts, self._texts, self.paused = self._texts, [], False
        return texts
