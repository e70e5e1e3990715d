"""A small typed language for conditions: `new_instrument and amount_minor >= 20_000_00`.

Belongs here: reading, checking and compiling one expression. Does not: what a rule is (`rules`).

    condition := or-expression of type truth
    numbers    1  2.5  -3  20_000_00   + - *  and / by a number other than 0   < <= > >= == !=
    text       'upi'                   == !=
    both       in ('a', 'b')   not in (5, 6)
    truth      and or not ( )

An expression is checked once, against the names it may use and their types, and becomes a
closure. What passes the check cannot fail later: every name has a value, nothing divides by
zero, nothing loops, and no Python is evaluated.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NoReturn

Type = Literal["number", "text", "truth"]
Values = Mapping[str, Any]
Term = tuple[Type, Callable[[Values], Any]]

_MAX_LENGTH: Final = 1_000
_MAX_DEPTH: Final = 40

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d[\d_]*(?:\.\d+)?)(?![\w.])"
    r"|'(?P<text>[^'\n]*)'"
    r"|(?P<name>[a-z][a-z0-9_]*)"
    r"|(?P<sign><=|>=|==|!=|[<>()+\-*/,]))"
)
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_ARITHMETIC: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_WORDS: Final = frozenset({"and", "or", "not", "in"})


class ExpressionError(ValueError):
    """An expression that cannot be compiled. Says what is wrong, and at which character."""


def compile_expression(source: str, names: Mapping[str, Type]) -> Callable[[Values], bool]:
    """The condition as a function of named values; `names` are those it may use."""
    if len(source) > _MAX_LENGTH:
        raise ExpressionError(f"longer than {_MAX_LENGTH} characters")
    parser = _Parser(source, names)
    kind, evaluate = parser.disjunction()
    parser.expect_end()
    if kind != "truth":
        raise ExpressionError(f"a condition was expected, this is a {kind}")
    return lambda values: bool(evaluate(values))


class _Parser:
    """Recursive descent over the tokens: one method a level of precedence."""

    def __init__(self, source: str, names: Mapping[str, Type]) -> None:
        self._names = names
        self._tokens = list(_tokens(source))
        self._next = 0
        self._depth = 0

    def disjunction(self) -> Term:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._fail("nested too deeply")
        left = self._conjunction()
        while self._take("or"):
            left = self._joined(left, self._conjunction(), "or")
        self._depth -= 1
        return left

    def expect_end(self) -> None:
        kind, value, _ = self._peek()
        if kind != "end":
            self._fail(f"unexpected {value!r}")

    def _conjunction(self) -> Term:
        left = self._negation()
        while self._take("and"):
            left = self._joined(left, self._negation(), "and")
        return left

    def _joined(self, left: Term, right: Term, word: str) -> Term:
        a, b = self._typed(left, "truth", word), self._typed(right, "truth", word)
        if word == "and":
            return "truth", lambda values: a(values) and b(values)
        return "truth", lambda values: a(values) or b(values)

    def _negation(self) -> Term:
        negations = 0
        while self._take("not"):
            negations += 1
        term = self._comparison()
        if not negations:
            return term
        inner = self._typed(term, "truth", "not")
        return "truth", (lambda values: not inner(values)) if negations % 2 else inner

    def _comparison(self) -> Term:
        left = self._sum()
        if self._take("in"):
            return self._membership(left)
        if self._peek()[1] == "not" and self._peek()[0] == "name":
            return self._absence(left)
        kind, sign, _ = self._peek()
        if kind != "sign" or sign not in _COMPARISONS:
            return left
        self._next += 1
        right = self._sum()
        if left[0] != right[0]:
            self._fail(f"{left[0]} {sign} {right[0]}: the two sides differ in type")
        if left[0] != "number" and sign not in ("==", "!="):
            self._fail(f"{sign} needs numbers, not {left[0]}")
        compare, a, b = _COMPARISONS[sign], left[1], right[1]
        return "truth", lambda values: compare(a(values), b(values))

    def _absence(self, left: Term) -> Term:
        self._next += 1
        if not self._take("in"):
            self._fail("'in' is missing after 'not'")
        listed = self._membership(left)[1]
        return "truth", lambda values: not listed(values)

    def _membership(self, left: Term) -> Term:
        kind, value = left
        if kind == "truth":
            self._fail("in needs a number or a text, not a truth")
        self._require("(")
        listed = [self._constant_of(kind)]
        while self._take(","):
            listed.append(self._constant_of(kind))
        self._require(")")
        allowed = frozenset(listed)
        return "truth", lambda values: value(values) in allowed

    def _constant_of(self, expected: Type) -> float | str:
        sign = -1 if expected == "number" and self._take("-") else 1
        kind, value, _ = self._peek()
        if kind != expected:
            what = "numbers" if expected == "number" else "texts in single quotes"
            self._fail(f"this list holds {what}")
        self._next += 1
        return sign * float(value) if expected == "number" else value

    def _sum(self) -> Term:
        left = self._product()
        while (sign := self._take_any("+", "-")) is not None:
            left = self._arithmetic(left, sign, self._product())
        return left

    def _product(self) -> Term:
        left = self._signed()
        while (sign := self._take_any("*", "/")) is not None:
            right = self._signed() if sign == "*" else self._divisor()
            left = self._arithmetic(left, sign, right)
        return left

    def _signed(self) -> Term:
        negative = False
        while self._take("-"):
            negative = not negative
        term = self._atom()
        if not negative:
            return term
        inner = self._typed(term, "number", "-")
        return "number", lambda values: -inner(values)

    def _arithmetic(self, left: Term, sign: str, right: Term) -> Term:
        a, b = self._typed(left, "number", sign), self._typed(right, "number", sign)
        operate = _ARITHMETIC[sign]
        return "number", lambda values: operate(a(values), b(values))

    def _divisor(self) -> Term:
        kind, value, _ = self._peek()
        if kind != "number" or float(value) == 0:
            self._fail("only a number other than 0 may divide; write a / 2, or a > 5 * b")
        self._next += 1
        return _constant("number", float(value))

    def _atom(self) -> Term:
        kind, value, _ = self._peek()
        if kind == "sign" and value == "(":
            self._next += 1
            inner = self.disjunction()
            self._require(")")
            return inner
        if kind == "number":
            self._next += 1
            return _constant("number", float(value))
        if kind == "text":
            self._next += 1
            return _constant("text", value)
        if kind == "name" and value not in _WORDS:
            if value not in self._names:
                self._fail(f"unknown name {value!r}{_nearest(value, self._names)}")
            self._next += 1
            return self._names[value], lambda values: values[value]
        return self._fail("a value is missing" if kind == "end" else f"unexpected {value!r}")

    def _typed(self, term: Term, expected: Type, where: str) -> Callable[[Values], Any]:
        if term[0] != expected:
            self._fail(f"{where} needs a {expected}, not a {term[0]}")
        return term[1]

    def _take(self, value: str) -> bool:
        kind, found, _ = self._peek()
        if kind in ("sign", "name") and found == value:
            self._next += 1
            return True
        return False

    def _take_any(self, *signs: str) -> str | None:
        return next((sign for sign in signs if self._take(sign)), None)

    def _require(self, sign: str) -> None:
        if not self._take(sign):
            self._fail(f"{sign!r} is missing")

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._next]

    def _fail(self, message: str) -> NoReturn:
        raise ExpressionError(f"{message} (at character {self._peek()[2] + 1})")


def _constant(kind: Type, value: float | str) -> Term:
    return kind, lambda _: value


def _tokens(source: str) -> list[tuple[str, str, int]]:
    found: list[tuple[str, str, int]] = []
    at = 0
    end = len(source.rstrip())
    while at < end:
        match = _TOKEN.match(source, at)
        if match is None:
            rest = source[at:].lstrip()
            where = end - len(rest.rstrip()) + 1
            raise ExpressionError(f"cannot be read from {rest[:20]!r} (at character {where})")
        kind = str(match.lastgroup)
        value = match[kind].replace("_", "") if kind == "number" else match[kind]
        found.append((kind, value, match.start(kind)))
        at = match.end()
    found.append(("end", "", end))
    return found


def _nearest(name: str, names: Mapping[str, Type]) -> str:
    import difflib  # only when something is wrong

    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
