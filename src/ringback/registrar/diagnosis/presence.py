"""What the evidence says of where a phone is, and of what the servers refused it."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from ringback.kit.checks import Check, ok, problem, unknown, warning
from ringback.registrar.contacts.model import Contact, plain
from ringback.registrar.diagnosis.evidence import Evidence
from ringback.sip.ami_events import Refusal
from ringback.sip.tables import AORS

RECENT: Final = timedelta(hours=1)
"""How long a refusal is worth a word."""
MANY: Final = 5
"""How often a phone comes back within an hour before it is worth a word."""
ENDED: Final = {"expired": "expired", "unregistered": "was unregistered"}
WHY: Final = {
    "wrong_password": "its password is wrong",
    "unknown_account": "Asterisk does not know it",
    "address_not_allowed": "its address is not allowed",
    "transport_not_allowed": "it came over a transport that is not allowed",
}


def asterisks(given: Evidence) -> Check:
    """Whether those are there that are to tell us what happens."""
    away, all = sum(not is_there for is_there in given.heard.values()), len(given.heard)
    if not given.heard:
        return unknown("asterisk", "No Asterisk tells this process what happens")
    if away:
        seen = f"{'Asterisk' if all == 1 else f'{away} of {all} Asterisks'} cannot be heard, and may be down"
        tell = problem if away == all else warning
        return tell("asterisk", seen, "see why with 'ringback doctor'")
    return ok("asterisk", f"All Asterisks that are to be heard are: {all}")


def flaps(given: Evidence) -> Check:
    """A phone that comes and goes has a bad way to us, or shares its account."""
    if given.flaps >= MANY:
        seen = f"The phone came back {given.flaps} times within an hour"
        return warning("flaps", seen, "look at its network, and whether two phones use one account")
    return ok("flaps", f"The phone came back {given.flaps} times within an hour")


def letter_case(given: Evidence) -> Check:
    """Servers tell letters apart: `Alice` is not `alice`."""
    name = given.extension.endpoint_id
    spelt = {other: _recent(given, found) for other, found in given.alike.items()}
    if wrong := next((other for other, found in spelt.items() if found), None):
        seen = f"A phone calls itself {wrong} and is refused, since it is {name}"
        return problem("letter_case", seen, "write the user name on the phone in exactly these letters")
    return ok("letter_case", f"Nobody is known to spell {name} in other letter case")


def refusals(given: Evidence) -> Check:
    """What Asterisk refused, but for a phone that has come in since from the same place."""
    inside = {_host(text) for contact in given.live for text in (contact.via_addr, _host_of(contact))}
    found = [one for one in _recent(given, given.refusals) if _host(one.address) not in inside]
    if not found:
        seen = "No refusal of the last hour is known"
        if not any(given.heard.values()):
            seen = "Whom Asterisk refuses is not known here: a running Ringback hears of it with asterisk_ami"
            return unknown("refusals", seen)
        return ok("refusals", seen)
    reason, times = Counter(one.reason for one in found).most_common(1)[0]
    those = [one for one in found if one.reason == reason]
    since, places = min(one.at for one in those), sorted({_host(one.address) for one in those if one.address})
    where = f" from {', '.join(places[:3])}" if places else ""
    count = "once" if times == 1 else f"{times} times"
    why = WHY.get(reason, reason.replace("_", " "))
    seen = f"The phone was refused {count} since {_time(since)}{where} because {why}"
    return problem("refusals", seen, _remedy(given, reason))


def room(given: Evidence) -> Check:
    """A phone more may register."""
    row = given.theirs.rows[AORS] if given.theirs else None
    if row is None:
        return unknown("room", "How many may register is not known")
    live, most = len(given.live), int(row["max_contacts"] or 0)
    if live >= most and row["remove_existing"] != "yes":
        seen = f"{live} of {most} contacts are taken, and a new one does not replace the oldest"
        return problem(
            "room", seen, "let one phone go with DELETE …/contacts, or repair with 'registrar-control reconcile'"
        )
    return ok("room", f"{live} of {most} contacts are taken; one more replaces the oldest")


def servers(given: Evidence) -> Check:
    """At which servers the phone is registered: a call that reaches another one may not get through to it."""
    names = sorted({contact.reg_server for contact in given.live if contact.reg_server})
    if len({contact.reg_server for contact in given.live if contact.reg_server and not contact.is_at_edge}) > 1:
        seen = f"The phone is registered at {' and '.join(names)}"
        return warning("servers", seen, "point the phone at one of them, unless they share one address")
    return ok(
        "servers", f"The phone is registered at {' and '.join(names)}" if names else "It is registered at no server"
    )


def contacts(given: Evidence) -> Check:
    """Where the phone is, or when it was there last."""
    name = given.extension.endpoint_id
    if given.theirs is None:
        return unknown("contacts", f"Where {name} is registered is not known")
    if live := given.live:
        return ok("contacts", f"{name} is registered {'; '.join(map(_place, live[:3]))}")
    last = given.last
    if last and last.event != "registered":
        agent = f" ({last.user_agent})" if last.user_agent else ""
        where = (
            f"its contact from {last.via_addr}{agent} {ENDED.get(last.event, last.event)} at {_time(last.tm_create)}"
        )
        return problem("contacts", f"{name} is not registered: {where}, and the phone has not come back", _reach(given))
    gone = max(given.theirs.contacts, key=lambda contact: contact.expiration_time, default=None)
    seen = f"{name} has not registered, as far as Ringback can see"
    if gone:
        seen = f"{name} is not registered: its contact {_place(gone, 'ended')}, and the phone has not come back"
    return problem("contacts", seen, _reach(given))


def _reach(given: Evidence) -> str:
    user, realm = given.extension.username, given.extension.realm
    return (
        f"look whether it is on, reaches the server, and has the user name {user}, the domain {realm} and its password"
    )


def _place(contact: Contact, word: str = "until") -> str:
    agent = plain(contact.user_agent)
    make = f" ({agent})" if agent else ""
    return f"from {_host_of(contact)}{make} {word} {_time(contact.expire_time)}"


def _recent(given: Evidence, found: Iterable[Refusal]) -> list[Refusal]:
    return [one for one in found if one.at > given.now - RECENT]


def _remedy(given: Evidence, reason: str) -> str:
    if reason == "wrong_password":
        command = f"registrar-control extension update --id {given.extension.id} --generate_password"
        return f"set the password again on the phone, or make a new one with '{command}'"
    if reason == "unknown_account":
        return "repair the SIP tables with 'registrar-control reconcile', or empty that Asterisk's caches"
    return "look at what the endpoint's row allows (acl, permit, deny, transport), and into the log of Asterisk"


def _host(address: str) -> str:
    """Without the port."""
    host, colon, port = address.rpartition(":")
    return (host if colon and port.isdigit() else address).strip("[]")


def _host_of(contact: Contact) -> str:
    """Where its URI leads."""
    return contact.plain_uri.partition(":")[2].rpartition("@")[2].partition(";")[0].strip("<>")


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
