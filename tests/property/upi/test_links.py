"""Whatever a link holds comes back: built, read, drawn."""

from hypothesis import given
from hypothesis import strategies as st

from online.upi.domain import InvalidLink, Link, build, parse

VPA = st.from_regex(r"[A-Za-z0-9._-]{2,60}@[A-Za-z][A-Za-z0-9.]{1,20}", fullmatch=True)
# Any printable text, of any script, with all that means something in a link.
TEXT = st.text(
    st.characters(
        codec="utf-8", categories=("L", "N", "P", "S", "Zs"), include_characters="&=+%# ?@/"
    )
)
LINE = TEXT.map(lambda text: "".join(c for c in text if c.isprintable()))


def at_most(characters: int) -> st.SearchStrategy[str | None]:
    return st.none() | LINE.map(lambda text: text[:characters]).filter(bool)


AMOUNT = st.integers(1, 10**14 - 1)
LINKS = st.builds(
    Link,
    pa=VPA,
    pn=at_most(99),
    mc=st.none() | st.from_regex(r"[0-9]{4}", fullmatch=True),
    tid=st.none() | st.from_regex(r"[A-Za-z0-9]{35}", fullmatch=True),
    tr=st.none() | st.from_regex(r"[A-Za-z0-9._-]{1,35}", fullmatch=True),
    tn=at_most(50),
    am=st.none() | AMOUNT,
    mode=st.none() | st.from_regex(r"[0-9]{2}", fullmatch=True),
    purpose=st.none() | st.from_regex(r"[0-9A-Z]{2}", fullmatch=True),
    orgid=st.none() | st.from_regex(r"[A-Za-z0-9]{1,20}", fullmatch=True),
    also=st.dictionaries(
        st.from_regex(r"x[A-Za-z0-9_.-]{0,20}", fullmatch=True),
        LINE.map(lambda text: text[:60]),
        max_size=3,
    ).map(lambda pairs: tuple(pairs.items())),
    sign=st.none() | st.from_regex(r"[A-Za-z0-9+/]{16,96}={0,2}", fullmatch=True),
)


def built(link: Link) -> str | None:
    """None for what is too long for a link: its letters take nine characters each."""
    refused = None
    try:
        return build(link)
    except InvalidLink as error:
        refused = error.param
    assert refused == "link"
    return None


@given(LINKS)
def test_what_is_built_is_read_as_it_was(link: Link):
    text = built(link)
    assert text is None or parse(text) == link


@given(LINKS)
def test_a_link_is_plain_ascii_without_blanks(link: Link):
    text = built(link) or ""
    assert text.isascii()
    assert " " not in text
    assert "+" not in text


@given(LINKS)
def test_what_is_read_is_built_the_same(link: Link):
    text = built(link)
    assert text is None or build(parse(text)) == text


@given(LINKS, st.randoms(use_true_random=False))
def test_the_order_of_the_parameters_says_nothing(link: Link, random):
    text = built(link)
    if text is None:
        return
    head, _, query = text.partition("?")
    pieces = query.split("&")
    last = [piece for piece in pieces if piece.startswith("sign=")]
    first = [piece for piece in pieces if not piece.startswith("sign=")]
    random.shuffle(first)
    found = parse(f"{head}?{'&'.join((*first, *last))}")
    assert sorted(found.also) == sorted(link.also)
    names = [name for name in Link.__struct_fields__ if name != "also"]
    assert [getattr(found, name) for name in names] == [getattr(link, name) for name in names]


@given(st.text(max_size=300) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_anything_is_read_or_refused_by_name(tail: str):
    for text in (tail, f"upi://pay?{tail}", f"upi://pay?pa=a.b@upi&{tail}"):
        param: str | None = "none"
        try:
            parse(text)
        except InvalidLink as error:
            param = error.param
        assert param
