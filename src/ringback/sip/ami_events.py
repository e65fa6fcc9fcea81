"""What events of an Asterisk mean: whose contacts may have changed, and who was refused, why and from where."""

import re
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from ringback.sip.ami import Message

REASONS: Final = {
    "ChallengeResponseFailed": "wrong_password",
    "InvalidPassword": "wrong_password",
    "InvalidAccountID": "unknown_account",
    "FailedACL": "address_not_allowed",
    "UnexpectedAddress": "address_not_allowed",
    "InvalidTransport": "transport_not_allowed",
    "RequestNotAllowed": "request_not_allowed",
    "RequestNotSupported": "request_not_supported",
    "RequestBadFormat": "request_not_understood",
    "AuthMethodNotAllowed": "method_not_allowed",
    "SessionLimit": "too_many_sessions",
    "LoadAverageLimit": "server_overloaded",
    "MemoryLimit": "server_overloaded",
}
"""Security events of Asterisk that refuse somebody, and what we call that."""
A_PHONE: Final = 20
PHONES: Final = 10_000
TEXT: Final = 255
"""Characters of an account that are kept: strangers write it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A phone that was refused: by the Asterisk of that system name, why (a value of `REASONS`), from which address.

    `address` is `host:port`, `transport` `udp`, `tcp`, `tls`, `ws` or `wss`; either is empty where it was not told.
    """

    at: datetime
    reason: str
    address: str
    transport: str
    server: str


def touched(message: Message) -> str | None:
    """The name of the endpoint whose contacts may be others in a moment, or are already.

    A proven request comes before the row of its contact; `ContactStatus` after it, but only for phones that Asterisk
    knew when it started.
    """
    if message["Event"] == "SuccessfulAuth" and message.get("Service") == "PJSIP":
        return message.get("AccountID")
    if message["Event"] == "ContactStatus":
        return message.get("EndpointName") or message.get("AOR")
    return None


def refused(message: Message, now: datetime) -> tuple[str, Refusal] | None:
    """Which account of SIP was refused and how; the time is the event's, or `now` where it has none."""
    reason = REASONS.get(message["Event"])
    account = message.get("AccountID", "")[:TEXT]
    if reason is None or message.get("Service") != "PJSIP" or account in ("", "<unknown>"):
        return None
    transport, address = _remote(message.get("RemoteAddress", ""))
    server = message.get("SystemName", "")[:TEXT]
    return account, Refusal(time_of(message.get("EventTV", "")) or now, reason, address, transport, server)


def _remote(text: str) -> tuple[str, str]:
    """`IPV4/UDP/127.0.0.1/5060` → (`udp`, `127.0.0.1:5060`)."""
    found = re.fullmatch(r"IPV([46])/(\w{1,8})/([0-9A-Fa-f:.]{1,45})/(\d{1,5})", text)
    if found is None:
        return "", ""
    host = f"[{found[3]}]" if found[1] == "6" else found[3]
    return found[2].lower(), f"{host}:{found[4]}"


def time_of(text: str) -> datetime | None:
    """What an event calls `EventTV`."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").astimezone(UTC)
    except ValueError:
        return None


class Refusals:
    """The last refusals of each phone: 20 each, of the 10,000 that were refused last; all of it may be lost.

    Names that no phone of ours can have are kept apart, so that whoever guesses names drives out no phone's.
    """

    def __init__(self, is_ours: Callable[[str], bool], *, phones: int = PHONES) -> None:
        """`is_ours` says whether an endpoint of ours may be called so."""
        self._is_ours = is_ours
        self._phones = phones
        self._ours: OrderedDict[str, deque[Refusal]] = OrderedDict()
        self._strangers: OrderedDict[str, deque[Refusal]] = OrderedDict()
        self._fresh: dict[str, None] = {}

    def note(self, account: str, refusal: Refusal) -> None:
        kept = self._ours if self._is_ours(account) else self._strangers
        kept.setdefault(account, deque(maxlen=A_PHONE)).append(refusal)
        kept.move_to_end(account)
        if kept is self._ours:
            self.freshen([account])
        if len(kept) > self._phones:
            kept.popitem(last=False)

    def fresh(self, limit: int) -> list[str]:
        """Names of ours that were refused since they were given out here last: the first of them, and no more."""
        found = list(islice(self._fresh, limit))
        for name in found:
            del self._fresh[name]
        return found

    def freshen(self, names: Iterable[str]) -> None:
        """Give them out again."""
        self._fresh.update(dict.fromkeys(names) if len(self._fresh) < self._phones else {})

    def alike(self, endpoint_id: str) -> dict[str, tuple[Refusal, ...]]:
        """Of those who call themselves so in other letter case, by what they call themselves."""
        wanted = endpoint_id.lower()
        names = [name for name in (*self._ours, *self._strangers) if name != endpoint_id and name.lower() == wanted]
        return {name: self.of(name) for name in names}

    def of(self, endpoint_id: str) -> tuple[Refusal, ...]:
        """Of one account, oldest first: an endpoint's name, or what a stranger called himself."""
        kept = self._ours if self._is_ours(endpoint_id) else self._strangers
        return tuple(kept.get(endpoint_id, ()))
