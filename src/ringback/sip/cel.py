"""Channel event logging (CEL): what Asterisk writes of each call into a table of ours, and what a row of it means."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Column, Identity, Integer, MetaData, String, Table, delete, select

from ringback.kit.db import OWN, Row, Session, Statement, among

metadata = MetaData(schema=OWN)
channel_events = Table(
    "ringback_channel_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("eventtype", String(32)),
    Column("eventtime", String(32)),
    Column("cid_num", String(80)),
    Column("exten", String(80)),
    Column("channame", String(255)),
    Column("uniqueid", String(150)),
    Column("linkedid", String(150)),
    Column("extra", String(512)),
)

TABLE: Final = channel_events.name
BATCH: Final = 100
"""Rows that are taken at once: fifteen calls with what is written of them, in a short transaction."""
WAITING = Statement(select(channel_events).order_by(channel_events.c.id).limit(BATCH))
ANY = Statement(select(channel_events.c.id).limit(1))
TAKE = Statement(delete(channel_events).where(among(channel_events.c.id, "ids")))

STARTED: Final = "ringback-started"
"""The context of the dialplan that each start of Asterisk runs once: calls of before are over."""
EVENTS: Final = ("CHAN_START", "ANSWER", "HANGUP", "LINKEDID_END", "USER_DEFINED")
TRUNK: Final = "TRUNK"
"""The dialplan's own event: by which trunk the call comes in or goes out, by its realm."""
PHONE: Final = "PHONE"
"""The same: which phone calls by way of the edge, by its endpoint."""
REJECTED: Final = "REJECTED"
"""The same: the policy of the called customer has rejected the call; to which endpoint it was."""
UNSCREENED: Final = "UNSCREENED"
"""The same: it could not be run, and without it no call rings."""
TEXT: Final = 80
"""Characters of a caller's or called number that are kept: strangers write it."""

FILES: Final[Mapping[str, str]] = {
    "cel.conf": f"""\
; What becomes of each call goes into Ringback's table (cel_odbc.conf), and from there into its records of calls.
[general]
enable=yes
events={",".join(EVENTS)}
""",
    "cli.conf": f"""\
; Each start leaves its mark among the events of calls: those that a crash has cut off are known to be over.
[startup_commands]
channel originate Local/s@{STARTED} application NoOp = yes
""",
}


def cel_odbc_conf(section: str) -> str:
    """Where the events go: the database of that section of res_odbc.conf."""
    return f"""\
; Events of calls, each a row, until Ringback takes it. Who this section connects as needs INSERT there, and no more.
[ringback]
connection={section}
table={TABLE}
usegmtime=yes
"""


@dataclass(frozen=True, slots=True)
class ChannelEvent:
    """One event of one channel. `call` is the same in all of a call, `server` the system name of its Asterisk.

    `is_first` tells the caller's channel from those that it rings; `endpoint` is empty where it is no SIP channel's,
    `ended_by` where nobody is known to have hung up. `said` is what the dialplan tells with its own events.
    """

    row: int
    kind: str
    at: datetime
    call: str
    server: str
    is_first: bool
    channel: str
    endpoint: str
    caller: str
    called: str
    cause: int | None = None
    status: str = ""
    ended_by: str = ""
    said: str = ""

    @property
    def is_start_of_server(self) -> bool:
        return self.kind == "CHAN_START" and self.channel.startswith(f"Local/s@{STARTED}")


def event_of(row: Row, now: datetime) -> ChannelEvent:
    """What a row says; it is Asterisk's and may hold whatever somebody has sent: nothing of it is believed."""
    call, unique, channel = _text(row["linkedid"], 150), _text(row["uniqueid"], 150), _text(row["channame"], 255)
    extra = _extra(row["extra"])
    cause = extra.get("hangupcause")
    return ChannelEvent(
        row=row["id"],
        kind=_text(row["eventtype"], 32),
        at=_time(_text(row["eventtime"], 32)) or now,
        call=call,
        server=call.rpartition("-")[0],
        is_first=unique == call,
        channel=channel,
        endpoint=endpoint_of(channel),
        caller=_text(row["cid_num"], TEXT),
        called=_text(row["exten"], TEXT),
        cause=cause if isinstance(cause, int) and 0 < cause < 128 else None,
        status=str(extra.get("dialstatus", "")),
        ended_by=_text(extra.get("hangupsource"), 255),
        said=_text(extra.get("extra"), 255),
    )


def endpoint_of(channel: str) -> str:
    """`PJSIP/1001@acme.example-0000002a` → `1001@acme.example`; empty for what is no SIP channel."""
    found = re.fullmatch(r"PJSIP/(.+)-[0-9a-f]{8,}", channel)
    return found[1] if found else ""


async def are_waiting(session: Session) -> bool:
    return await session.one(ANY) is not None


async def waiting(session: Session) -> list[Row]:
    """The oldest rows, up to `BATCH`."""
    return await session.all(WAITING)


async def take(session: Session, rows: list[int]) -> int:
    """Remove up to `BATCH` of them; how many were there: fewer, when somebody else was faster."""
    return await session.run(TAKE, ids=rows)


def _text(value: Any, longest: int) -> str:
    """Printable and bounded, whatever was sent."""
    text = value if isinstance(value, str) else ""
    with contextlib.suppress(UnicodeError):
        text = text.encode("latin-1").decode()  # PostgreSQL takes each byte for a character
    if not text.isprintable():
        text = "".join(character for character in text if character.isprintable())
    return text[:longest]


def _extra(value: Any) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(value or "{}")
    except (msgspec.DecodeError, TypeError, UnicodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
