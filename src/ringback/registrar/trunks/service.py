"""The rules of trunks: make, change, end, find."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.networks import canonical
from ringback.kit.pages import Cursor, Page
from ringback.kit.secret import Secret
from ringback.registrar.asked import Wanted
from ringback.registrar.realms import service as realms
from ringback.registrar.trunks import events, store
from ringback.registrar.trunks.model import OutboundTaken, Provisioned, Trunk, TrunkNotFound, lacking, no_password
from ringback.registrar.trunks.wire import ChangeTrunk, NewTrunk
from ringback.registrar.work import Uow
from ringback.sip import edge, names
from ringback.sip.digest import Kept, Storage


async def create_all(uow: Uow, customer_id: UUID, wanted: Sequence[Wanted[NewTrunk]]) -> list[Provisioned]:
    """Each of them, or a failure, which need not say of which."""
    return [await create(uow, customer_id, one.asked, id=one.id, kept=one.kept) for one in wanted]


async def create(
    uow: Uow, customer_id: UUID, asked: NewTrunk, *, id: UUID | None = None, kept: Kept | None = None
) -> Provisioned:
    """Give a customer a connection: our row, the edge's one, one event.

    `kept` is what has been made of a password before, which nobody knows any more.
    """
    await realms.require_room(uow, "trunk", customer_id, lambda: count(uow, customer_id))
    domain_name = asked.domain_name.lower()
    trunk = Trunk(
        id=id or uow.new_id(),
        customer_id=customer_id,
        domain_name=domain_name,
        realm=names.realm_of(domain_name, uow.settings.domain_name_trunk),
        auth_types=_once(asked.auth_types),
        username=asked.username or "",
        kept=kept or no_password(uow.settings.secret_storage),
        allowed_ips=_once(canonical(text) for text in asked.allowed_ips or ()),
        tm_create=await store.LISTING.own_moment(uow.session, {"customer_id": customer_id}, uow.now),
        name=asked.name or "",
        detail=asked.detail or "",
        outbound=bool(asked.outbound),
    )
    await _require_the_only_way_out(uow, trunk)
    trunk, secret = _with_secret(trunk, asked.password, uow.settings.secret_storage)
    await store.add(uow.session, trunk)
    uow.trunk_changed(None, trunk)
    await edge.put(uow.session, uow.now, trunk.credential)
    uow.emit(events.created(trunk))
    uow.after(uow.memory.metrics.trunk_create.inc)
    return Provisioned(trunk, secret)


async def change(uow: Uow, id: UUID, asked: ChangeTrunk, *, of: UUID | None, kept: Kept | None = None) -> Provisioned:
    """Change one thing and nothing else; what is asked for and already so is no change and no news.

    `of` is the customer who asks: another's trunk is not there for them. Peers and operators say `None`.
    `kept` is what has been made of a new password before.
    """
    before = await _locked(uow, id, of)
    after, secret = changed(before, asked, uow.settings.secret_storage, kept)
    if after == before:
        return Provisioned(before)
    if not before.outbound:
        await _require_the_only_way_out(uow, after)
    after = replace(after, tm_update=uow.now)
    await store.change(uow.session, after)
    uow.trunk_changed(before, after)
    if after.credential != before.credential:
        await edge.put(uow.session, uow.now, after.credential)
    uow.emit(events.updated(after))
    return Provisioned(after, secret if after.kept != before.kept else None)


async def delete(uow: Uow, id: UUID, *, of: UUID | None) -> Provisioned:
    """End a trunk: its domain name is free again, nobody gets in by it any more."""
    before = await _locked(uow, id, of)
    trunk = replace(before, tm_update=uow.now, tm_delete=uow.now)
    await store.end(uow.session, trunk)
    uow.trunk_changed(before, None)
    await edge.drop(uow.session, id)
    uow.emit(events.deleted(trunk))
    uow.after(uow.memory.metrics.trunk_delete.inc)
    return Provisioned(trunk)


async def restore(uow: Uow, id: UUID, *, of: UUID | None) -> Provisioned:
    """Take a deletion back: the same trunk with the password that it had."""
    gone = _mine(await store.gone(uow.session, id), of)
    await realms.require_room(uow, "trunk", gone.customer_id, lambda: count(uow, gone.customer_id))
    trunk = replace(gone, tm_update=uow.now, tm_delete=None)
    await _require_the_only_way_out(uow, trunk)
    await store.restore(uow.session, trunk)
    uow.trunk_changed(None, trunk)
    await edge.put(uow.session, uow.now, trunk.credential)
    uow.emit(events.created(trunk))
    uow.after(uow.memory.metrics.trunk_create.inc)
    return Provisioned(trunk)


async def of_customer(uow: Uow, customer_id: UUID, *, lock: bool) -> list[Trunk]:
    """All live trunks of the customer, oldest first."""
    return await store.of_customer(uow.session, customer_id, lock=lock)


async def get(uow: Uow, id: UUID, *, of: UUID | None, lock: bool = False) -> Provisioned:
    """A live trunk; with `of`, only that customer's."""
    return Provisioned(_mine(await store.live(uow.session, id, lock=lock), of))


async def get_by_domain(uow: Uow, name: str) -> Provisioned:
    """The live trunk of that domain name, in whatever letter case."""
    return Provisioned(_mine(await store.by_domain(uow.session, name), None))


async def at_realm(uow: Uow, realm: str) -> Trunk | None:
    """The live trunk of that realm, anybody's."""
    return await store.at_realm(uow.session, realm)


async def is_taken(uow: Uow, domain_name: str) -> bool:
    """Whether there is a live trunk of that domain name, anybody's."""
    return await store.by_domain(uow.session, domain_name) is not None


async def at_domains(uow: Uow, names: list[str]) -> list[Trunk]:
    """The live trunks of anybody with one of these domain names, in lower case."""
    return await store.by_domains(uow.session, names)


async def count(uow: Uow, customer_id: UUID) -> int:
    """How many live trunks the customer has."""
    return await store.LISTING.count(uow.session, {"customer_id": customer_id})


async def page(uow: Uow, wanted: Mapping[str, Any], cursor: Cursor | None, size: int, *, deleted: bool) -> Page[Trunk]:
    """One page, newest first, with the place where the next one starts."""
    return await store.LISTING.page(uow.session, wanted, cursor, size, deleted=deleted)


async def whole_moments(
    uow: Uow, wanted: Mapping[str, Any], cursor: Cursor | None, size: int, *, deleted: bool
) -> list[Trunk]:
    """One page for a caller who goes on from the last `tm_create`: all rows of that moment are in it."""
    return await store.LISTING.whole_moments(uow.session, wanted, cursor, size, deleted=deleted)


async def live(uow: Uow, id: UUID, *, lock: bool = False) -> Trunk | None:
    return await store.live(uow.session, id, lock=lock)


async def live_behind(uow: Uow, id: UUID, limit: int) -> list[Trunk]:
    """Up to `limit` live trunks of all customers, by id, behind `id`."""
    return await store.LISTING.behind(uow.session, id, limit)


async def live_ids(uow: Uow, customer_id: UUID, after: UUID, limit: int) -> list[UUID]:
    """Ids of up to `limit` live trunks of the customer, in order, behind `after`."""
    return await store.LISTING.ids(uow.session, {"customer_id": customer_id}, after, limit)


async def erase_some(uow: Uow, customer_id: UUID, after: UUID) -> UUID | None:
    """Forget what some deleted trunks of the customer were, behind an id; the last one's, or `None` at the end."""
    return await store.ERASING.some(uow.session, customer_id, after)


async def keep_digests(uow: Uow, limit: int) -> int:
    """Turn up to `limit` clear passwords into digests, those of deleted trunks included; how many."""
    some = await store.plain(uow.session, limit)
    for trunk in some:
        kept = trunk.kept.digested(trunk.username, trunk.realm) if trunk.username else Kept()
        changed = replace(trunk, kept=kept)
        await store.change(uow.session, changed)
        uow.trunk_changed(trunk, changed)
        if changed.tm_delete is None:
            await edge.put(uow.session, uow.now, changed.credential)
    return len(some)


async def count_plain(uow: Uow) -> int:
    """How many trunks are kept with a clear password, an empty one included."""
    return await store.count_plain(uow.session)


async def way_out(uow: Uow, customer_id: UUID) -> Trunk | None:
    """The trunk that calls of the customer's phones go out by."""
    return next(iter(await store.outbound(uow.session, customer_id)), None)


async def _require_the_only_way_out(uow: Uow, trunk: Trunk) -> None:
    """With the customer locked, so that of two who ask at once one is refused."""
    if not trunk.outbound:
        return
    await realms.lock(uow, trunk.customer_id)
    for other in await store.outbound(uow.session, trunk.customer_id, lock=True):
        if other.id != trunk.id:
            raise OutboundTaken(outbound=f"is {other.domain_name}'s already")


async def _locked(uow: Uow, id: UUID, of: UUID | None) -> Trunk:
    return _mine(await store.live(uow.session, id, lock=True), of)


def _mine(trunk: Trunk | None, of: UUID | None) -> Trunk:
    if trunk is None or (of and trunk.customer_id != of):
        raise TrunkNotFound
    return trunk


def changed(
    before: Trunk, asked: ChangeTrunk, storage: Storage, kept: Kept | None = None
) -> tuple[Trunk, Secret | None]:
    """The trunk after a change, by the rules of the whole (registrar 6), and the password that it got."""
    secret = asked.password or (Secret.generate() if asked.password_regenerate else None)
    ips = asked.allowed_ips
    after = replace(
        before,
        name=before.name if asked.name is None else asked.name,
        detail=before.detail if asked.detail is None else asked.detail,
        auth_types=before.auth_types if asked.auth_types is None else _once(asked.auth_types),
        username=before.username if asked.username is None else asked.username,
        allowed_ips=before.allowed_ips if ips is None else _once(canonical(text) for text in ips),
        outbound=before.outbound if asked.outbound is None else asked.outbound,
    )
    if faults := list(_faults(before, after, password=bool(secret or kept))):
        raise ValidationFailed(*faults)
    if kept:
        return replace(after, kept=kept), None
    if not after.username:
        after = replace(after, kept=no_password(storage))
    return _with_secret(after, secret, storage)


def _faults(before: Trunk, after: Trunk, *, password: bool) -> Iterator[Fault]:
    yield from lacking(after.auth_types, after.username, after.allowed_ips, password=password)
    renamed = after.username not in ("", before.username)
    if renamed and before.kept.ha1 and not password:
        yield Fault("password", "is required with a new username, or a new one to be made: the digest holds both")


def _with_secret(trunk: Trunk, secret: Secret | None, storage: Storage) -> tuple[Trunk, Secret | None]:
    """The trunk with this password; one that needs a password and has none gets a new one."""
    if secret is None and "basic" in trunk.auth_types and not trunk.has_password:
        secret = Secret.generate()
    if secret is None:
        return trunk, None
    return replace(trunk, kept=trunk.kept.renewed(trunk.username, trunk.realm, secret, storage)), secret


def _once(values: Any) -> tuple[Any, ...]:
    """Each value once, in the order in which it came first."""
    return tuple(dict.fromkeys(values))
