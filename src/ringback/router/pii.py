"""Finds what identifies people in a text: card numbers, US social security numbers, e-mail addresses, phone numbers.

The text is looked at as people read it: digits of every script, dashes and spaces of every kind. Every part of a
pattern that repeats is bounded, or gives nothing back, so that the time grows with the text and not faster. What was
found is told by its place alone. What only looks alike (IBANs, dates, addresses of machines, versions) is left alone.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from ringback.router.secrets import silenced

Pattern = Literal["credit_card", "ssn", "email", "phone"]
MASKS: Final[dict[Pattern, str]] = {
    "credit_card": "[CARD_MASKED]",
    "ssn": "[SSN_MASKED]",
    "email": "[EMAIL_MASKED]",
    "phone": "[PHONE_MASKED]",
}
PATTERNS: Final = tuple(MASKS)
LONGEST_TOLD: Final = 255
"""Characters of somebody else's sentence that are passed on (router S-4, S-5)."""
SHORTEST: Final = len("a@b.cc")
"""Characters that anything has at least which is found."""
MAYBE: Final = re.compile(r"@|\d(?:[ \t_./()-]{0,5}+\d){6}")
"""What every text has in which something is found: an at sign, or seven digits with signs between them."""


class Place(NamedTuple):
    """Where something stands in a text: `text[start:end]`."""

    start: int
    end: int
    pattern: Pattern


def counts(text: str, patterns: Sequence[Pattern] = PATTERNS) -> dict[Pattern, int]:
    """How often each pattern that is there at all was found."""
    return dict(Counter(place.pattern for place in places(text, patterns)))


def masked(text: str, patterns: Sequence[Pattern] = PATTERNS) -> str:
    """The text with a word in place of each that was found, as `[EMAIL_MASKED]`."""
    parts, done = list[str](), 0
    for place in places(text, patterns):
        parts += [text[done : place.start], MASKS[place.pattern]]
        done = place.end
    return "".join([*parts, text[done:]])


def told(text: str) -> str:
    """Somebody else's sentence as it may be passed on: no credentials, masked, cut to 255 characters (S-4, S-5)."""
    return masked(silenced(text[: 4 * LONGEST_TOLD]))[:LONGEST_TOLD]


def places(text: str, patterns: Sequence[Pattern] = PATTERNS) -> list[Place]:
    """What was found, from left to right; where two overlap, the one that begins first, or else is longer.

    What of the other one stands in no place then belongs to it, too: nothing that was found stays.
    """
    if len(text) < SHORTEST:
        return []
    read = _as_read(text)
    if not MAYBE.search(read):
        return []
    found = [Place(start, end, one) for one in PATTERNS if one in patterns for start, end in FINDERS[one](read)]
    found.sort(key=lambda place: (place.start, -place.end))
    kept, beyond = list[Place](), list[tuple[int, int]]()
    for place in found:
        if not kept or place.start >= kept[-1].end:
            kept.append(place)
        elif place.end > kept[-1].end:
            beyond.append((len(kept) - 1, place.end))
    for number, until in beyond:
        end = min(until, kept[number + 1].start) if number + 1 < len(kept) else until
        if any(sign.isalnum() for sign in text[kept[number].end : end]):
            kept[number] = kept[number]._replace(end=end)
    return kept


class _Alphabet(dict[int, str]):
    """Each character by the plain one that people read it as; of one character comes one, so that places stay."""

    def __missing__(self, code: int) -> str:
        self[code] = _plain(chr(code))
        return self[code]


def _plain(sign: str) -> str:
    common = unicodedata.normalize("NFKC", sign)
    if len(common) == 1 and common.isascii():
        return common
    kind = unicodedata.category(sign)
    if kind == "Nd":
        return str(unicodedata.decimal(sign))
    return "-" if kind == "Pd" or sign == "\u2212" else " " if kind in ("Zs", "Cf") else sign


def _as_read(text: str) -> str:
    return text if text.isascii() else text.translate(_Alphabet())


# ---- numbers of cards -------------------------------------------------------------------------------------------

RUN: Final = re.compile(r"\d(?:[ \t_.-]{0,3}+\d){12,}+")
"""Digits with signs between them, as many as a card has at least; a card may be a part of it."""
FOUR: Final = r"\d{4}[ \t_.-]{1,3}"
SHAPES: Final = tuple(
    re.compile(rf"(?<!\d)(?<!\d\.)(?=({shape})(?!\d))")
    for shape in (
        r"\d{13,19}",
        rf"{FOUR * 4}\d{{1,3}}",
        rf"{FOUR * 3}\d{{1,4}}",
        rf"{FOUR}\d{{6}}[ \t_.-]{{1,3}}\d{{4,5}}",
    )
)
WHOLE: Final = re.compile(r"(?<![A-Za-z\d])\d(?:[ \t.-]{0,3}+\d){12,18}(?![A-Za-z\d])")
WORD_BEFORE: Final = re.compile(r"(?:\A|[^A-Za-z\d])[A-Za-z]{0,20}\Z|[G-Zg-z][A-Za-z]{0,20}\Z")
WORD_AFTER: Final = re.compile(r"[A-Za-z]{0,20}(?![A-Za-z\d])|[A-Za-z]{0,20}[G-Zg-z]")
"""A word that a number of a card hangs on, as `Visa4111…`: none of them is a part of a hexadecimal number."""
LETTER: Final = re.compile(r"[A-Za-z]")
LONGEST_WORD: Final = 22
FEWEST_AT_WORD: Final = 15
"""Digits of such a number: times and articles often have thirteen."""
FRACTION: Final = re.compile(r"\d++\.\d++")
DOUBLED: Final = str.maketrans("0123456789", "0246813579")
NOT_DIGITS: Final = re.compile(r"\D++")


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for run in RUN.finditer(text):
        start, end = run.span()
        if (whole := WHOLE.match(text, start)) and whole.end() == end and _is_card(text, start, end):
            if text[start - 1 : start] not in ("+", ".") and not FRACTION.fullmatch(run[0]):  # the first is a phone
                yield start, end
            continue
        for shape in SHAPES:
            for one in shape.finditer(text, start, end):
                if one.end(1) <= end and _is_apart(text, *one.span(1)) and _is_card(text, *one.span(1)):
                    yield one.span(1)


def _is_apart(text: str, start: int, end: int) -> bool:
    """Whether it is a number by itself, or hangs on a word."""
    if not LETTER.search(text[max(0, start - 1) : start] + text[end : end + 1]):
        return True
    if sum(map(str.isdigit, text[start:end])) < FEWEST_AT_WORD:
        return False
    before = text[max(0, start - LONGEST_WORD) : start]
    return WORD_BEFORE.search(before) is not None and WORD_AFTER.match(text, end) is not None


def _is_card(text: str, start: int, end: int) -> bool:
    """By Luhn's sum, unless all are zeros, or it is a part of an IBAN."""
    digits = NOT_DIGITS.sub("", text[start:end])[::-1]
    total = sum(map(int, digits[::2])) + sum(map(int, digits[1::2].translate(DOUBLED)))
    return total % 10 == 0 and total > 0 and not _is_of_iban(text, start, end)


IBAN: Final = re.compile(r"(?<![A-Za-z\d])[A-Z]{2}\d{2}(?: ?[A-Z\d]){11,30}")
LONGEST_IBAN: Final = 42
"""With its spaces."""


def _is_of_iban(text: str, start: int, end: int) -> bool:
    """Whether it stands in the number of a bank account, which says by its remainder that it is one (ISO 13616)."""
    for found in IBAN.finditer(text, max(0, start - LONGEST_IBAN), end + LONGEST_IBAN):
        for last in range(end, found.end() + 1) if found.start() < start else ():
            if text[last : last + 1].isalnum():
                continue
            number = text[found.start() : last].replace(" ", "")
            if int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1:
                return True
    return False


# ---- social security numbers ------------------------------------------------------------------------------------

SSN: Final = re.compile(r"(?:(?<![A-Za-z\d])|(?<=[Ss][Ss][Nn]))(?<!\d-)\d{3}([ -])\d{2}\1\d{4}(?![A-Za-z\d])(?!-\d)")
BARE: Final = re.compile(r"(?<![A-Za-z\d])(?<!\d[.-])\d{7,15}(?![A-Za-z\d])(?![.-]\d)")
SAYS_SSN: Final = re.compile(r"\b(?:ssn|social security)\b[^\d\n]{0,16}\Z", re.IGNORECASE)
SAYS_PHONE: Final = re.compile(
    r"\b(?:call|dial|sms|tel|telephone|telefon|phone|mobile|cell|fax|whatsapp)\b[^\d\n]{0,12}\Z", re.IGNORECASE
)
BEFORE: Final = 40
"""Characters before a bare number in which a word may say what it is."""


def _ssns(text: str) -> Iterator[tuple[int, int]]:
    for one in SSN.finditer(text):
        if _is_ssn(one[0]):
            yield one.span()
    yield from (place for place in _said(text, SAYS_SSN) if _is_ssn(text[slice(*place)]))


def _said(text: str, word: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Bare numbers right after a word that says what they are."""
    for one in BARE.finditer(text):
        if word.search(text[max(0, one.start() - BEFORE) : one.start()]):
            yield one.span()


def _is_ssn(text: str) -> bool:
    """No area is 000, 666 or 9xx, no group 00, no serial 0000: nobody was ever given one of those."""
    digits = NOT_DIGITS.sub("", text)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return len(digits) == 9 and area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


# ---- e-mail addresses -------------------------------------------------------------------------------------------

LOCAL: Final = re.compile(r"[\w%+'.-]{1,64}")
HOST: Final = re.compile(r"(?:[\w-]{1,63}\.){1,8}(?:xn--[a-z0-9-]{1,59}|[^\W\d_]{2,63})", re.IGNORECASE)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    at = text.find("@")
    while at >= 0:
        host = HOST.match(text, at + 1)
        local = LOCAL.match(text[max(0, at - 64) : at][::-1]) if host else None
        if host and local and (name := local[0].rstrip("'.-+%")):
            yield at - len(name), host.end()
        at = text.find("@", at + 1)


# ---- phone numbers ----------------------------------------------------------------------------------------------

FREE: Final = r"(?<![A-Za-z\d+])(?<!\d[./:-])"
"""Before a number that is not a part of another one."""
NO_FOUR: Final = rf"{FREE}(?<!\b\d{{4}} )"
"""The same, and no group of a card's or an account's number."""
ENDS: Final = r"(?![A-Za-z\d])(?![./-]\d)"
INTERNATIONAL: Final = re.compile(r"(?<![A-Za-z\d+.])\+ ?[1-9](?:[ ./()-]{0,3}\d){6,14}(?![A-Za-z\d])")
DIALLED: Final = re.compile(
    rf"{NO_FOUR}00(?: ?[1-9]\d{{0,2}}(?:[ ./()-]{{1,3}}\d{{2,9}}){{1,5}}|[1-9]\d{{9,13}}){ENDS}"
)
AMERICAN: Final = re.compile(rf"{FREE}(?:1[ .-])?(?:\(\d{{3}}\) ?|\d{{3}}[ .-])\d{{3}}[ .-]\d{{4}}{ENDS}")
IN_PAIRS: Final = re.compile(rf"{FREE}0[1-9](?:[ .-]\d\d){{4}}{ENDS}")
NATIONAL: Final = re.compile(
    rf"{NO_FOUR}(?:\(0[1-9]\d{{0,4}}\)|0[1-9]\d{{0,4}})[ /-]{{1,3}}(?!(?:19|20)\d\d(?!\d))"
    rf"\d{{3,8}}(?:[ -]\d{{2,5}}){{0,2}}{ENDS}"
)
MOBILE: Final = re.compile(rf"{NO_FOUR}0(?:[67]\d{{8}}|7\d{{9}}|1[567]\d{{8,9}}){ENDS}")
"""What is dialled in France, the United Kingdom and Germany, where nobody writes signs between the digits."""
FEWEST, MOST, MOST_NATIONAL = 7, 15, 12
"""Digits of a number: by E.164, and from its zero on."""


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for pattern, fewest, most in (
        (INTERNATIONAL, FEWEST, MOST),
        (DIALLED, FEWEST + 3, MOST + 2),
        (AMERICAN, 10, 11),
        (IN_PAIRS, 10, 10),
        (MOBILE, 10, MOST_NATIONAL),
        (NATIONAL, 9, MOST_NATIONAL),
    ):
        end = 0
        while one := pattern.search(text, end):
            start, end = one.span()
            while len(NOT_DIGITS.sub("", text[start:end])) > most:  # what follows is another number
                end = start + len(text[start:end].rstrip("0123456789").rstrip(" ./()-"))
            if len(NOT_DIGITS.sub("", text[start:end])) >= fewest and not _is_of_iban(text, start, end):
                yield start, end
    yield from _said(text, SAYS_PHONE)


FINDERS: Final[dict[Pattern, Callable[[str], Iterator[tuple[int, int]]]]] = {
    "credit_card": _cards,
    "ssn": _ssns,
    "email": _emails,
    "phone": _phones,
}
