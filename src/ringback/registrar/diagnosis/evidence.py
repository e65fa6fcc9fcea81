"""What is known of a phone: our own rows, what the SIP servers read and write, whom they refused, what time it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ringback.kit.db import Row
from ringback.kit.errors import DatabaseUnavailable, TableMissing
from ringback.registrar import meta
from ringback.registrar.contacts import history
from ringback.registrar.contacts.model import Contact, Entry, from_row
from ringback.registrar.directs import service as directs
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import Extension
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Realm, Status
from ringback.registrar.refusals import keeping as refusals
from ringback.registrar.work import Uow
from ringback.settings import Settings
from ringback.sip import edge
from ringback.sip.ami_events import Refusal


@dataclass(frozen=True, slots=True)
class Asterisks:
    """What Asterisk's tables say: the rows of the endpoint, all its contacts, and their database's clock."""

    rows: Mapping[str, Row | None]
    contacts: tuple[Contact, ...]
    clock: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a diagnosis is made of; `theirs` is `None` where Asterisk's database does not answer.

    `rung` is the endpoint that the direct address rings, `heard` which Asterisks are to tell this process what happens,
    and whether they do. `last` is what became last of its contacts, `flaps` how often it came back within the hour.
    `alike` are the refusals of those who spell the name in other letter case.
    """

    extension: Extension
    settings: Settings
    now: datetime
    clock: datetime
    status: Status
    realm: Realm | None
    in_edge: Row | None
    rung: str | None
    theirs: Asterisks | None
    heard: Mapping[str, bool]
    last: Entry | None
    flaps: int
    refusals: tuple[Refusal, ...]
    alike: Mapping[str, tuple[Refusal, ...]]

    @property
    def live(self) -> tuple[Contact, ...]:
        """The contacts that have not expired."""
        found = self.theirs.contacts if self.theirs else ()
        return tuple(contact for contact in found if contact.expiration_time > self.now.timestamp())


async def of_extension(uow: Uow, id: UUID, *, of: UUID | None, hears: bool) -> Evidence:
    """Of a live extension; with `of`, only that customer's. What we remember is not believed: all is read anew.

    `hears` says whether this process listens to Asterisks, where there are any.
    """
    extension = (await extensions.get(uow, id, of=of)).extension
    newest = await history.newest(uow, extension)
    return Evidence(
        extension=extension,
        settings=uow.settings,
        now=uow.now,
        clock=await meta.clock(uow),
        status=await realms.status(uow, extension.customer_id),
        realm=await realms.of_customer(uow, extension.customer_id),
        in_edge=await edge.of(uow.session, extension.id),
        rung=await directs.rung(uow, extension.direct) if extension.direct else None,
        theirs=await _theirs(uow, extension.endpoint_id),
        heard=_heard(uow) if hears else {},
        last=newest[0] if newest else None,
        flaps=history.summed_up(newest, uow.now, is_here=False).flaps_last_hour,
        refusals=await refusals.of(uow, extension.endpoint_id),
        alike=uow.memory.sip_refusals.alike(extension.endpoint_id),
    )


def _heard(uow: Uow) -> dict[str, bool]:
    """Each Asterisk's address, and whether it is connected, as the metrics have it."""
    (gauge,) = uow.memory.metrics.asterisk_connected.collect()
    return {next(iter(sample.labels.values())): sample.value > 0 for sample in gauge.samples}


async def _theirs(uow: Uow, endpoint_id: str) -> Asterisks | None:
    try:
        rows = await uow.sip.rows(endpoint_id)
        contacts = [from_row(row) for row in await uow.sip.all_contacts(endpoint_id)]
        return Asterisks(rows, tuple(contacts), await uow.sip.clock())
    except TableMissing:
        raise
    except DatabaseUnavailable:
        return None
