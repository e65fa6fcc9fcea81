"""Whether a customer may have one more of something, as billing-manager says (registrar 17)."""

import asyncio
from typing import Final, Literal
from uuid import UUID

import msgspec
import structlog

from ringback.kit.errors import Failure, PeerUnavailable
from ringback.kit.gate import Gate
from ringback.kit.peer import Peer
from ringback.registrar.realms.model import LimitExceeded

BILLING: Final = "bin-manager.billing-manager.request"
"""The target that billing-manager answers at."""
TIMEOUT: Final = 2.0
"""Seconds that its reply may take."""
PATIENCE: Final = 2.25
"""The same with the wait for a place at the gate: what is left of a request's 2.5 s is for the database."""
URI: Final = "/v1/accounts/is_valid_resource_limit_by_customer_id"

Kind = Literal["extension", "trunk"]

log = structlog.get_logger()


class Question(msgspec.Struct, frozen=True):
    """May this customer have one more?"""

    customer_id: UUID
    resource_type: Kind


class Verdict(msgspec.Struct, frozen=True):
    """They may, or may not."""

    valid: bool


VERDICT: Final = msgspec.json.Decoder(Verdict)


class Billing:
    """Asks billing-manager, which asks us how many there are before it answers: so a few at a time, within `gate`."""

    def __init__(self, peer: Peer, gate: Gate, patience: float = PATIENCE) -> None:
        """`patience` is in seconds."""
        self.gate = gate
        self._peer = peer
        self._patience = patience

    async def require_room(self, kind: Kind, customer_id: UUID) -> None:
        """`LimitExceeded` when there is none, or what billing-manager refuses with in its own words.

        `PeerUnavailable` when there was no answer in time, or none that says either.
        """
        question = Question(customer_id, kind)
        try:
            async with asyncio.timeout(self._patience), self.gate:
                verdict = await self._peer.ask(VERDICT, "POST", URI, data=question)
        except TimeoutError:
            raise PeerUnavailable from None
        except PeerUnavailable:
            raise
        except Failure as failure:
            if failure.domain is None:
                log.warning("billing-manager says neither yes nor no", action="ask", reason=failure.reason)
                raise PeerUnavailable from None
            raise
        if not verdict.valid:
            raise LimitExceeded
