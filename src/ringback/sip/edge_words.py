"""What a Kamailio edge tells Ringback, a datagram each: whose contacts have changed, and who was refused."""

import re
from datetime import datetime
from typing import Final

from ringback.sip.ami_events import Refusal

MODULE: Final = "corex"
ACCOUNT: Final = r"[0-9A-Za-z+_.-]{1,40}@[a-z0-9.-]{1,200}"
WORD: Final = re.compile(
    rf"(?:contacts (?P<phone>{ACCOUNT})"
    rf"|refused (?P<account>{ACCOUNT}) (?P<transport>udp|tcp|tls|ws|wss) (?P<address>[0-9.]{{7,15}}:\d{{1,5}})"
    r" (?P<server>[0-9A-Za-z_.-]{1,64}))"
)
ROUTES: Final = """
# What Ringback is told: it then looks at what stands in the database, so nothing hangs on a word that is lost.
route[TELL_CONTACTS] {
CONTACTS}

route[TELL_REFUSED] {
REFUSED}
"""
TELLS: Final = """\
	send_data("sip:ADDRESS", "contacts $var(aor)");
"""
REFUSES: Final = """\
	if ($fU =~ "^[0-9A-Za-z+_.-]{1,40}$" && $var(realm) =~ "[.](PHONE_DOMAIN)$")
		send_data("sip:ADDRESS", "refused $fU@$var(realm) $proto $si:$sp EDGE_NAME");
"""


def routes(address: str) -> str:
    """Those that tell it to `host:port`, or nobody."""
    contacts, refused = (text.replace("ADDRESS", address) if address else "\treturn;\n" for text in (TELLS, REFUSES))
    return ROUTES.replace("CONTACTS}", f"{contacts}}}").replace("REFUSED}", f"{refused}}}")


def touched(datagram: bytes) -> str | None:
    """The name of the endpoint whose contacts have changed."""
    found = WORD.fullmatch(datagram.decode("latin-1"))
    return found["phone"] if found else None


def refused(datagram: bytes, now: datetime) -> tuple[str, Refusal] | None:
    """Which phone was refused for a wrong password, and how."""
    found = WORD.fullmatch(datagram.decode("latin-1"))
    if found is None or not found["account"]:
        return None
    return found["account"], Refusal(now, "wrong_password", found["address"], found["transport"], found["server"])
