"""Properties of comparing names: banks write the same person in many ways."""

import string

from hypothesis import given
from hypothesis import strategies as st

from online.payouts.names import mask_account, mask_name, score, words

# No title, and no form of a firm: those are left away beside anything else.
WORD = st.text(string.ascii_letters, min_size=2, max_size=12).filter(
    lambda word: words(f"{word} Zq") == [word.upper(), "ZQ"]
)
NAME = st.lists(WORD, min_size=1, max_size=4).map(" ".join)
ANYTHING = st.text(max_size=40)


@given(ANYTHING, ANYTHING)
def test_it_is_a_share_and_the_same_either_way_round(one, other):
    assert 0 <= score(one, other) <= 100
    assert score(one, other) == score(other, one)


@given(NAME)
def test_a_name_is_its_own_however_it_is_written(name):
    assert score(name, name) == 100
    assert score(name, name.upper()) == 100
    assert score(name, f"Mr. {name}") == 100
    assert score(name, name.replace(" ", "")) == 100


@given(st.lists(WORD, min_size=1, max_size=4), st.randoms())
def test_the_order_of_words_is_of_no_matter(parts, random):
    turned = list(parts)
    random.shuffle(turned)
    assert score(" ".join(parts), " ".join(turned)) == 100


@given(st.lists(WORD, min_size=2, max_size=4, unique_by=lambda word: word[0].upper()))
def test_an_initial_costs_something_and_not_everything(parts):
    initial = " ".join([parts[0], parts[1][0], *parts[2:]])
    assert 50 <= score(" ".join(parts), initial) < 100


@given(
    st.lists(st.text("abcdefghijk", min_size=2, max_size=9), min_size=1, max_size=3),
    st.lists(st.text("lmnopqrstuv", min_size=2, max_size=9), min_size=1, max_size=3),
)
def test_strangers_have_nothing_in_common(one, other):
    kept = [words(" ".join(parts)) for parts in (one, other)]
    assert score(" ".join(kept[0]), " ".join(kept[1])) == 0


@given(NAME)
def test_a_mask_keeps_the_length_and_the_first_letters(name):
    mask = mask_name(name)
    assert [len(word) for word in mask.split()] == [len(word) for word in name.split()]
    assert [word[0] for word in mask.split()] == [word[0] for word in name.split()]
    assert all(set(word[1:]) <= {"*"} for word in mask.split())


@given(st.text(string.digits, min_size=6, max_size=34))
def test_a_masked_account_shows_four_digits(account):
    mask = mask_account(account)
    assert len(mask) == len(account)
    assert mask[-4:] == account[-4:]
    assert set(mask[:-4]) == {"X"}
