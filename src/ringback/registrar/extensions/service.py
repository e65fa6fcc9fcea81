"""The rules of extensions: make, change, end, find."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from ringback.kit.listing import STEP
from ringback.kit.pages import Cursor, Page
from ringback.kit.secret import Secret
from ringback.registrar.asked import Wanted
from ringback.registrar.contacts import service as contacts
from ringback.registrar.contacts.model import Cause
from ringback.registrar.directs import events as direct_events
from ringback.registrar.directs import service as directs
from ringback.registrar.directs.model import Direct, DirectFlagsConflict, DirectNotEnabled, DirectNotFound
from ringback.registrar.extensions import events, store
from ringback.registrar.extensions.making import new, require_short
from ringback.registrar.extensions.model import Extension, ExtensionNotFound, Listed, Provisioned
from ringback.registrar.extensions.wire import ChangeExtension, NewExtension
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Realm
from ringback.registrar.setups import service as setups
from ringback.registrar.work import Uow
from ringback.sip import edge
from ringback.sip.digest import Kept


async def create(uow: Uow, customer_id: UUID, asked: NewExtension) -> Provisioned:
    """Give a customer a phone: our row, Asterisk's three, the edge's one, one event."""
    realms.ask_billing(uow, "extension", customer_id)
    return await uow.together(create_all, customer_id, Wanted(asked, by=uow.by))


async def create_all(uow: Uow, customer_id: UUID, wanted: Sequence[Wanted[NewExtension]]) -> list[Provisioned]:
    """The same for several at once, in as many statements; all of them or a failure, which need not say of which."""
    await realms.require_room(uow, "extension", customer_id, lambda: count(uow, customer_id), len(wanted))
    realm = await realms.ensure(uow, customer_id)
    first = await store.LISTING.own_moment(uow.session, {"customer_id": customer_id}, uow.now)
    made = [new(uow, customer_id, realm, one, first + number * STEP) for number, one in enumerate(wanted)]
    extensions = [one.extension for one in made]
    await store.add(uow.session, extensions)
    await _tell_sip(uow, *extensions)
    await contacts.lose(uow, *extensions)
    for number, (extension, one) in enumerate(zip(extensions, wanted, strict=True)):
        if one.asked.direct:
            extension = replace(extension, direct=await directs.enable(uow, customer_id, extension.id))
            made[number] = Provisioned(extension, made[number].secret)
        uow.by = one.by or uow.by
        _tell_created(uow, extension)
    return made


def _tell_created(uow: Uow, extension: Extension) -> None:
    uow.extension_changed(None, extension)
    uow.emit(events.created(extension, uow.settings.sip_domain))
    if extension.direct:
        uow.emit(direct_events.created(extension.direct, uow.settings.sip_domain))
    uow.after(uow.memory.metrics.extension_create.inc)


async def change(
    uow: Uow, id: UUID, asked: ChangeExtension, *, of: UUID | None, kept: Kept | None = None
) -> Provisioned:
    """Change one thing and nothing else; what is asked for and already so is no change and no news.

    `of` is the customer who asks: another's extension is not there for them. Peers and operators say `None`.
    """
    before = await _locked(uow, id, of)
    secret = asked.password or (Secret.generate() if asked.password_regenerate else None)
    storage = uow.settings.secret_storage
    if kept is None:
        kept = before.kept.renewed(before.username, before.realm, secret, storage) if secret else before.kept
    after = replace(
        before,
        name=before.name if asked.name is None else asked.name,
        detail=before.detail if asked.detail is None else asked.detail,
        kept=kept,
        direct=await _turn_direct(uow, before, asked),
    )
    if after == before:
        return Provisioned(before)
    after = replace(after, tm_update=uow.now)
    await store.change(uow.session, after)
    uow.extension_changed(before, after)
    rotated = after.kept != before.kept
    if rotated:
        await _tell_sip(uow, after)
        await contacts.forget(uow, after, Cause.PASSWORD_CHANGED)
    uow.emit(events.updated(after, uow.settings.sip_domain))
    return Provisioned(after, secret if rotated else None)


async def delete(uow: Uow, id: UUID, *, of: UUID | None) -> Provisioned:
    """End a phone: its number is free again, its password and its address work no more."""
    before = await _locked(uow, id, of)
    await contacts.forget(uow, before, Cause.EXTENSION_DELETED)
    await setups.end(uow, id)
    if ended := await directs.disable(uow, id):
        uow.emit(direct_events.deleted(ended, uow.settings.sip_domain))
    extension = replace(before, tm_update=uow.now, tm_delete=uow.now, direct=None)
    await store.end(uow.session, extension)
    uow.extension_changed(before, None)
    await uow.sip.drop(extension.endpoint_id)
    await edge.drop(uow.session, id)
    uow.emit(events.deleted(extension, uow.settings.sip_domain))
    uow.after(uow.memory.metrics.extension_delete.inc)
    return Provisioned(extension)


async def restore(uow: Uow, id: UUID, *, of: UUID | None) -> Provisioned:
    """Take a deletion back: the same extension with the password that it had; its direct address is dead for ever.

    Where the customer's realm is another one by now, the digests are worth nothing, so it gets a new password.
    """
    gone = _mine(await store.gone(uow.session, id), of)
    await realms.require_room(uow, "extension", gone.customer_id, lambda: count(uow, gone.customer_id))
    realm = await realms.ensure(uow, gone.customer_id)
    secret = None if gone.realm == realm.name else Secret.generate()
    kept = Kept.of(gone.username, realm.name, secret, uow.settings.secret_storage) if secret else gone.kept
    extension = replace(gone, label=realm.label, realm=realm.name, kept=kept, tm_update=uow.now, tm_delete=None)
    require_short(extension)
    await store.restore(uow.session, extension)
    uow.extension_changed(None, extension)
    await _tell_sip(uow, extension)
    await contacts.lose(uow, extension)
    uow.emit(events.created(extension, uow.settings.sip_domain))
    uow.after(uow.memory.metrics.extension_create.inc)
    return Provisioned(extension, secret)


async def of_customer(uow: Uow, customer_id: UUID, *, lock: bool = True) -> list[Extension]:
    """All live extensions of the customer, oldest first."""
    return await store.of_customer(uow.session, customer_id, lock=lock)


async def move(uow: Uow, before: Extension, realm: Realm, *, reissue: bool) -> Provisioned:
    """Take a phone to another realm, with the clear password that is kept of it or, to reissue, with a new one."""
    await contacts.forget(uow, before, Cause.REMOVED)
    secret = Secret.generate() if reissue else None
    kept = Kept.of(before.username, realm.name, secret, uow.settings.secret_storage) if secret else before.kept
    after = replace(before, label=realm.label, realm=realm.name, kept=kept, tm_update=uow.now)
    require_short(after)
    await store.change(uow.session, after)
    uow.extension_changed(before, after)
    await uow.sip.rename(before.endpoint_id, after.endpoint)
    await edge.put(uow.session, uow.now, after.credential)
    uow.emit(events.updated(after, uow.settings.sip_domain))
    return Provisioned(after, secret)


async def keep_digests(uow: Uow, limit: int) -> int:
    """Turn up to `limit` clear passwords into digests, those of deleted extensions included; how many."""
    some = await store.plain(uow.session, limit)
    for extension in some:
        changed = replace(extension, kept=extension.kept.digested(extension.username, extension.realm))
        await store.change(uow.session, changed)
        uow.extension_changed(extension, changed)
        if changed.tm_delete is None:
            await _tell_sip(uow, changed)
    return len(some)


async def count_plain(uow: Uow) -> int:
    """How many extensions are kept with a clear password."""
    return await store.count_plain(uow.session)


async def get(uow: Uow, id: UUID, *, of: UUID | None, lock: bool = False) -> Provisioned:
    """A live extension; with `of`, only that customer's."""
    return Provisioned(_mine(await store.live(uow.session, id, lock=lock), of))


async def get_by_number(uow: Uow, customer_id: UUID, number: str) -> Provisioned:
    return Provisioned(_mine(await store.by_number(uow.session, customer_id, number), customer_id))


async def get_by_direct(uow: Uow, text: str, source: str | None, publisher: str) -> Provisioned:
    """The extension behind a direct address; one that was deleted meanwhile is a miss like any other."""
    direct = await directs.lookup(uow, text, source, publisher)
    if extension := await store.live(uow.session, direct.extension_id):
        return Provisioned(extension)
    raise DirectNotFound


async def at_numbers(uow: Uow, customer_id: UUID, numbers: list[str], usernames: list[str]) -> list[Extension]:
    """The customer's live extensions with one of these numbers or usernames, in lower case."""
    return await store.by_numbers(uow.session, customer_id, numbers, usernames)


async def count(uow: Uow, customer_id: UUID) -> int:
    """How many live extensions the customer has."""
    return await store.LISTING.count(uow.session, {"customer_id": customer_id})


async def page(uow: Uow, wanted: Mapping[str, Any], cursor: Cursor | None, size: int, *, deleted: bool) -> Page[Listed]:
    """One page, newest first, with the place where the next one starts."""
    return await store.LISTING.page(uow.session, wanted, cursor, size, deleted=deleted)


async def whole_moments(
    uow: Uow, wanted: Mapping[str, Any], cursor: Cursor | None, size: int, *, deleted: bool
) -> list[Listed]:
    """One page for a caller who goes on from the last `tm_create`: all rows of that moment are in it."""
    return await store.LISTING.whole_moments(uow.session, wanted, cursor, size, deleted=deleted)


async def live(uow: Uow, id: UUID, *, lock: bool = False) -> Extension | None:
    return await store.live(uow.session, id, lock=lock)


async def locked(uow: Uow, ids: Sequence[UUID]) -> list[Extension]:
    """Those of any number of ids that live."""
    return await store.locked(uow.session, ids)


async def at_number(uow: Uow, customer_id: UUID, number: str, *, lock: bool = False) -> Extension | None:
    """The customer's live extension with that number, in whatever letter case."""
    return await store.by_number(uow.session, customer_id, number, lock=lock)


async def at_endpoint(uow: Uow, endpoint_id: str, *, lock: bool = False) -> Extension | None:
    """The live extension that Asterisk knows by that name."""
    return next(iter(await at_endpoints(uow, [endpoint_id], lock=lock)), None)


async def at_endpoints(uow: Uow, endpoint_ids: Sequence[str], *, lock: bool = False) -> list[Extension]:
    """The live extensions that Asterisk knows by these names, any number."""
    return await store.at_endpoints(uow.session, endpoint_ids, lock=lock)


async def live_ids(uow: Uow, customer_id: UUID, after: UUID, limit: int) -> list[UUID]:
    """Ids of up to `limit` live extensions of the customer, in order, behind `after`."""
    return await store.LISTING.ids(uow.session, {"customer_id": customer_id}, after, limit)


async def erase_some(uow: Uow, customer_id: UUID, after: UUID) -> UUID | None:
    """Forget what some deleted extensions of the customer were, behind an id; the last one's, or `None` at the end."""
    return await store.ERASING.some(uow.session, customer_id, after)


async def live_names(uow: Uow, endpoint_ids: list[str]) -> set[str]:
    """Those of up to `CHUNK` names that Asterisk knows a live extension by."""
    return await store.live_names(uow.session, endpoint_ids)


async def live_behind(uow: Uow, id: UUID, limit: int) -> list[Extension]:
    """Up to `limit` live extensions of all customers, by id, behind `id`."""
    return await store.WALKING.behind(uow.session, id, limit)


async def restate(uow: Uow, endpoint_id: str) -> bool:
    """Make every row of Asterisk's of that name follow our own truth: as it should be, or gone; whether one was."""
    if extension := await at_endpoint(uow, endpoint_id, lock=True):
        await _tell_sip(uow, extension)
        return True
    was_there = await uow.sip.drop(endpoint_id) > 0
    if extension := await at_endpoint(uow, endpoint_id, lock=True):  # made while we waited for its rows
        await _tell_sip(uow, extension)
    return was_there or extension is not None


async def _locked(uow: Uow, id: UUID, of: UUID | None) -> Extension:
    return (await get(uow, id, of=of, lock=True)).extension


def _mine(extension: Extension | None, of: UUID | None) -> Extension:
    if extension is None or (of and extension.customer_id != of):
        raise ExtensionNotFound
    return extension


async def _tell_sip(uow: Uow, *extensions: Extension) -> None:
    await uow.sip.put(*(one.endpoint for one in extensions))
    await edge.put(uow.session, uow.now, *(one.credential for one in extensions))


async def _turn_direct(uow: Uow, extension: Extension, asked: ChangeExtension) -> Direct | None:
    """The direct address after a change, by the table of registrar 8.2."""
    domain = uow.settings.sip_domain
    if asked.direct is False and asked.direct_regenerate:
        raise DirectFlagsConflict
    if asked.direct is False:
        if ended := await directs.disable(uow, extension.id):
            uow.emit(direct_events.deleted(ended, domain))
        return None
    if asked.direct and not extension.direct:
        direct = await directs.enable(uow, extension.customer_id, extension.id)
        uow.emit(direct_events.created(direct, domain))
        return direct
    if asked.direct_regenerate:
        if not extension.direct:
            raise DirectNotEnabled
        direct = await directs.regenerate(uow, extension.direct)
        uow.emit(direct_events.updated(direct, domain))
        return direct
    return extension.direct
