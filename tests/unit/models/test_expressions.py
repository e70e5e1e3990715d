"""The rule language, row by row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fraud.expressions import ExpressionError, compile_expression

NAMES = {"amount": "number", "count": "number", "method": "text", "fresh": "truth"}
VALUES = {"amount": 250.0, "count": 3.0, "method": "upi", "fresh": 1.0}


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        ("amount > 249", True),
        ("amount > 250", False),
        ("amount >= 250", True),
        ("amount < 250.5", True),
        ("amount == 2_50", True),
        ("amount != 250", False),
        ("amount > 5 * count", True),
        ("amount / 100 <= 2.5", True),
        ("amount - 100 - 100 == 50", True),
        ("2 + 3 * 4 == 14", True),
        ("(2 + 3) * 4 == 20", True),
        ("method == 'upi'", True),
        ("method != 'upi'", False),
        ("method in ('card', 'upi')", True),
        ("method in ('card')", False),
        ("fresh", True),
        ("not fresh", False),
        ("not not fresh", True),
        ("not fresh or count == 3", True),
        ("fresh and count == 3 and amount < 1", False),
        ("count == 1 or count == 2 and fresh", False),
        ("(count == 1 or count == 3) and fresh", True),
        ("(amount) > (count)", True),
        ("method not in ('card', 'wallet')", True),
        ("method not in ('upi')", False),
        ("count in (1, 3)", True),
        ("count not in (1, 2)", True),
        ("-count in (-3, -2.5)", True),
        ("amount - -50 == 300", True),
        ("--count == 3", True),
        ("-2 * -3 == 6", True),
        ("not count in (1, 2) and fresh", True),
    ],
)
def test_what_an_expression_means(source, outcome):
    assert compile_expression(source, NAMES)(VALUES) is outcome


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("", "a value is missing"),
        ("amount >", "a value is missing"),
        ("amount", "a condition was expected"),
        ("amuont > 5", "unknown name 'amuont'; did you mean 'amount'?"),
        ("amount > 'upi'", "differ in type"),
        ("method > 'a'", "needs numbers"),
        ("method + 1 > 2", "needs a number, not a text"),
        ("fresh + 1 > 2", "needs a number, not a truth"),
        ("amount and fresh", "needs a truth, not a number"),
        ("not amount", "needs a truth, not a number"),
        ("amount / count > 1", "only a number other than 0 may divide"),
        ("amount / 0 > 1", "only a number other than 0 may divide"),
        ("amount in ('a')", "this list holds numbers"),
        ("method in (1)", "this list holds texts in single quotes"),
        ("method in (-'upi')", "this list holds texts"),
        ("fresh in (1)", "needs a number or a text"),
        ("method in ()", "this list holds texts"),
        ("method not 'upi'", "'in' is missing after 'not'"),
        ("method not", "'in' is missing after 'not'"),
        ("-method == 'upi'", "- needs a number, not a text"),
        ("not -fresh", "- needs a number, not a truth"),
        ("method in ('a'", "')' is missing"),
        ("(amount > 1", "')' is missing"),
        ("amount > 1)", "unexpected ')'"),
        ("amount > 1 amount", "unexpected 'amount'"),
        ("1 < amount < 3", "unexpected '<'"),
        ("amount > 1e5", "cannot be read"),
        ("amount > 1.2.3", "cannot be read"),
        ('method == "upi"', "cannot be read"),
        ("__import__('os')", "cannot be read"),
        ("amount.real > 1", "cannot be read"),
        ("exec('x')", "unknown name 'exec'"),
        ("lambda", "unknown name 'lambda'"),
        ("and fresh", "unexpected 'and'"),
        ("amount = 1", "cannot be read"),
        ("(" * 60 + "fresh" + ")" * 60, "nested too deeply"),
        ("amount > 1 or " * 90 + "fresh", "longer than 1000"),
    ],
)
def test_what_is_refused(source, complaint):
    with pytest.raises(ExpressionError) as refused:
        compile_expression(source, NAMES)
    assert complaint in str(refused.value)


def test_a_complaint_says_where():
    with pytest.raises(ExpressionError, match=r"at character 11\)"):
        compile_expression("fresh and nonsense", NAMES)
    with pytest.raises(ExpressionError, match=r"'= 1' \(at character 17\)"):
        compile_expression("fresh and count = 1", NAMES)


@given(st.text(alphabet="amountcefrshd indot()<>=!+-*/'_.0123456789,", max_size=60))
def test_any_text_compiles_or_is_refused(source):
    try:
        condition = compile_expression(source, NAMES)
    except ExpressionError:
        return
    assert condition(VALUES) in (True, False)
