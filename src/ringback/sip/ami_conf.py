"""Asterisk's manager.conf: the port where Ringback hears what happens, and who may come in there."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringback.kit.secret import Secret

MANAGER: Final = "manager.conf"
"""The file that has the secret, where there is one."""
USER: Final = "ringback"
LOOPBACK: Final = "127.0.0.1/32"
READ: Final = "system,security"
"""What Ringback is told: who registers, who is refused; nothing of calls, each of which is dozens of events."""
CLOSED: Final = "; No AMI.\n[general]\nenabled=no\n"


@dataclass(frozen=True, slots=True)
class ManagerPort:
    """A manager port at `host:port` for one user, let in from the networks of `permit` alone, who is told of `read`."""

    host: str
    port: int
    secret: Secret
    user: str = USER
    permit: tuple[str, ...] = (LOOPBACK,)
    read: str = READ


def manager_conf(manager: ManagerPort | None) -> str:
    """The file; without a manager the port is closed."""
    if manager is None:
        return CLOSED
    permitted = "\n".join(f"permit={network}" for network in manager.permit)
    return f"""\
; What Ringback hears of this Asterisk (its setting asterisk_ami): registrations and refusals.
[general]
enabled=yes
bindaddr={manager.host}
port={manager.port}
displayconnects=no

[{manager.user}]
secret={manager.secret.reveal()}
deny=0.0.0.0/0.0.0.0
{permitted}
; It reads these and changes nothing but what Asterisk remembers of phones (its caches).
read={manager.read}
write=system
; Every phone is challenged before it proves itself: that is no news.
eventfilter=!Event: ChallengeSent
; A caller's name may hold line ends: no event with an empty line in it, whose rest would be taken for another.
eventfilter=![[:cntrl:]]{{3}}[^[:cntrl:]]
"""


def secret_in(file: Path, user: str) -> Secret | None:
    """The secret of that user in a manager.conf of ours, if it is there and can be read."""
    try:
        text = file.read_text(errors="surrogateescape")
    except OSError:
        return None
    found = re.search(rf"^\[{re.escape(user)}\]\nsecret=(.+)$", text, re.MULTILINE)
    return Secret(found[1]) if found else None


def faults_of(manager: ManagerPort) -> list[str]:
    """What of the credentials the file cannot say, without saying it."""
    texts = {"its user": manager.user, "its password": manager.secret.reveal()}
    faults = [
        f"{name} must not hold ';', brackets or control characters, nor begin or end with a space"
        for name, text in texts.items()
        if re.search(r"[;\[\]\x00-\x1f\x7f]|^\s|\s$", text)
    ]
    return faults if manager.user != "general" else [*faults, "its user must not be called general"]
