"""What the databases, Redis and the listener have at rest, held against the ledger and against each other."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from .installation import Installation, Place
from .ledger import ORIGIN, Ledger, Shaken, Slot
from .platform import News

Row = dict[str, Any]

OBJECT: Final = ("id", "customer_id", "name", "detail", "realm", "username", "ha1", "tm_delete")
OWN: Final[Mapping[str, Sequence[str]]] = {
    "registrar_extensions": (*OBJECT, "extension", "endpoint_id"),
    "registrar_trunks": (*OBJECT, "domain_name"),
    "registrar_sip_auths": ("id", "reference_type", "realm", "username", "ha1"),
    "registrar_directs": ("id", "extension_id", "hash", "tm_delete"),
    "registrar_direct_hashes": ("hash", "tm_revoke"),
    "registrar_customers": ("customer_id", "status"),
    "registrar_customer_domains": ("customer_id", "realm"),
    "registrar_outbox": ("id", "event_type", "object_id", "subscription_id", "payload", "tm_publish"),
    "registrar_dead_events": ("event_type", "payload", "error"),
    "registrar_contact_states": ("id", "extension_id"),
}
ASTERISK: Final[Mapping[str, Sequence[str]]] = {
    "ps_aors": ("id", "max_contacts"),
    "ps_auths": ("id", "username", "realm", "md5_cred"),
    "ps_endpoints": ("id", "aors", "auth"),
    "ps_contacts": ("id", "endpoint"),
}
SIP_ROWS: Final = ("ps_aors", "ps_auths", "ps_endpoints")
OURS_IN_REDIS: Final = b"ringback:v1:"


@dataclass(frozen=True, slots=True)
class Truth:
    """All rows of all tables that are looked at, by table; what was heard; and what the ledger says."""

    rows: Mapping[str, list[Row]]
    heard: Sequence[News]
    ledger: Ledger
    was_shaken: Shaken

    @classmethod
    def read(cls, installation: Installation, heard: Sequence[News], ledger: Ledger) -> "Truth":
        """By other programs' clients, while nothing changes."""
        rows = _rows(installation.own, OWN) | _rows(installation.asterisk, ASTERISK)
        return cls(rows, heard, ledger, installation.was_shaken)

    def faults(self) -> list[str]:
        """Whatever is not as it must be."""
        checks = (self._sip(), self._directs(), self._contacts(), self._ends(), self._numbers(), self._news())
        return [fault for check in checks for fault in check]

    def live(self, table: str) -> list[Row]:
        return [row for row in self.rows[table] if row["tm_delete"] is None]

    # ---- tables among each other ------------------------------------------------------------------------------

    def _sip(self) -> Iterator[str]:
        """Each live extension has its rows, and no row belongs to nobody."""
        phones = {row["endpoint_id"]: row for row in self.live("registrar_extensions")}
        if len(phones) != len(self.live("registrar_extensions")):
            yield "two live extensions have one endpoint"
        for table in SIP_ROWS:
            found = {row["id"]: row for row in self.rows[table]}
            yield from _unequal(table, found.keys(), phones.keys())
            for id in found.keys() & phones.keys():
                if not _is_of(found[id], phones[id]):
                    yield f"{table} {id} is {found[id]}, its extension {phones[id]}"
        objects = {row["id"]: row for row in (*phones.values(), *self.live("registrar_trunks"))}
        auths = {row["id"]: row for row in self.rows["registrar_sip_auths"]}
        yield from _unequal("registrar_sip_auths", auths.keys(), objects.keys())
        for id in auths.keys() & objects.keys():
            if any(auths[id][name] != objects[id][name] for name in ("realm", "username", "ha1")):
                yield f"registrar_sip_auths {id} is {auths[id]}, its object {objects[id]}"

    def _directs(self) -> Iterator[str]:
        phones = {row["id"] for row in self.live("registrar_extensions")}
        live = self.live("registrar_directs")
        yield from (f"a direct address of nobody: {row}" for row in live if row["extension_id"] not in phones)
        working = {row["hash"] for row in self.rows["registrar_direct_hashes"] if row["tm_revoke"] is None}
        yield from _unequal("registrar_direct_hashes", working, {row["hash"] for row in live})

    def _contacts(self) -> Iterator[str]:
        endpoints = {row["endpoint_id"]: row["id"] for row in self.live("registrar_extensions")}
        contacts = {row["id"]: endpoints.get(row["endpoint"]) for row in self.rows["ps_contacts"]}
        yield from (f"a contact of nobody: {id}" for id, owner in contacts.items() if owner is None)
        seen = {row["id"]: row["extension_id"] for row in self.rows["registrar_contact_states"]}
        yield from _unequal("registrar_contact_states", seen.items(), contacts.items())

    def _ends(self) -> Iterator[str]:
        yield from (f"an event was given up: {row}" for row in self.rows["registrar_dead_events"])
        status = {row["customer_id"]: row["status"] for row in self.rows["registrar_customers"]}
        domains = {row["customer_id"] for row in self.rows["registrar_customer_domains"]}
        for customer in self.ledger.customers:
            if status.get(customer.id, "active") != customer.told:
                yield f"customer {customer.id} is {status.get(customer.id)} and was told to be {customer.told}"
            if (customer.id in domains) == (customer.told == "deleted"):
                yield f"customer {customer.id} is {customer.told}; has a domain: {customer.id in domains}"

    # ---- the ledger -------------------------------------------------------------------------------------------

    def _numbers(self) -> Iterator[str]:
        """What is there is what was told to be there."""
        found: dict[tuple[UUID, str], Row] = {}
        for table, column in (("registrar_extensions", "extension"), ("registrar_trunks", "domain_name")):
            for row in self.live(table):
                found[row["customer_id"], row[column]] = row
        for slot in self.ledger.slots():
            key = slot.customer.id, slot.number
            yield from self._slot(slot, found.pop(key) if key in found else None)
        yield from (f"nobody asked for {row}" for row in found.values())

    def _slot(self, slot: Slot, row: Row | None) -> Iterator[str]:
        if slot.customer.told == "deleted":
            if row:
                yield f"its customer was deleted, and it is there: {slot}"
        elif row and row["id"] in slot.gone:
            yield f"it was deleted, and it is there: {slot}"
        elif slot.id is None:
            if row and row[ORIGIN] not in set(slot.origins(self.was_shaken)):
                yield f"it is there, and nobody made it: {row}: {slot}"
        elif row is None:
            yield f"it was made, and it is not there: {slot}"
        elif row["id"] != slot.id:
            yield f"another one is there: {row}: {slot}"
        else:
            yield from self._like(slot, row)

    def _like(self, slot: Slot, row: Row) -> Iterator[str]:
        names = slot.allowed("name", self.was_shaken)
        if names and row["name"] not in names:
            yield f"its name is {row['name']!r} and none of {names}: {slot}"
        digests = {_md5(row, password) for password in slot.allowed("password", self.was_shaken)}
        if digests and row["ha1"] not in digests:
            yield f"none of its passwords works: {slot}"
        directs = slot.allowed("direct", self.was_shaken)
        is_on = any(direct["extension_id"] == row["id"] for direct in self.live("registrar_directs"))
        if directs and is_on not in directs:
            yield f"its direct address is {'on' if is_on else 'off'}: {slot}"

    def settle(self) -> None:
        """The ledger takes over what had been left open: all queues are empty, so it is decided."""
        found: dict[tuple[UUID, str], Row] = {}
        for table, column in (("registrar_extensions", "extension"), ("registrar_trunks", "domain_name")):
            for row in self.live(table):
                found[row["customer_id"], row[column]] = row
        for slot in self.ledger.slots():
            taken: Row | None = found.get((slot.customer.id, slot.number))
            if taken is None:
                slot.frees()
            else:
                is_on = any(direct["extension_id"] == taken["id"] for direct in self.live("registrar_directs"))
                known = [
                    password
                    for password in slot.allowed("password", self.was_shaken)
                    if _md5(taken, password) == taken["ha1"]
                ]
                more = {"password": known[0]} if known else {}
                slot.takes(taken["id"], name=taken["name"], direct=is_on, **more)
        self.ledger.settles()

    # ---- news -------------------------------------------------------------------------------------------------

    def _news(self) -> Iterator[str]:
        """Each change was told, at least once, as it happened, in order for each object."""
        told = {row["id"]: row for row in sorted(self.rows["registrar_outbox"], key=_id)}
        yield from (f"an event waits: {row}" for row in told.values() if row["tm_publish"] is None)
        first: dict[int, int] = {}
        for place, news in enumerate(self.heard):
            row = told.get(news.id)
            if row is None or (row["event_type"], row["payload"]) != (news.type, news.data):
                yield f"heard {news}, and the outbox has {row}"
            first.setdefault(news.id, place)
        yield from (f"nobody heard of {row}" for id, row in told.items() if id not in first)
        by_object = defaultdict(list)
        for id, row in told.items():
            if id in first:
                by_object[row["object_id"]].append((first[id], id, row["event_type"]))
        for object_id, places in by_object.items():
            if places != sorted(places):
                yield f"events of {object_id} came in another order: {places}"
        yield from self._stories()

    def _stories(self) -> Iterator[str]:
        """A life in events is: created, perhaps updated, and deleted if it was."""
        told = defaultdict(list)
        for row in sorted(self.rows["registrar_outbox"], key=_id):
            told[row["payload"]["id"]].append(row["event_type"])
        kinds = {
            "extension": "registrar_extensions",
            "trunk": "registrar_trunks",
            "extension_direct": "registrar_directs",
        }
        for kind, table in kinds.items():
            for row in self.rows[table]:
                types = told[str(row["id"])]
                ends = [f"{kind}_deleted"] * (row["tm_delete"] is not None)
                middle = types[1 : len(types) - len(ends)]
                if types != [f"{kind}_created", *middle, *ends] or set(middle) - {f"{kind}_updated"}:
                    yield f"{table} {row['id']}, deleted {row['tm_delete']}, was told as {types}"


def keys_left(installation: Installation, ledger: Ledger) -> list[str]:
    """Keys of the other service in Redis that hold old data; and keys that are nobody's."""
    with installation.redis.client() as client:
        there = set(client.keys("*"))
    stale = {name.encode() for name in ledger.stale}
    left = [f"an old key is in Redis: {name!r}" for name in there & stale]
    ours = {name for name in there if not name.startswith(OURS_IN_REDIS) and not name.startswith(b"registrar:")}
    return left + [f"who wrote this key? {name!r}" for name in ours]


def _rows(place: Place, tables: Mapping[str, Sequence[str]]) -> dict[str, list[Row]]:
    found = {table: place.rows(table, *columns) for table, columns in tables.items()}
    return {
        table: [{name: _plain(name, value) for name, value in row.items()} for row in found[table]] for table in found
    }


def _plain(name: str, value: Any) -> Any:
    """A value as each engine means it."""
    if isinstance(value, bytes):
        return UUID(bytes=value)
    return json.loads(value) if name == "payload" and isinstance(value, str) else value


def _id(row: Row) -> int:
    return int(row["id"])


def _is_of(row: Row, phone: Row) -> bool:
    """Whether a row of Asterisk's is what it must be for that extension."""
    expected = {
        "max_contacts": 3,
        "username": phone["username"],
        "realm": phone["realm"],
        "md5_cred": phone["ha1"],
        "aors": phone["endpoint_id"],
        "auth": phone["endpoint_id"],
    }
    return all(value == expected[name] for name, value in row.items() if name != "id")


def _md5(row: Row, password: str) -> str:
    text = f"{row['username']}:{row['realm']}:{password}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _unequal(what: str, found: Iterable[Any], expected: Iterable[Any]) -> Iterator[str]:
    there, wanted = set(found), set(expected)
    yield from (f"{what} has {one}, which is nobody's" for one in there - wanted)
    yield from (f"{what} lacks {one}" for one in wanted - there)
