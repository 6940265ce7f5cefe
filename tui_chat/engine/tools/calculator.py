"""The tool `calculator`: arithmetic, exact where it can be, and bounded whatever is asked.

Why it exists: models guess at long sums.
What it must not know: Python. There is no `eval` and no `ast` here: a grammar of eight rules is read and worked out in
one pass, so nothing can be reached but numbers and the functions below, and no input is too deep for the parser.

    sum      = product (("+" | "-") product)*
    product  = signed (("*" | "/" | "//" | "%") signed)*
    signed   = ("+" | "-") signed | power
    power    = atom ("**" signed)?                        so -2**2 is -4 and 2**3**2 is 512, as in Python
    atom     = number | name | name "(" sum ("," sum)* ")" | "(" sum ")"

Exactness: a number as written is a fraction (0.1 is one tenth), and fractions stay exact through + - * / // %, integer
powers, abs, round, floor, ceil, min, max, factorial, and roots that come out even. So 0.1 + 0.2 is 0.3 and 1/3*3 is 1.
Everything else gives a float. A result that is not exact, or too long to write out, is marked with "≈".

Bounds: the length and depth of the expression, the digits of every intermediate result, and of what powers and
factorials are about to make, before they are made.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from typing import Any, ClassVar, Final

from tui_chat.engine.tools.threads import off_the_loop
from tui_chat.engine.tools.tool import ToolError, checked_input, quoted

Number = Fraction | float

LONGEST: Final = 1_000  # characters of an expression
DEEPEST: Final = 50  # brackets, signs and powers inside one another
MOST_DIGITS: Final = 4_000  # of an intermediate result; Python itself writes out no more than 4,300
_MOST_BITS: Final = int(MOST_DIGITS * math.log2(10))
_LARGEST_FACTORIAL: Final = 1_500  # 1500! has 4,115 digits

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<sign>\*\*|//|[-+*/%(),])|(?P<other>\S))",
    re.ASCII,
)
_SAME_SIGN: Final = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-"})
_HINTS: Final = {
    "^": "use ** for powers",
    "!": "use factorial(n)",
    "=": "give one expression, without =",
    ",": "no thousands separators",
}


@dataclass(frozen=True, slots=True)
class Calculator:
    """One expression in, one number out."""

    name: ClassVar[str] = "calculator"
    description: ClassVar[str] = (
        "Evaluates one arithmetic expression and returns the number. Operators: + - * / // % ** and parentheses, as in "
        "Python. Functions: sqrt, abs, round(x, digits), min, max, floor, ceil, log(x, base; natural without base), log10, "
        "exp, sin, cos, tan (radians), factorial. Constants: pi, e. Decimals and fractions are exact (0.1 + 0.2 is 0.3); a "
        'result that starts with "≈" is rounded. No variables, no units, no thousands separators. At most '
        f"{LONGEST} characters, and numbers of at most {MOST_DIGITS} digits."
    )
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {"expression": {"type": "string", "description": 'For example "(3 + 4.5) * 2**10 / sqrt(2)".'}},
        "required": ["expression"],
        "additionalProperties": False,
    }
    timeout: ClassVar[float] = 5.0

    async def run(self, input: Mapping[str, Any]) -> str:
        """The result as text; ToolError says what is wrong with the expression."""
        expression = checked_input(self.input_schema, input)["expression"]
        return await off_the_loop(lambda: calculate(expression))  # the longest takes some frames' time


def calculate(expression: str) -> str:
    """The value of `expression` as text; ToolError for everything that has none."""
    if len(expression) > LONGEST:
        raise ToolError(f"The expression has {len(expression):,} characters; at most {LONGEST:,} are allowed.")
    try:
        return _write(_Reader(expression.translate(_SAME_SIGN)).read())
    except ZeroDivisionError:
        raise ToolError("Division by zero.") from None
    except (OverflowError, MemoryError):
        raise ToolError(
            f"The result, or a part of it, is too large or too small: exact numbers may have {MOST_DIGITS:,} digits, "
            "others must lie below 1.8e308."
        ) from None
    except (ValueError, TypeError):
        # The functions of `math` outside their domain; what they do not take as an argument.
        raise ToolError("The expression has no value in the real numbers.") from None


def _bounded(value: Number) -> Number:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise OverflowError
    elif max(value.numerator.bit_length(), value.denominator.bit_length()) > _MOST_BITS:
        raise OverflowError
    return value


class _Reader:
    """Reads the expression from left to right and works it out on the way."""

    def __init__(self, expression: str) -> None:
        self._tokens = [
            (match.lastgroup or "", match.group(match.lastgroup or 0)) for match in _TOKEN.finditer(expression)
        ]
        self._next = 0
        self._depth = 0

    def read(self) -> Number:
        value = self._sum()
        if self._next < len(self._tokens):
            raise self._unexpected("an operator")
        return value

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def _take(self, *signs: str) -> str:
        """The next token if it is one of `signs`, else ''."""
        sign = self._peek()
        if sign not in signs:
            return ""
        self._next += 1
        return sign

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise self._unexpected(f'"{sign}"')

    def _unexpected(self, wanted: str) -> ToolError:
        found = self._peek()
        if not found:
            return ToolError(f"The expression ends where {wanted} should come.")
        hint = f" ({_HINTS[found]})" if found in _HINTS else ""
        return ToolError(f"Found {quoted(found)} where {wanted} should come{hint}.")

    def _sum(self) -> Number:
        value = self._product()
        while sign := self._take("+", "-"):
            other = self._product()
            value = _bounded(value + other if sign == "+" else value - other)
        return value

    def _product(self) -> Number:
        value = self._signed()
        while sign := self._take("*", "/", "//", "%"):
            other = self._signed()
            match sign:
                case "*":
                    value = value * other
                case "/":
                    value = value / other
                case "//":
                    value = Fraction(value // other)
                case _:
                    value = value % other
            _bounded(value)
        return value

    def _signed(self) -> Number:
        """Every way into something deeper leads through here, so here the depth is counted."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise ToolError(f"The expression is nested more than {DEEPEST} deep.")
        sign = self._take("+", "-")
        value = self._signed() if sign else self._power()
        self._depth -= 1
        return -value if sign == "-" else value

    def _power(self) -> Number:
        base = self._atom()
        return _bounded(_raise(base, self._signed())) if self._take("**") else base

    def _atom(self) -> Number:
        kind, text = self._tokens[self._next] if self._next < len(self._tokens) else ("", "")
        if kind == "number":
            self._next += 1
            return _number(text)
        if kind == "name":
            self._next += 1
            return self._call(text) if self._take("(") else _constant(text)
        if self._take("("):
            value = self._sum()
            self._expect(")")
            return value
        raise self._unexpected("a number")

    def _call(self, name: str) -> Number:
        if name not in _FUNCTIONS:
            raise ToolError(f"Unknown function {quoted(name)}. Known are {', '.join(_FUNCTIONS)}.")
        function, fewest, most = _FUNCTIONS[name]
        values = [self._sum()]
        while self._take(","):
            values.append(self._sum())
        self._expect(")")
        if not fewest <= len(values) <= most:
            wanted = "1 number" if most == 1 else f"1 to {most} numbers"
            raise ToolError(f"{name} takes {wanted}, not {len(values)}.")
        return _bounded(function(*values))


def _constant(name: str) -> float:
    if name in _FUNCTIONS:
        raise ToolError(f"{name} needs its argument in parentheses.")
    if name not in _CONSTANTS:
        raise ToolError(f"Unknown name {quoted(name)}. Known are {', '.join((*_CONSTANTS, *_FUNCTIONS))}.")
    return _CONSTANTS[name]


def _number(text: str) -> Fraction:
    exponent = re.split("[eE]", text)[1:]
    if exponent and (len(exponent[0]) > 8 or abs(int(exponent[0])) > MOST_DIGITS):
        raise OverflowError
    value = Fraction(text.replace("_", ""))
    _bounded(value)
    return value


def _raise(base: Number, exponent: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator == 1:
            # The least number of bits that the result can have.
            if (max(abs(base.numerator), base.denominator).bit_length() - 1) * abs(exponent.numerator) > _MOST_BITS:
                raise OverflowError
            return Fraction(base**exponent)
        if exponent == Fraction(1, 2):
            return _square_root(base)
    result: float | complex = float(base) ** float(exponent)
    if isinstance(result, complex):
        raise ToolError("A negative number has no real power with such an exponent.")
    return result


def _square_root(value: Number) -> Number:
    if isinstance(value, Fraction) and value >= 0:
        above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if above * above == value.numerator and below * below == value.denominator:
            return Fraction(above, below)
    return math.sqrt(value)


def _plain(value: Number) -> int | float:
    """What `math.log` takes: it knows integers of any size, and floats."""
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else float(value)


def _log(value: Number, base: Number = math.e) -> float:
    return math.log(_plain(value)) if base == math.e else math.log(_plain(value), _plain(base))


def _integer(value: Number, name: str) -> int:
    if value != int(value):
        raise ToolError(f"{name} must be an integer.")
    return int(value)


def _round(value: Number, digits: Number = 0.0) -> Number:
    places = _integer(digits, "The number of digits")
    if abs(places) > MOST_DIGITS:
        raise OverflowError
    rounded = round(value, places) if isinstance(value, float) else Fraction(round(value, places))
    return Fraction(rounded) if places <= 0 else rounded


def _factorial(value: Number) -> Fraction:
    number = _integer(value, "The argument of factorial")
    if number < 0:
        raise ToolError("factorial takes no negative numbers.")
    if number > _LARGEST_FACTORIAL:
        raise OverflowError
    return Fraction(math.factorial(number))


def _write(value: Number) -> str:
    if isinstance(value, float):
        return f"≈ {value + 0.0:.15g}"  # the last two digits of a float are mostly noise; -0.0 + 0.0 is 0.0
    if value.denominator == 1:
        return str(value.numerator)
    numerator, denominator = Decimal(value.numerator), Decimal(value.denominator)
    context = Context(prec=100, traps=[])
    exact = context.divide(numerator, denominator)
    if not context.flags[Inexact]:
        return _digits(exact)
    return f"≈ {_digits(Context(prec=20, traps=[]).divide(numerator, denominator))}"


def _digits(value: Decimal) -> str:
    return format(value, "f") if -20 <= value.adjusted() <= 40 else str(value)


_MANY: Final = LONGEST  # as many arguments as an expression has room for
_FUNCTIONS: Final[Mapping[str, tuple[Callable[..., Number], int, int]]] = {  # with the fewest and most arguments
    "sqrt": (_square_root, 1, 1),
    "abs": (abs, 1, 1),
    "round": (_round, 1, 2),
    "min": (lambda *values: min(values), 1, _MANY),
    "max": (lambda *values: max(values), 1, _MANY),
    "floor": (lambda value: Fraction(math.floor(value)), 1, 1),
    "ceil": (lambda value: Fraction(math.ceil(value)), 1, 1),
    "log": (_log, 1, 2),
    "log10": (lambda value: math.log10(_plain(value)), 1, 1),
    "exp": (math.exp, 1, 1),
    "sin": (math.sin, 1, 1),
    "cos": (math.cos, 1, 1),
    "tan": (math.tan, 1, 1),
    "factorial": (_factorial, 1, 1),
}
_CONSTANTS: Final[Mapping[str, float]] = {"pi": math.pi, "e": math.e}
