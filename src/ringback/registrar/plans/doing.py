"""A change of a plan done by the verb that a single request would run, with its events and all."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ringback.kit.reading import read
from ringback.kit.secret import Secret
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Extension
from ringback.registrar.extensions.wire import ChangeExtension, NewExtension
from ringback.registrar.plans.model import GENERATE, Change, changed_at, replace_change
from ringback.registrar.trunks import service as trunks
from ringback.registrar.trunks.model import Trunk
from ringback.registrar.trunks.wire import ChangeTrunk, NewTrunk
from ringback.registrar.work import Uow


async def do(
    uow: Uow, customer_id: UUID, change: Change, secrets: Mapping[str, Secret]
) -> tuple[Change, Secret | None]:
    """The change as it was done, with the object's id and time, and the password that had to be made for it."""
    verb = _extension if change.kind == "extension" else _trunk
    one, secret = await verb(uow, customer_id, change, _values(change, secrets))
    done = replace_change(change, id=one.id, after=changed_at(one))
    return done, None if change.wanted().get("password") in secrets else secret


def _values(change: Change, secrets: Mapping[str, Secret]) -> dict[str, Any]:
    """The fields of the request that a single change would be."""
    values = change.wanted()
    source = values.pop("password", None)
    if source in secrets:
        values["password"] = secrets[source].reveal()
    elif source == GENERATE and change.action == "change":
        values["password_regenerate"] = True
    return values


async def _extension(
    uow: Uow, customer_id: UUID, change: Change, values: dict[str, Any]
) -> tuple[Extension, Secret | None]:
    if change.id is None:
        made = await extensions.create(uow, customer_id, read(NewExtension, values))
    elif change.action == "change":
        made = await extensions.change(uow, change.id, read(ChangeExtension, values), of=customer_id)
    elif change.action == "delete":
        made = await extensions.delete(uow, change.id, of=customer_id)
    else:
        made = await extensions.restore(uow, change.id, of=customer_id)
        if values.get("direct"):
            again = await extensions.change(uow, change.id, ChangeExtension(direct=True), of=customer_id)
            return again.extension, made.secret
    return made.extension, made.secret


async def _trunk(uow: Uow, customer_id: UUID, change: Change, values: dict[str, Any]) -> tuple[Trunk, Secret | None]:
    if change.id is None:
        made = await trunks.create(uow, customer_id, read(NewTrunk, values))
    elif change.action == "change":
        made = await trunks.change(uow, change.id, read(ChangeTrunk, values), of=customer_id)
    elif change.action == "delete":
        made = await trunks.delete(uow, change.id, of=customer_id)
    else:
        made = await trunks.restore(uow, change.id, of=customer_id)
    return made.trunk, made.secret
