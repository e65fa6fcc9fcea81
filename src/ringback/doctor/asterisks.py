"""Asterisks that run, asked over their manager ports: what they have, and whether they read our tables."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from ringback.doctor import databases
from ringback.doctor.asterisk_folder import options_of
from ringback.doctor.given import Given
from ringback.kit.checks import Check, ok, problem, warning
from ringback.kit.errors import CannotStart, DatabaseUnavailable
from ringback.kit.networks import is_network
from ringback.registrar.extensions import service as extensions
from ringback.registrar.work import Uow
from ringback.sip import ami_link
from ringback.sip.ami import Address, Message, addresses_in
from ringback.sip.ami_conf import MANAGER
from ringback.sip.ami_events import time_of
from ringback.sip.asterisk import differing
from ringback.sip.config import DRIVERS, MODULES
from ringback.sip.tables import AORS, AUTHS, ENDPOINTS

NAME: Final = "asterisk_ami"
READS: Final = frozenset({"res_odbc.so", "res_config_odbc.so", "res_sorcery_realtime.so", "res_pjsip.so"})
NEEDED: Final = {
    **dict.fromkeys(sorted(READS), "so it reads no phone"),
    "res_pjsip.so": "so it speaks no SIP",
    "res_pjsip_endpoint_identifier_user.so": "so it knows no phone by its name",
    "res_pjsip_authenticator_digest.so": "so no password lets anybody in",
    "res_pjsip_registrar.so": "so no phone can register",
    "chan_pjsip.so": "so nobody can call",
    "pbx_config.so": "so there is no dialplan, and nobody rings",
    "app_dial.so": "so nobody rings",
    "func_odbc.so": "so no call finds out who rings",
    "cel_odbc.so": "so no call gets a record",
}
"""What comes of it where one of these is not there."""
OF_A_PHONE: Final = {AUTHS: "AuthDetail", AORS: "AorDetail"}
ANYWHERE: Final = ("0.0.0.0", "::")
PATIENCE: Final = 2.0
"""Seconds for events to come."""
SKEW: Final = timedelta(seconds=5)
LOG: Final = "the log of Asterisk says why; 'ringback doctor --asterisk_config DIR' looks at its files"


async def managers(given: Given) -> list[Check]:
    """The manager port of each Asterisk: there, lets us in, and what it says of itself."""
    assert given.settings
    found = addresses_in(given.settings.asterisk_ami.get_secret_value())
    if not found:
        return [ok(NAME, "No Asterisk tells us of phones: we look every contact_poll_interval")]
    phone, mine = await _a_phone(given), _of_folder(given, found)
    others = replace(given, asterisk=None)
    looked = [await _manager(given if address == mine else others, address, phone) for address in found]
    return [check for checks in looked for check in checks]


def _of_folder(given: Given, found: Sequence[Address]) -> Address | None:
    """Whose folder is given: it listens where its files say, which a name or an address of everywhere may hide."""
    assert given.settings
    options = options_of(given.asterisk, given.settings)[0] if given.asterisk else None
    if options is None or options.manager is None:
        return found[0] if len(found) == 1 else None
    port = options.manager
    there = [one for one in found if one.port == port.port]
    exact = [one for one in there if one.host in (port.host, options.bind)]
    maybe = [one for one in there if port.host in ANYWHERE or not is_network(one.host)]
    chosen = exact or maybe
    return chosen[0] if len(chosen) == 1 else None


async def _a_phone(given: Given) -> str:
    """The name of an endpoint whose rows are what they should be; empty if there is none or nobody can say."""

    async def read(uow: Uow) -> str:
        for extension in await extensions.live_behind(uow, UUID(int=0), 10):
            rows, form = await uow.sip.rows(extension.endpoint_id), uow.settings.asterisk_digest
            if all(row and not differing(row, table, extension.endpoint, form) for table, row in rows.items()):
                return extension.endpoint_id
        return ""

    with suppress(CannotStart, DatabaseUnavailable):
        async with databases.opened(given) as ringback:
            return await ringback.work.read(read)
    return ""


async def _manager(given: Given, address: Address, phone: str) -> list[Check]:
    events: asyncio.Queue[Message] = asyncio.Queue()
    who = f"The Asterisk at {address}"
    try:
        async with ami_link.visiting(address, events.put_nowait) as link:
            try:
                found = [check async for check in _looks(given, link, phone, events)]
            except ami_link.Refused as error:
                do = f"give its user 'write=system' in {MANAGER}, and say 'manager reload' to that Asterisk"
                return [problem(NAME, f"{who} lets us in, and lets us ask nothing ({error})", do)]
            return [check for check in found if check.state != "ok"] or found
    except ami_link.Refused as error:
        seen = f"{who} does not let us in ({error})"
        return [problem(NAME, seen, f"make user and password of asterisk_ami those of its {MANAGER}")]
    except ami_link.Away as error:
        seen = f"{who} cannot be heard ({error})"
        return [problem(NAME, seen, f"start it, open its manager port ({MANAGER}), or correct asterisk_ami")]


async def _looks(
    given: Given, link: ami_link.Link, phone: str, events: "asyncio.Queue[Message]"
) -> AsyncIterator[Check]:
    """What it can do; in order comes first what it is."""
    who = f"The Asterisk at {link.address}"
    about, status = await link.ask("CoreSettings"), await link.ask("CoreStatus")
    version = about.get("AsteriskVersion", "of an unknown version")
    yield ok(
        NAME, f"Asterisk {version} at {link.address} lets us in; {status.get('CoreCurrentCalls', '?')} calls are up"
    )
    assert given.settings
    if given.settings.asterisk_digest == "password_digest" and not knows_sha256(version):
        seen = f"The Asterisk {version} at {link.address} does not read password_digest: it lets no phone in"
        yield problem(NAME, seen, "set asterisk_digest=md5_cred, or take Asterisk 20.12, 21.7, 22.2 or later")
    missing = await _missing(link)
    for name in (name for name in missing if name in NEEDED):
        yield problem(NAME, f"{who} has not loaded {name}, {NEEDED[name]}", LOG)
    if others := [name for name in missing if name not in NEEDED]:
        yield warning(NAME, f"{who} has not loaded {', '.join(others)}", LOG)
    if phone and READS.isdisjoint(missing) and (seen := await _unread(link, phone, events)):
        yield problem(NAME, f"{who} {seen}: it reads another database than Ringback writes, or none", LOG)
    for check in await _told(given, who, link.address, events):
        yield check
    if given.asterisk and (seen := _older(given, status)):
        yield warning(NAME, f"{who} has not read {seen} of {given.asterisk}, which is younger", "restart it")


async def _missing(link: ami_link.Link) -> list[str]:
    """Modules that it has not loaded."""
    missing = []
    for name in (*DRIVERS, *MODULES):
        try:
            await link.ask("ModuleCheck", Module=name)
        except ami_link.Refused as error:
            if "not loaded" not in str(error):
                raise
            missing.append(name)
    return missing


async def _unread(link: ami_link.Link, phone: str, events: "asyncio.Queue[Message]") -> str:
    """What of a phone that is in our tables it does not find."""
    try:
        await link.ask("PJSIPShowEndpoint", Endpoint=phone)
    except ami_link.Refused as error:
        if "unknown command" in str(error):
            return "has a res_pjsip.so that could not start"
        if "Unable to retrieve" not in str(error):
            raise
        return f"does not know {phone}, which is in {ENDPOINTS}"
    found = {message["Event"] for message in await _until(events, "EndpointDetailComplete")}
    missing = [table for table, event in OF_A_PHONE.items() if event not in found]
    return f"finds no row of {phone} in {' and '.join(missing)}, where there is one" if missing else ""


async def _told(given: Given, who: str, address: Address, events: "asyncio.Queue[Message]") -> list[Check]:
    """Whether it tells who is let in, tried on ourselves, and what time it has."""
    async with ami_link.visiting(address):
        pass
    (*_, last) = await _until(events, "SuccessfulAuth") or [{}]
    if last.get("Event") != "SuccessfulAuth":
        seen = f"{who} does not tell who comes in, so phones and those it refuses are not heard of at once"
        do = f"give its user 'read=system,security' and no eventfilter but ours in {MANAGER}; 'manager reload'"
        return [problem(NAME, seen, do)]
    apart = (time_of(last.get("EventTV", "")) or given.now()) - given.now()
    if abs(apart) < SKEW:
        return []
    seen = f"The clock of the Asterisk at {address} is {abs(apart).total_seconds():.0f} s"
    return [problem(NAME, f"{seen} {'ahead of' if apart > timedelta(0) else 'behind'} ours", "set both by NTP")]


async def _until(events: "asyncio.Queue[Message]", last: str) -> list[Message]:
    """Events as they come, up to that one or as long as they may take."""
    found: list[Message] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not found or found[-1]["Event"] != last:
                found.append(await events.get())
    return found


def _older(given: Given, status: Message) -> str:
    """Files of the folder that were written after it has read its files; its time is this machine's."""
    assert given.asterisk
    text = f"{status.get('CoreReloadDate', '')} {status.get('CoreReloadTime', '')}"
    try:
        read = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").astimezone(UTC).timestamp()
        files: Sequence[str] = sorted(file.name for file in given.asterisk.iterdir() if file.stat().st_mtime > read + 1)
    except (ValueError, OSError):
        return ""
    return ", ".join(files)


def knows_sha256(version: str) -> bool:
    """Whether that Asterisk reads `password_digest`; one whose version says nothing may."""
    numbers = [int(part) for part in version.split("~")[0].split("-")[0].split(".")[:2] if part.isdigit()]
    if len(numbers) < 2:
        return True
    return tuple(numbers) >= (22, 2) or (20, 12) <= tuple(numbers) < (21, 0) or (21, 7) <= tuple(numbers) < (22, 0)
