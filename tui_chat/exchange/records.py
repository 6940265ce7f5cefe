"""The records of a JSON file, one by one, whatever the file's size: the elements of its array, or its values one after another.

Why it exists: an export of some years is hundreds of megabytes in one array, and `json.load` needs many times that. Here the
end of each record is found in the bytes, by counting brackets outside of strings, and only that record is parsed. So memory
is bounded by the largest record, and what is wrong with one of them is said by its number and costs no other.

A broken record may have lost a quote or a bracket; then counting goes astray and its end cannot be told. All records of an
export begin with the same two names. So after a failure the next such beginning is looked for, wherever counting thinks it
is; within a string it could not stand like that, since its quotes would be escaped.

What it must not know: what a record means.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

CHUNK: Final = 1 << 20  # bytes
LARGEST: Final = 64 << 20  # bytes of one record; a conversation of a million words is a tenth of that

_BETWEEN: Final = re.compile(rb"[ \t\r\n,]*+")
_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'
_REST_OF_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_TOKEN: Final = re.compile(_STRING + rb'|[\[\]{}"]', re.DOTALL)
_SCALAR: Final = rb"(?:" + _STRING + rb'|[^\s"\[\]{},]++)'
_SKIPPED: Final = re.compile(_SCALAR, re.DOTALL)
_WRAPPER: Final = re.compile(
    rb"\s*\{(?:\s*" + _STRING + rb"\s*:\s*" + _SCALAR + rb'\s*,)*+\s*"conversations"\s*:\s*\[', re.DOTALL
)
_BEGINNING: Final = re.compile(
    rb"\{\s*(" + _STRING + rb")\s*:\s*(?:" + _SCALAR + rb"\s*,\s*(" + _STRING + rb")\s*:)?", re.DOTALL
)
_ANY_BEGINNING: Final = re.compile(rb'\{\s*"')


class NotJsonError(ValueError):
    """The file is no JSON that could hold records."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its place in the file from 1, and its value, or what is wrong with it."""

    number: int
    value: Any = None
    problem: str = ""


_decoder: Final = json.JSONDecoder(
    strict=False,  # a raw control character in a text is no reason to lose a conversation
    parse_constant=lambda _name: None,
    parse_float=lambda number: value if math.isfinite(value := float(number)) else None,
)


class Records:
    """An iterator over the records of a binary file. `read` counts the bytes taken from it, for a progress bar."""

    def __init__(self, file: BinaryIO, *, largest: int = LARGEST, chunk: int = CHUNK) -> None:
        self.read = 0
        self._file, self._largest, self._chunk = file, largest, chunk
        self._buffer = bytearray()
        self._at = 0  # where in the buffer reading stands
        self._ended = False
        self._beginning: re.Pattern[bytes] | None = None

    def __iter__(self) -> Iterator[Record]:
        """Every record once.

        Raises:
            NotJsonError: the file begins like no JSON.
            OSError: it cannot be read.

        """
        in_array = self._enter()
        number, cut = 0, False
        while True:
            sign = self._next_sign()
            if not sign:
                if in_array and not cut:
                    yield Record(number + 1, problem="the file ends here, before its list does")
                return
            if sign == b"]" and in_array:
                self._at += 1
                if self._beginning is None or not self._skip_to_beginning():
                    return
                continue  # counting had gone astray: there is more
            number += 1
            record = self._record(number, sign)
            cut = bool(record.problem)
            yield record

    # The beginning ---------------------------------------------------------------------------------------------------

    def _enter(self) -> bool:
        """Go to the first record; whether it is in an array, which has to end."""
        self._more()
        if self._buffer.startswith(b"\xef\xbb\xbf"):
            self._at = 3
        sign = self._next_sign()
        if sign == b"[":
            self._at += 1
            return True
        if sign != b"{":
            raise NotJsonError("it is no JSON" if sign else "it is empty")
        wrapper = _WRAPPER.match(self._buffer, self._at)
        if wrapper is not None:
            self._at = wrapper.end()
        return wrapper is not None

    def _next_sign(self) -> bytes:
        """The next byte that is neither space nor a comma; b'' at the end."""
        while True:
            between = _BETWEEN.match(self._buffer, self._at)
            self._at = self._at if between is None else between.end()
            if self._at < len(self._buffer):
                return bytes(self._buffer[self._at : self._at + 1])
            self._drop()
            if not self._more():
                return b""

    # One record ------------------------------------------------------------------------------------------------------

    def _record(self, number: int, sign: bytes) -> Record:
        if sign not in b"{[":
            return self._odd(number)
        self._drop()
        end = self._end_of_value()
        if end is None:
            too_large = not self._ended
            self._find_beginning(len(self._buffer))
            why = (
                f"it is larger than {self._largest >> 20} MB"
                if too_large
                else "the file ends, or is damaged, within it"
            )
            return Record(number, problem=why)
        self._learn()
        try:
            value = _decoder.decode(self._buffer[self._at : end].decode("utf-8", "replace"))
        except RecursionError:
            self._at = end
            return Record(number, problem="it is nested too deeply")
        except ValueError as error:
            self._find_beginning(end)
            return Record(number, problem=f"it is no JSON ({error})")
        self._at = end
        if not isinstance(value, dict):
            return Record(number, problem="it is no object")
        return Record(number, value)

    def _odd(self, number: int) -> Record:
        """Something between the records that begins none: a bare value, or what damage has left."""
        found = _SKIPPED.match(self._buffer, self._at)
        after = bytes(self._buffer[found.end() : found.end() + 1]) if found is not None else b""
        if found is not None and after and after in b",] \r\n":
            self._at = found.end()
            return Record(number, problem="it is no object")
        self._find_beginning(self._at + 1)
        return Record(number, problem="something else stands there")

    def _end_of_value(self) -> int | None:
        """Where the object or list that begins here ends; None if it is too large, or the file ends first."""
        depth, place, in_string = 0, self._at, False
        while True:
            if in_string:
                rest = _REST_OF_STRING.match(self._buffer, place)
                place = rest.end() if rest is not None else place
                if place < len(self._buffer) and self._buffer[place] == 0x22:
                    in_string, place = False, place + 1
            while not in_string and (token := _TOKEN.search(self._buffer, place)) is not None:
                place = token.end()
                match token[0]:
                    case b"{" | b"[":
                        depth += 1
                    case b"}" | b"]":
                        depth -= 1
                        if depth == 0:
                            return place
                    case b'"':  # a string that goes on in the next chunk
                        in_string = True
                        rest = _REST_OF_STRING.match(self._buffer, place)
                        place = rest.end() if rest is not None else place
                    case _:
                        pass
            if not in_string:
                place = len(self._buffer)
            if len(self._buffer) - self._at > self._largest or not self._more():
                return None

    def _learn(self) -> None:
        """Keep how the first record begins: all do."""
        if self._beginning is not None:
            return
        found = _BEGINNING.match(self._buffer, self._at)
        if found is None:
            return
        pattern = rb"\{\s*" + re.escape(found[1]) + rb"\s*:"
        if found[2] is not None:
            pattern += rb"\s*" + _SCALAR + rb"\s*,\s*" + re.escape(found[2]) + rb"\s*:"
        self._beginning = re.compile(pattern, re.DOTALL)

    def _find_beginning(self, end: int) -> None:
        """Go to where a record begins: between here and `end`, else at `end` if something sound stands there, else beyond."""
        self._learn()
        found = self._pattern.search(self._buffer, self._at + 1, end)
        if found is not None:
            self._at = found.start()
            return
        self._at = end
        if self._next_sign() not in (b"", b"]", b"{"):
            self._skip_to_beginning()

    def _skip_to_beginning(self) -> bool:
        """Go to the next place that looks like the beginning of a record; False: there is none."""
        while (found := self._pattern.search(self._buffer, self._at)) is None:
            self._at = max(self._at, len(self._buffer) - 4096)  # half a beginning may stand at the edge
            self._drop()
            if not self._more():
                self._at = len(self._buffer)
                return False
        self._at = found.start()
        return True

    @property
    def _pattern(self) -> re.Pattern[bytes]:
        return self._beginning or _ANY_BEGINNING

    # The buffer ------------------------------------------------------------------------------------------------------

    def _more(self) -> bool:
        """Read on; False at the end of the file."""
        chunk = b"" if self._ended else self._file.read(self._chunk)
        self._ended = not chunk
        self.read += len(chunk)
        self._buffer += chunk
        return bool(chunk)

    def _drop(self) -> None:
        """Forget what was read; not for each of many small records."""
        if self._at >= self._chunk:
            del self._buffer[: self._at]
            self._at = 0
