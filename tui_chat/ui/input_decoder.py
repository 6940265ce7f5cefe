"""Text from a terminal to Textual's messages: whole sequences, pastes that stay text, and a quick Escape.

Why it exists: Textual's parser (8.2.8) types what it does not understand, as keys; runs escape sequences inside a
bracketed paste as keys (an ESC in a paste can press Enter) and walks through the text character by character; and
holds Alt+key back for 100 ms. Here the input is cut into whole sequences first. The parser sees one at a time, and what
it cannot name is dropped. A paste never reaches it.
What it must not know: files, threads and clocks. Times are passed in.
"""

import re
from collections.abc import Iterator
from typing import Final

from textual import events
from textual._xterm_parser import XTermParser
from textual.message import Message

from tui_chat.text import sanitise

_ESC: Final = "\x1b"
_PASTE_START: Final = "\x1b[200~"
_PASTE_END: Final = "\x1b[201~"

# One whole sequence. X10 mouse reports, the Linux console's function keys and rxvt's shifted keys do not follow the
# grammar of control sequences; everything else does.
_SEQUENCE: Final = re.compile(
    r"\x1b(?:\[(?:M[\s\S]{3}|\[[ -~]|[0-9]+\$|(?![M\[])[0-?]*[ -/]*[@-~])|O[0-9]*[@-~ ]|[^\[O\x1b])"
)
_UNFINISHED: Final = re.compile(r"\x1b(?:\[(?:M[\s\S]{0,2}|\[|[0-?]*[ -/]*)?|O[0-9]*)?")
_MODIFY_OTHER_KEYS: Final = re.compile(r"\x1b\[27;([0-9]+);([0-9]+)~")  # xterm: modifiers, code
_LONG_KITTY_TEXT: Final = re.compile(r"(\x1b\[[0-9:]*;[0-9:]*;)([0-9:]+)u")
_PARSER_LIMIT: Final = 32  # characters after which the stock parser gives a sequence up

_SEQUENCE_WAIT: Final = 0.1  # s, for the rest of a sequence that is certainly one
_LATE_TAIL: Final = 0.05  # s after a lone Escape in which "[" or "O" is its tail
_PASTE_TAIL_WAIT: Final = 0.5  # s, the longest that keys typed right behind a paste are kept back
_PASTE_ABANDONED: Final = 2.0  # s without input after which a paste without an end is over
_TYPED_BY_HAND: Final = 4096  # characters; nobody types more than this within _PASTE_TAIL_WAIT


class InputDecoder:
    """Text from a terminal to Textual's messages. No I/O and no clock: times are passed in, in seconds.

    `deadline` is the time at which `tick` has something to do, None while nothing is pending.
    """

    def __init__(self, parser: XTermParser, escape_wait: float, paste_quiet: float) -> None:
        self._parser = parser
        self._escape_wait = escape_wait
        self._paste_quiet = paste_quiet
        self.deadline: float | None = None
        self._held = ""  # the start of a sequence
        self._held_at = 0.0  # when that was read, or else what was read last
        self._late = False  # the Escape that starts the sequence was already reported
        self._late_until = 0.0
        self._pasted: list[str] | None = None  # the parts of a running paste
        self._paste_end = 0  # how many of them there are up to its end mark; 0 while there is none
        self._behind_until = 0.0
        self._behind_size = 0

    def feed(self, text: str, now: float) -> Iterator[Message]:
        """The messages that are complete with `text`, read at `now`."""
        self.deadline = None
        if self._pasted is not None:
            self._paste(self._pasted, text, now)
            return
        if not self._held and now < self._late_until and text[:1] in ("[", "O"):
            text, self._late = _ESC + text, True
        self._late_until = 0.0
        if not self._held:
            self._held_at = now
        text, self._held = self._held + text, ""
        position = 0
        while position < len(text):
            escape = text.find(_ESC, position)
            if escape != position:
                end = len(text) if escape < 0 else escape
                yield from self._parser.feed(text[position:end])
            elif match := _SEQUENCE.match(text, position):
                end = match.end()
                if match.group() == _PASTE_START:
                    self._late = False
                    self._pasted = []
                    self._paste(self._pasted, text[end:], now)
                    return
                yield from self._sequence(match.group())
            else:
                start = _UNFINISHED.match(text, position)
                unfinished = start.group() if start else _ESC
                end = position + len(unfinished)
                if end == len(text):
                    self._held, self._held_at = unfinished, now
                    self.deadline = now + (self._escape_wait if self._held == _ESC else _SEQUENCE_WAIT)
                    return
                yield from self._abandon(unfinished)
            position = end

    def tick(self, now: float) -> Iterator[Message]:
        """The messages that are complete because nothing came until `now`; none before `deadline`."""
        if self.deadline is None or now < self.deadline:
            return
        self.deadline = None
        if self._pasted is not None:
            yield from self._finish_paste(self._pasted, now)
        elif self._held:
            held, self._held = self._held, ""
            if held == _ESC:
                self._late_until = now + _LATE_TAIL
            yield from self._abandon(held)

    def _sequence(self, sequence: str) -> Iterator[Message]:
        late, self._late = self._late, False
        for message in self._parse(sequence):
            # The Escape of a late key was reported and cannot be taken back; half a key must not be typed. What is no
            # key (a resize, a mode report) is still true.
            if not (late and isinstance(message, events.Key)):
                yield message

    def _parse(self, sequence: str) -> list[Message]:
        if other := _MODIFY_OTHER_KEYS.fullmatch(sequence):
            modifiers, code = int(other[1]), int(other[2])
            if modifiers <= 2 and 0x20 <= code < 0x110000 and code != 0x7F:
                return list(self._parser.feed(chr(code)))  # a shifted letter comes as the capital itself
            sequence = f"\x1b[{code};{modifiers}u"
        if len(sequence) == 2 and sequence[1] in "0123456789":
            # The stock parser makes of Alt+digit what a Mac's US keyboard types with it.
            return [events.Key(f"alt+{sequence[1]}", None)]
        if len(sequence) > _PARSER_LIMIT:
            # An input method commits several characters at once; more than four are too long for the stock parser.
            if text := _LONG_KITTY_TEXT.fullmatch(sequence):
                return [message for code in text[2].split(":") for message in self._parse(f"{text[1]}{code}u")]
            return []
        messages = list(self._parser.feed(sequence))
        if self._parser._timeout_time is not None:  # noqa: SLF001  # the only sign that it waits for more
            # The sequence is whole, so nothing more will come: end the wait. A single character after the ESC is
            # Alt+key, which has no text of its own (stock: `x` is typed, Alt+Enter is Enter); of anything longer the
            # parser would make the keys of its letters.
            self._parser._timeout_time = 0.0  # noqa: SLF001  # as above
            keys = [message for message in self._parser.tick() if isinstance(message, events.Key)]
            if len(sequence) == 2:
                messages += [events.Key(f"alt+{key.key.removeprefix('alt+')}", None) for key in keys]
        return messages

    def _abandon(self, sequence: str) -> Iterator[Message]:
        """A sequence that will not be completed: Escape, Alt+[ and Alt+O are keys, anything longer is noise."""
        late, self._late = self._late, False
        if sequence == _ESC:
            escape = events.Key("escape", _ESC)
            escape.time = self._held_at  # the wait for the rest of a sequence is a part of what it takes
            yield escape
        elif len(sequence) == 2 and not late:
            yield from self._parse(sequence)

    def _paste(self, parts: list[str], text: str, now: float) -> None:
        """Collect a paste. It ends at the last end mark of an unbroken burst of input.

        A clipboard may hold an end mark and a command behind it. Terminals should filter that; where one does not, the
        true end mark still follows at once, while a person's next key comes later.
        """
        size = len(text)
        if parts:
            text = parts.pop() + text  # the last characters wait: an end mark may be cut in two
        end = text.rfind(_PASTE_END)
        if end >= 0:
            if not self._paste_end:
                self._behind_until = now + _PASTE_TAIL_WAIT
            parts += [text[:end], _PASTE_END]
            self._paste_end = len(parts)
            text = text[end + len(_PASTE_END) :]
            self._behind_size, size = 0, len(text)
        cut = max(0, len(text) - len(_PASTE_END) + 1)
        parts += [text[:cut], text[cut:]]
        if not self._paste_end:
            self.deadline = now + _PASTE_ABANDONED
            return
        self._behind_size += size
        self.deadline = now + self._paste_quiet
        if self._behind_size < _TYPED_BY_HAND:
            self.deadline = min(self.deadline, max(now, self._behind_until))

    def _finish_paste(self, parts: list[str], now: float) -> Iterator[Message]:
        end = self._paste_end or len(parts) + 1
        self._pasted, self._paste_end = None, 0
        text = "".join(parts[: end - 1]).replace("\x00", "")  # NUL has no meaning; stock drops it too
        yield events.Paste(sanitise(text))
        if behind := "".join(parts[end:]):
            yield from self.feed(behind, now)
