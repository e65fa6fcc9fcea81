"""An edge and an Asterisk in front of a registrar, as docs/edge.md has them, on a server that waits for the disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.child import Running, child
from bench.ground import QUEUE, Ground, Site
from ringback.demo.asterisk import Asterisk
from ringback.demo.install import CACHE
from ringback.demo.kamailio import Kamailio
from ringback.demo.ports import Ports, free_ports
from ringback.demo.programs import ASTERISK_ON_SERVERS, KAMAILIO
from ringback.kit.dsn import parse_dsn
from ringback.kit.secret import Secret
from ringback.sip.kamailio import KamailioOptions, new_secret
from tests.live.daemon import DOMAINS
from tests.live.tables import Tables

EDGE: Final = "127.0.0.30"
PASSWORD: Final = "aLongWalkHome1"
MADE: Final = (
    "SELECT e.extension, r.realm, r.username, d.hash FROM registrar_extensions e"
    " JOIN registrar_sip_auths r ON r.id = e.id JOIN registrar_directs d ON d.extension_id = e.id ORDER BY e.extension"
)


@dataclass(frozen=True, slots=True)
class Voice:
    """All of it at work: where phones register at the edge and at Asterisk itself, and every process by its name."""

    site: Site
    edge: str
    asterisk: str
    pids: dict[str, int]
    callers: Running
    phones: Running
    made: list[dict[str, Any]]
    """The phones, as they log in."""


@asynccontextmanager
async def voice(ground: Ground, count: int) -> AsyncIterator[Voice]:
    """One with so many phones, made over RPC; none has registered."""
    site, ports, secret = await ground.empty_site(), Ports.find(), Secret.generate()
    words, edge_port = (f"{host}:{port}" for host, port in zip((EDGE, EDGE), free_ports(2), strict=True))
    tables = Tables(site.own, site.asterisk)
    own, theirs = map(parse_dsn, tables.for_asterisk())
    heard: dict[str, Any] = {"asterisk_ami": ports.ami(secret), "edge_listen_address": words}
    asterisk = replace(ports.options(theirs, own, manager=secret), edge=edge_port, **_domains("extension"))
    edge = KamailioOptions(
        parse_dsn(site.own.dsn), EDGE, (ports.public_at,), new_secret(), int(edge_port.rpartition(":")[2]),
        workers=2, tables=parse_dsn(site.asterisk.dsn), tells=words, **_domains("extension", "trunk"),
    )  # fmt: skip
    programs = [await asyncio.to_thread(one.obtain, Path(CACHE)) for one in (ASTERISK_ON_SERVERS, KAMAILIO)]
    async with (
        await Asterisk.start(programs[0], asterisk, ground.folder / "asterisk") as inside,  # type: ignore[arg-type]
        ground.registrar(site, **heard) as registrar,
        await Kamailio.start(programs[1], edge, ground.folder / "edge") as front,  # type: ignore[arg-type]
        ground.callers() as callers,
    ):
        made = await _made(ground, site, callers, count)
        file = ground.folder / "phones.jsonl"
        file.write_bytes(b"\n".join(map(msgspec.json.encode, made)))
        async with child("bench.softphones", phones=str(file)) as phones:
            pids = {
                "service": registrar.process.pid,
                "broker": (await ground.rabbitmq()).pid,
                "database": (await ground.mariadb()).pid,
                "edge": front.pid,
                "asterisk": inside.pid,
            }
            yield Voice(site, front.at, ports.phones_at, pids, callers, phones, made)


async def _made(ground: Ground, site: Site, callers: Running, count: int) -> list[dict[str, Any]]:
    asked = {"customer_id": str(site.customer_id), "password": PASSWORD, "direct": True}
    creates = ground.envelopes(
        [("POST", "/v1/extensions", {**asked, "extension": str(10_000 + number)}) for number in range(count)]
    )
    said = await callers.ask(queue=QUEUE, envelopes=str(creates), in_flight=16, seconds=60, times=count)
    assert said["came"] == {"200": count}, said
    names = ("extension", "realm", "username", "direct_hash")
    return [dict(zip(names, row, strict=True)) | {"password": PASSWORD} for row in site.own.execute(MADE)]


def _domains(*kinds: str) -> Any:
    return {name: DOMAINS[name] for name in (f"domain_name_{kind}" for kind in kinds)}


ROWS: Final = (
    ("CHAN_START", "caller", ""),
    ("CHAN_START", "callee", ""),
    ("ANSWER", "callee", ""),
    ("ANSWER", "caller", ""),
    ("HANGUP", "caller", '{"hangupcause":16,"hangupsource":"PJSIP/edge-00000001","dialstatus":"ANSWER"}'),
    ("HANGUP", "callee", '{"hangupcause":16,"hangupsource":"PJSIP/edge-00000001","dialstatus":""}'),
    ("LINKEDID_END", "callee", ""),
)
"""What Asterisk writes of a stranger's call, in its order: the event, whose, and what more it says."""


def write_calls(made: Voice, count: int) -> None:
    """The rows of so many calls, as if Asterisk had written them all before anybody took one."""
    phone = made.made[0]
    channels = {"caller": "PJSIP/edge-00000001", "callee": f"PJSIP/{phone['extension']}@{phone['realm']}-00000002"}
    numbers = {"caller": ("party", f"direct.{phone['direct_hash']}"), "callee": ("", "s")}
    rows = " UNION ALL ".join(
        f"SELECT {place} AS place, '{event}' AS event, '{numbers[who][0]}' AS num, '{numbers[who][1]}' AS exten,"
        f" '{channels[who]}' AS channel, '{who}' AS who, '{extra}' AS extra"
        for place, (event, who, extra) in enumerate(ROWS)
    )
    made.site.own.execute(
        "INSERT INTO ringback_channel_events"
        " (eventtype, eventtime, cid_num, exten, channame, uniqueid, linkedid, extra)"
        " SELECT event, NOW(6), num, exten, channel, CONCAT('bench-', seq, '.', who), CONCAT('bench-', seq, '.caller'),"
        f" extra FROM seq_1_to_{count}, ({rows}) one ORDER BY seq, place"
    )
