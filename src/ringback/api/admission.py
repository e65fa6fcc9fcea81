"""Who is let in, and may: the same for every door, be it HTTP or NATS."""

from collections.abc import Callable, Sequence
from uuid import UUID

from ringback.api.call import Caller
from ringback.api.caller import who, who_by
from ringback.api.limits import Limits
from ringback.customers.keys.model import AccessKey
from ringback.customers.rights import Right
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.uow import Work
from ringback.registrar.work import Uow
from ringback.router.writing import PUBLISHER as ROUTER


class Admission:
    """Finds who holds a credential, each time anew: a key that was revoked is refused at its next request (R-11a)."""

    def __init__(
        self,
        work: Work[Uow],
        kept_key: Callable[[str], AccessKey | None],
        *,
        used: Callable[[UUID], None] = lambda key: None,
        limits: Limits | None = None,
    ) -> None:
        """`kept_key` knows the access keys where the database is away, or is `DatabaseUnavailable` too.

        `used` is told of each use of a key.
        """
        self._work = work
        self._kept_key = kept_key
        self._used = used
        self.limits = limits or Limits()

    async def admit(
        self, credentials: Sequence[str], address: str, right: Right, service: str, headers: dict[str, str]
    ) -> Caller:
        """Whose credential it is, if they have the right; `headers` gets what their answer says of their budget."""
        caller = await self.limits.admit(
            credentials[0] if credentials else "", address, lambda: self.holder(credentials, address, service), headers
        )
        if caller.key_id:
            self._used(caller.key_id)
        caller.require(right)
        return caller

    async def holder(self, credentials: Sequence[str], address: str, service: str) -> Caller:
        """Of the credential; for what is served without the database it need not be there."""
        try:
            return await self._work.read(lambda uow: who(uow, address, *credentials))
        except DatabaseUnavailable:
            if service != ROUTER:
                raise
            return who_by(self._kept_key, address, *credentials)
