"""The first start of the embedded default: the customer `demo`, a key of theirs, a key of the operator."""

from pathlib import Path
from uuid import UUID, uuid4

import msgspec

from ringback.customers import service as customers
from ringback.customers.keys import service as keys
from ringback.customers.keys.model import ADMIN, OPERATOR, new_token
from ringback.customers.model import PUBLISHER as CUSTOMERS
from ringback.customers.wire import NewCustomer
from ringback.kit import files
from ringback.kit.errors import CannotStart
from ringback.kit.secret import Secret
from ringback.kit.uow import Work
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import LabelTaken
from ringback.registrar.work import Uow

FILE = "keys.json"
LABEL = "demo"
EMAIL = "demo@example.com"


class Keys(msgspec.Struct, frozen=True):
    """What `keys.json` holds. It is the only place where these keys stand in clear."""

    url: str
    customer_id: UUID
    customer_key: str
    operator_key: str

    def __repr__(self) -> str:
        return f"Keys({self.url!r}, {self.customer_id})"


def read(home: Path) -> Keys | None:
    """The keys of this home, if it has any; `CannotStart` for a file that cannot be read."""
    path = home / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Keys)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CannotStart(f"{path} cannot be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise CannotStart(
            f"{path} is damaged ({error}); restore it, or remove it and the database to start anew"
        ) from None


def write(home: Path, kept: Keys) -> None:
    """Replace the file in one step, readable by its owner alone."""
    try:
        files.replace(home / FILE, msgspec.json.format(msgspec.json.encode(kept)) + b"\n", mode=0o600)
    except OSError as error:
        raise CannotStart(f"{home / FILE} cannot be written: {error.strerror}") from None


async def ensure(work: Work[Uow], home: Path, url: str) -> tuple[Keys | None, bool]:
    """The keys of this home and whether they are new; `None` where the operator has taken the file away.

    The file comes first and the rows follow it, so a kill between the two is mended by the next start.
    """
    kept = read(home)
    anew = kept is None
    if kept is None:
        if await work.read(keys.any_exist):
            return None, False
        kept = Keys(url, uuid4(), new_token().reveal(), new_token().reveal())
        write(home, kept)
    elif kept.url != url:
        kept = msgspec.structs.replace(kept, url=url)
        write(home, kept)
    found = kept
    if anew or not await work.read(keys.any_exist):  # new ones beside those that another home has made meanwhile
        await work.write(lambda uow: _provision(uow, found))
    return kept, anew


async def _provision(uow: Uow, kept: Keys) -> None:
    try:
        await realms.ensure(uow, kept.customer_id, LABEL)
    except LabelTaken:  # somebody's in a database that was there before
        await realms.ensure(uow, kept.customer_id)
    if uow.settings.runs(CUSTOMERS) and not await customers.is_there(uow, kept.customer_id):
        await customers.create(uow, NewCustomer(id=kept.customer_id, name=LABEL, email=EMAIL))
    await keys.keep(uow, Secret(kept.customer_key), kept.customer_id, LABEL, ADMIN)
    await keys.keep(uow, Secret(kept.operator_key), None, OPERATOR, OPERATOR)
