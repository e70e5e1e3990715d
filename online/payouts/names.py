"""Whether two names are one person's, and how a name or an account may be shown. Pure.

Banks cut names, turn them round, add titles and write initials: `MR ASHA V KULKARNI` is the
`Asha Vinod Kulkarni` of a form. A score says how far two agree; from where they do is data.
"""

import re
import unicodedata
from typing import Final

_TITLES: Final = frozenset(
    {"MR", "MRS", "MS", "MISS", "DR", "SHRI", "SRI", "SMT", "KUM", "KUMARI", "PROF", "CA", "ADV"}
)
# A firm's form, which banks write out, shorten and leave away.
_FORMS: Final = frozenset(
    {"PRIVATE", "PVT", "LIMITED", "LTD", "LLP", "CO", "COMPANY", "AND", "THE"}
)
_SPLIT: Final = re.compile(r"[^\w]+|_", re.UNICODE)
_SHORTEST_CUT: Final = 3  # letters that are enough to stand for a word that begins with them


def words(name: str) -> list[str]:
    """A name's words without accents, titles and forms of firms; all of them if nothing is left."""
    found = _all_words(name)
    return [word for word in found if word not in _TITLES | _FORMS] or found


def _all_words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name)
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    return [word for word in _SPLIT.split(letters.upper()) if word]


def score(given: str, known: str) -> int:
    """0 to 100: which part of both names' words agree, in any order; the same either way round.

    A word agrees with itself, wholly; with its initial or a cut of it, half.
    """
    ours, theirs = words(given), words(known)
    if not ours or not theirs:
        return 0
    if "".join(_all_words(given)) == "".join(_all_words(known)):
        return 100
    if "".join(ours) == "".join(theirs):
        return 100
    agreed = max(_agreed(ours, theirs), _agreed(theirs, ours))
    return round(100 * agreed / (len(ours) + len(theirs)))


def _agreed(ours: list[str], theirs: list[str]) -> int:
    """How many words of both agree; a cut one counts as half a word."""
    left, agreed = list(theirs), 0
    over = []
    for word in ours:
        if word in left:
            left.remove(word)
            agreed += 2
        else:
            over.append(word)
    for word in sorted(over, key=len, reverse=True):
        cut = next((each for each in left if _is_short(word, each)), None)
        if cut is not None:
            left.remove(cut)
            agreed += 1
    return agreed


def _is_short(one: str, other: str) -> bool:
    """One is the initial of the other, or the other cut off."""
    short, long = sorted((one, other), key=len)
    return (len(short) == 1 or len(short) >= _SHORTEST_CUT) and long.startswith(short)


def mask_name(name: str) -> str:
    """`Asha Kulkarni` → `A*** K*******`."""
    return " ".join(word[0] + "*" * (len(word) - 1) for word in name.split())


def mask_account(account: str) -> str:
    """All but the last four."""
    return "X" * (len(account) - 4) + account[-4:]
