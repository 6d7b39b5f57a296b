"""What two near copies may not differ in: numbers, negations, names and opposite words.

A vector hardly moves for one number or one "not", so nearness alone cannot tell a repeated
statement from its contradiction. Told by form alone, in time linear in a text's length.
"""

import functools
import re
from dataclasses import dataclass
from decimal import Decimal

# What stands in front of a statement and does not belong to it: list marks, numbering, a label.
_FRONT = re.compile(
    r"^(?:[^\w`\"'(\[]{1,9}|\[[ xX]\]\s|\(?\d{1,3}[.):]\s|\(?[a-zA-Z]\)\s)*"
    r"(?:(?:[A-Z]\d{1,3}|[A-Z][a-z/]{1,30}(?: [\w/&]{1,20}){0,3}):\s)?"
)
# "(WORK-071)", "(S339, S340)": where it was said, not what.
_CITED = re.compile(
    r"\s\((?:see )?(?:S\d{1,4}|[A-Z][A-Z0-9]{0,7}-[\w-]{1,14})(?:, ?[\w-]{1,20}){0,4}\)"
)
_COUNTED = "zero one two three four five six seven eight nine ten eleven twelve"
_SPELLED = {word: str(number) for number, word in enumerate(_COUNTED.split())} | {
    "once": "1", "twice": "2", "hundred": "100", "thousand": "1000", "million": "1000000"
}  # fmt: skip
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905 - a row of words
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY_FIRST = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s{_MONTH}\.?,?\s(\d{{4}})\b", re.IGNORECASE
)
_MONTH_FIRST = re.compile(
    rf"\b{_MONTH}\.?\s(\d{{1,2}})(?:st|nd|rd|th)?,?\s(\d{{4}})\b", re.IGNORECASE
)
_UNITS: dict[str, tuple[str, str]] = {  # unit: what it measures, and how many of its base
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), ("s", "0.001")),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("s", "1")),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), ("s", "60")),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), ("s", "3600")),
    **dict.fromkeys(("day", "days"), ("s", "86400")),
    **dict.fromkeys(("week", "weeks"), ("s", "604800")),
    **dict.fromkeys(("%", "percent"), ("%", "1")),
    **dict.fromkeys(("kb", "kilobyte", "kilobytes"), ("b", "1000")),
    **dict.fromkeys(("mb", "megabyte", "megabytes"), ("b", "1000000")),
    **dict.fromkeys(("gb", "gigabyte", "gigabytes"), ("b", "1000000000")),
}
_QUANTITY = re.compile(
    r"(?<![\w.,/\\-])([$€]?)(\d{1,15}(?:,\d{3})*(?:\.\d{1,9})?)(k\b)?"
    r"(?:[ -]?(%|[a-z]{1,12}\b))?(?![\w/\\]|\.\d|-\d)",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\bno longer\b|\b(?:not|cannot|never|no|none|nor|neither|nothing|nobody|without)\b"
    r"|n['\u2019]t\b",
    re.IGNORECASE,
)
_CODE = re.compile(r"`([^`]*)`")
_TOKEN = re.compile(r"[^\W_]+(?:[_./\\:-]+[^\W_]+)*")
_PART = re.compile(r"[^\W_]+")
_NAME = re.compile(r"[a-z][A-Z]|[A-Z]{2}|[_\\/]|\w\.\w")
_START = re.compile(r"(?:^|[.!?:;]\s+|\()[\"'(\[]*$")
# Words that stand in capitals at times and name nothing.
_PLAIN = frozenset(
    "a an and any all are as at be but by can do does for from has have if in is it its may must"  # noqa: SIM905 - a row of words
    " no none not never nothing nobody neither nor without of on only or shall should so that the"
    " then there these they this those to was we were what when where which while who will with"
    " you i".split()
)


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word  # noqa: PLR2004 - "is", "was"


_OPPOSITES = tuple(
    tuple(frozenset(map(_stem, side.split())) for side in pair.split("|"))
    for pair in (
        "before|after",
        "above over|below under",
        "more|less fewer",
        "minimum least|maximum most",
        "always|never",
        "enabled enable on|disabled disable off",
        "pass passed|fail failed",
        "all every|some",
        "first|last",
        "may might can|must",
        "required mandatory|optional",
        "allowed|forbidden prohibited",
        "true|false",
        "added add|removed remove",
        "increase increased raised|decrease decreased lowered",
        "open opened|closed",
        "inside|outside",
        "faster|slower",
        "read|write",
        "accepted approved|rejected",
        "start|end",
        "synchronous|asynchronous",
        "valid|invalid",
        "success succeeded|failure",
        "old|new",
    )
)


@dataclass(frozen=True, slots=True)
class StatedFacts:
    """What a text says beyond its gist. `numbers` and `ids` keep the order of the text."""

    numbers: tuple[str, ...]
    counted: frozenset[tuple[str, str]]
    negations: tuple[str, ...]
    ids: tuple[str, ...]
    names: frozenset[str]
    words: frozenset[str]


@functools.lru_cache(maxsize=8192)
def facts(text: str) -> StatedFacts:
    """Return the facts of a statement, without its label, numbering and bracketed sources."""
    text = " ".join(text.split())
    text = _FRONT.sub("", text, count=1) or text
    text = _CITED.sub("", text)
    names = {part.lower() for code in _CODE.findall(text) for part in _PART.findall(code)}
    text = text.replace("`", "")
    text = _DAY_FIRST.sub(lambda m: _date(m[3], m[2], m[1]), text)
    text = _MONTH_FIRST.sub(lambda m: _date(m[3], m[1], m[2]), text)
    denied = (m[0].lower() for m in _NEGATION.finditer(text))
    negations = tuple(sorted("no longer" if one == "no longer" else "not" for one in denied))
    text = _PART.sub(lambda m: _SPELLED.get(m[0].lower(), m[0]), text)
    numbers, counted, counting = _numbers(text)
    ids: dict[str, None] = {}
    words: set[str] = set()
    for found in _TOKEN.finditer(text):
        token = found[0]
        parts = [part.lower() for part in _PART.findall(token)]
        words.update(map(_stem, parts))
        if found.start() in counting:
            continue
        before = text[max(0, found.start() - 9) : found.start()]
        if any(one.isdecimal() for one in token):
            ids[token.lower()] = None
        elif _NAME.search(token) or (token[0].isupper() and not _START.search(before)):
            names.update(parts)
    named = frozenset(_stem(name) for name in names - _PLAIN if not name.isdecimal())
    return StatedFacts(numbers, counted, negations, tuple(ids), named, frozenset(words))


def _date(year: str, month: str, day: str) -> str:
    return f"{year}-{_MONTHS.index(month[:3].lower()) + 1:02}-{int(day):02}"


def _numbers(text: str) -> tuple[tuple[str, ...], frozenset[tuple[str, str]], set[int]]:
    """Return the quantities in order, each with the word behind it, and where their digits are."""
    numbers, counted = [], set()
    digits: set[int] = set()
    for found in _QUANTITY.finditer(text):
        value = Decimal(found[2].replace(",", "")) * (1000 if found[3] else 1)
        measure, factor = _UNITS.get((found[4] or "").lower(), ("", "1"))
        amount = f"{(value * Decimal(factor)).normalize():f}{found[1]}{measure}"
        numbers.append(amount)
        counted.add((amount, "" if measure else _stem((found[4] or "").lower())))
        digits.update(range(found.start(2), found.end(2)))
    return tuple(numbers), frozenset(counted), digits


def repeats(one: str, other: str) -> bool:
    """Tell whether two near copies state the same facts, so that one stands for both."""
    a, b = facts(one), facts(other)
    return (
        (a.numbers == b.numbers or a.counted == b.counted)
        and a.negations == b.negations
        and a.ids == b.ids
        and a.names <= b.words
        and b.names <= a.words
        and not _opposed(a, b)
    )


def conflict(one: str, other: str) -> bool:
    """Tell whether two near copies deny each other: more than one only adding to the other."""
    a, b = facts(one), facts(other)
    mine, yours = set(a.numbers) - set(b.numbers), set(b.numbers) - set(a.numbers)
    swapped = sorted(a.numbers) == sorted(b.numbers) and not (
        a.numbers == b.numbers or a.counted == b.counted
    )
    return (
        bool(mine and yours)
        or swapped
        or a.negations != b.negations
        or (sorted(a.ids) == sorted(b.ids) and a.ids != b.ids)
        or bool(set(a.ids) - set(b.ids) and set(b.ids) - set(a.ids))
        or bool(a.names - b.words and b.names - a.words)
        or _opposed(a, b)
    )


def _opposed(a: StatedFacts, b: StatedFacts) -> bool:
    """Tell whether one text says a word whose opposite the other says in its place."""
    mine, yours = a.words - b.words, b.words - a.words
    return any(
        (mine & left and yours & right) or (mine & right and yours & left)
        for left, right in _OPPOSITES
    )
