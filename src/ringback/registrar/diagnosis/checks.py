"""What the evidence says of a phone's rows, password, customer and address: one function for each thing looked at."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from ringback.kit.checks import Check, ok, problem, unknown, warning
from ringback.kit.db import Row
from ringback.registrar.diagnosis import presence
from ringback.registrar.diagnosis.evidence import Evidence
from ringback.registrar.realms.model import Status
from ringback.sip import asterisk, edge
from ringback.sip.differences import Difference
from ringback.sip.tables import AORS, AUTHS, ENDPOINTS, MANAGED

SKEW: Final = timedelta(seconds=5)
"""How far two clocks may be apart."""
DAY: Final = 86400
REPAIR: Final = "repair the SIP tables with 'registrar-control reconcile' (a running Ringback does so by itself)"
AWAY: Final = "The database of Asterisk does not answer"
DOCTOR: Final = "see why with 'ringback doctor'"
CREDENTIALS: Final = frozenset({"username", "realm"})


def customer(given: Evidence) -> Check:
    """Nothing of a frozen or deleted customer's may be called."""
    whose = f"--customer_id {given.extension.customer_id}"
    if given.status is Status.FROZEN:
        seen = "The customer is frozen, so that nobody rings the direct address and nothing can be changed"
        return problem("customer", seen, f"recover the customer with 'registrar-control customer recover {whose}'")
    if given.status is Status.DELETED:
        seen = "The customer is deleted, and the extension is about to go"
        return problem("customer", seen, "make it for another customer")
    return ok("customer", "The customer is active")


def rows(given: Evidence) -> Check:
    """All three rows are there, and tie endpoint, AOR and auth together."""
    if given.theirs is None:
        return problem("rows", AWAY, DOCTOR)
    missing = [table for table in MANAGED if given.theirs.rows[table] is None]
    if missing:
        return problem("rows", f"Asterisk does not know the phone: it has no row in {', '.join(missing)}", REPAIR)
    wrong = [*_differing(given, ENDPOINTS), *_differing(given, AORS)]
    if wrong:
        return problem("rows", f"The rows that Asterisk reads were altered ({_told(wrong)})", REPAIR)
    return ok("rows", f"{', '.join(MANAGED)} have the rows of {given.extension.endpoint_id}")


def credentials(given: Evidence) -> Check:
    """Asterisk asks for the user and the realm that the digest was made of."""
    wrong = [one for one in _differing(given, AUTHS) if one.column in CREDENTIALS]
    name, realm = given.extension.username, given.extension.realm
    if wrong:
        seen = f"Asterisk asks for other credentials than the phone has ({_told(wrong)}), so that no password is right"
        return problem("credentials", seen, REPAIR)
    if _row(given, AUTHS) is None:
        return unknown("credentials", "There is no row to compare" if given.theirs else AWAY)
    return ok("credentials", f"Asterisk asks for the user name {name} in the realm {realm}")


def algorithm(given: Evidence) -> Check:
    """The digests that Asterisk reads are ours, in the columns that it is to find them in."""
    wrong = [one for one in _differing(given, AUTHS) if one.column not in CREDENTIALS]
    form = given.settings.asterisk_digest
    if wrong:
        columns = ", ".join(one.column for one in wrong)
        seen = f"The password that Asterisk reads is not the one that Ringback keeps ({columns})"
        return problem("algorithm", seen, REPAIR)
    if _row(given, AUTHS) is None:
        return unknown("algorithm", "There is no row to compare" if given.theirs else AWAY)
    if given.extension.kept.password is not None:
        return ok("algorithm", "Asterisk makes digests of the clear password itself")
    known = "MD5 alone" if form == "md5_cred" else "MD5 and SHA-256, which needs Asterisk 20.12, 21.7 or 22.2"
    return ok("algorithm", f"Asterisk takes {known}")


def secret(given: Evidence) -> Check:
    """A password is kept, in the way that is set."""
    kept, storage = given.extension.kept, given.settings.secret_storage
    anew = f"make a new one with '{_update(given)} --generate_password'"
    if kept.password is None and kept.ha1 is None:
        return problem("secret", "There is no password, so nothing can register", anew)
    if kept.password is not None and storage == "digest":
        seen = "The password is kept in clear, though secret_storage is digest"
        return problem("secret", seen, "turn it into digests with 'registrar-control secrets migrate'")
    if kept.password is None and storage == "plaintext":
        seen = "Only digests of the password are kept, though secret_storage is plaintext for an edge that needs it"
        return problem("secret", seen, anew)
    return ok("secret", "The password is kept in clear" if kept.password else "Digests of the password are kept")


def realm(given: Evidence) -> Check:
    """The phone lives in its customer's realm."""
    mine = given.extension.realm
    if given.realm is None or given.realm.name != mine:
        now = given.realm.name if given.realm else "none"
        seen = f"The phone lives in the realm {mine}, and that of its customer is {now}"
        whose = f"--customer_id {given.extension.customer_id}"
        return problem(
            "realm", seen, f"give it back with 'registrar-control domain set {whose} --label LABEL --reissue'"
        )
    return ok("realm", f"The realm is {mine}")


def codecs(given: Evidence) -> Check:
    """A call needs a codec."""
    if (row := _row(given, ENDPOINTS)) is None:
        return unknown("codecs", "There is no row to look at" if given.theirs else AWAY)
    if not str(row["allow"] or "").replace("!all", "").strip(", "):
        seen = "The endpoint allows no codec, so that every call gets 488"
        return problem("codecs", seen, "set the column allow of its endpoint row, e.g. ulaw,alaw,g722")
    return ok("codecs", f"Calls may use {row['allow']}")


def context(given: Evidence) -> Check:
    """Its calls begin in the part of the dialplan that is meant for phones."""
    if (row := _row(given, ENDPOINTS)) is None:
        return unknown("context", "There is no row to look at" if given.theirs else AWAY)
    mine, usual = (str(of.get("context") or "default") for of in (row, given.settings.endpoint_columns))
    if mine != usual:
        seen = f"Calls of the phone begin in the context {mine} of the dialplan, and those of a new one in {usual}"
        return warning("context", seen, f"unless that is meant, set the column context of its endpoint row to {usual}")
    return ok("context", f"Calls begin in the context {mine} of the dialplan")


def credential_of_edge(given: Evidence) -> Check:
    """What a Kamailio reads."""
    if given.in_edge is None:
        return problem("edge", f"A SIP edge does not know the phone: {edge.TABLE} has no row of it", REPAIR)
    if wrong := edge.differing(given.in_edge, given.extension.credential):
        return problem("edge", f"What a SIP edge reads was altered ({_told(wrong)})", REPAIR)
    return ok("edge", f"{edge.TABLE} has its row")


def direct(given: Evidence) -> Check:
    """The direct address, where there is one, rings this phone."""
    found = given.extension.direct
    if found is None:
        return ok("direct", "There is no direct address")
    if given.rung == given.extension.endpoint_id:
        return ok("direct", "The direct address rings the phone")
    if given.status is not Status.ACTIVE:
        return problem("direct", "The direct address is refused", "recover the customer")
    seen = f"The direct address rings {given.rung or 'nobody'} and not the phone"
    return problem("direct", seen, "look at the view ringback_addresses: 'ringback db upgrade' makes it")


def clock(given: Evidence) -> Check:
    """Ours, those of the databases, and that of the Asterisk that wrote the contacts."""
    theirs = given.theirs.clock if given.theirs else None
    for whose, time in (("our own database", given.clock), ("the database of Asterisk", theirs)):
        if time is not None and abs(time - given.now) > SKEW:
            return problem("clock", f"The clock of {whose} is {_apart(time, given.now)}", "set both clocks by NTP")
    row = _row(given, AORS)
    longest = int(row["maximum_expiration"] or 7200) if row else 7200
    latest = max((contact.expiration_time for contact in given.live), default=0)
    if latest > given.now.timestamp() + longest + SKEW.total_seconds():
        seen = f"A contact ends later than any may ({longest} s): the clock of the Asterisk that wrote it is ahead"
        return problem("clock", seen, "set the clocks of all servers by NTP")
    return ok("clock", "The clocks of the databases are right")


CHECKS: Final[tuple[Callable[[Evidence], Check], ...]] = (
    customer,
    presence.asterisks,
    rows,
    credentials,
    algorithm,
    secret,
    realm,
    presence.letter_case,
    presence.refusals,
    clock,
    presence.room,
    codecs,
    context,
    presence.servers,
    presence.flaps,
    direct,
    credential_of_edge,
    presence.contacts,
)
"""The most probable reason first."""


def _row(given: Evidence, table: str) -> Row | None:
    return given.theirs.rows[table] if given.theirs else None


def _differing(given: Evidence, table: str) -> tuple[Difference, ...]:
    if given.theirs is None or (row := given.theirs.rows[table]) is None:
        return ()
    return asterisk.differing(row, table, given.extension.endpoint, given.settings.asterisk_digest)


def _told(differences: Iterable[Difference]) -> str:
    return ", ".join(map(str, differences))


def _update(given: Evidence) -> str:
    return f"registrar-control extension update --id {given.extension.id}"


def _apart(time: datetime, now: datetime) -> str:
    seconds = round(abs((time - now).total_seconds()))
    return f"{f'{seconds} s' if seconds < DAY else 'more than a day'} {'ahead of' if time > now else 'behind'} ours"
