"""What reading predictors has to say of them: once, where it is so of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Remark(NamedTuple):
    """A sentence about a predictor, in words that fit several.

    Attributes
    ----------
    words
        ``{who}`` stands for the names; ``{was}``, ``{its}`` and the ``{s}`` of a verb are as their number asks.
    who
        Name of the predictor; empty where the words name it.
    """

    words: str
    who: str = ""


def say(remarks: Iterable[Remark]) -> list[str]:
    """Write each sentence once, with the names of all that it is about, in the order of the first.

    Examples
    --------
    >>> say([Remark("{who} {was} small.", "a"), Remark("{who} know{s} it.", "a"), Remark("{who} {was} small.", "b")])
    ['a and b were small.', 'a knows it.']
    """
    about: dict[str, list[str]] = {}
    for remark in remarks:
        about.setdefault(remark.words, []).append(remark.who)
    return [_fill(words, list(dict.fromkeys(names))) for words, names in about.items()]


def _fill(words: str, names: list[str]) -> str:
    one = len(names) == 1
    who = names[0] if one else f"{', '.join(names[:-1])} and {names[-1]}"
    forms = {"was": "was" if one else "were", "its": "its" if one else "their", "s": "s" if one else "", "who": who}
    for slot, text in forms.items():
        words = words.replace(f"{{{slot}}}", text)
    return words
