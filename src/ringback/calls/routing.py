"""Who rings when a call comes in: what is asked, and the answer by what is known of caller and called. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ringback.registrar.directs.model import hash_in
from ringback.sip.names import NUMBER_LIMIT, is_domain

DIRECT: Final = "direct."
NUMBER: Final = re.compile(rf"[0-9A-Za-z+_.-]{{1,{NUMBER_LIMIT}}}", re.ASCII)
TELEPHONE: Final = re.compile(r"[+]?[0-9]{2,32}", re.ASCII)
ACTIVE: Final = "active"


class Kind(StrEnum):
    """Who a caller has proved to be: a phone, a trunk, or nobody."""

    PHONE = "phone"
    TRUNK = "trunk"
    STRANGER = "stranger"


class Refusal(StrEnum):
    """Why nobody rings; the dialplan makes a SIP status of it: 404, 403 and 503."""

    UNKNOWN = "unknown"
    FROZEN = "frozen"
    LIMITED = "limited"


@dataclass(frozen=True, slots=True)
class Caller:
    """`name` is the endpoint of a phone (`1001@acme.registrar.example.com`), the realm of a trunk, else empty.

    `source` is the SIP address it sends from, as the budget of misses knows it (registrar 8.3)."""

    kind: Kind
    name: str
    source: str

    @property
    def realm(self) -> str:
        """Under which domain a phone's own numbers are."""
        return self.name.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Called:
    """A number of the caller's customer, or the hash of a direct address: one of them, the other is empty."""

    number: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Screen:
    """The policy that a call to a direct address goes through before it rings (router P-6).

    It waits `deadline_ms` at most; without an answer by then it goes on (`open`) or is refused (`closed`).
    """

    fails: str
    deadline_ms: int
    policy: str
    customer: str
    extension: str


@dataclass(frozen=True, slots=True)
class Found:
    """Who is called (`endpoint`, or the realm of a trunk), and whether the customers of both may be in calls."""

    endpoint: str
    statuses: tuple[str, ...]
    screen: Screen | None = None


@dataclass(frozen=True, slots=True)
class Ring:
    """All contacts of that endpoint ring; with none registered the call is refused with 480 (Q.850 20)."""

    endpoint: str
    screen: Screen | None = None


@dataclass(frozen=True, slots=True)
class Out:
    """The call goes out by the trunk of that realm."""

    trunk: str


def called_of(text: str, kind: Kind) -> Called | None:
    """What the user part of the request's URI asks for; `None` for what `kind` of caller can never ring."""
    if text[: len(DIRECT)].lower() == DIRECT:
        hash = hash_in(text)
        return Called(hash=hash) if hash else None
    if kind is Kind.STRANGER or not NUMBER.fullmatch(text):
        return None
    return Called(number=text)


def caller_of(kind: str, name: str, source: str) -> Caller | None:
    """Who calls, as a SIP server has told it; `None` for what it cannot have meant."""
    if kind not in set(Kind) or len(source) > 64:
        return None
    found = Caller(Kind(kind), name, source)
    number, at, realm = name.rpartition("@")
    fits = {
        Kind.PHONE: bool(at) and NUMBER.fullmatch(number) and is_domain(realm),
        Kind.TRUNK: is_domain(name),
        Kind.STRANGER: not name,
    }
    return found if fits[found.kind] else None


def decide(called: Called, found: Found | None) -> Ring | Refusal:
    """Ring, or why not: who is not there, by letter case too, is unknown, whatever becomes of the rest."""
    if found is None or (called.number and found.endpoint.rpartition("@")[0] != called.number):
        return Refusal.UNKNOWN
    return Ring(found.endpoint, found.screen) if set(found.statuses) == {ACTIVE} else Refusal.FROZEN


def may_go_out(caller: Caller, called: Called) -> bool:
    """Whether what is no extension may be a telephone number; of phones alone, so no call goes from trunk to trunk."""
    return caller.kind is Kind.PHONE and TELEPHONE.fullmatch(called.number) is not None


def decide_out(found: Found | None) -> Out | Refusal:
    """Out by the trunk that was found, or why not."""
    if found is None:
        return Refusal.UNKNOWN
    return Out(found.endpoint) if set(found.statuses) == {ACTIVE} else Refusal.FROZEN
