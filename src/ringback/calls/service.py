"""The rules of a call that comes in: who rings, or why nobody does."""

from ringback.calls import store
from ringback.calls.routing import Called, Caller, Kind, Out, Refusal, Ring, decide, decide_out, may_go_out
from ringback.registrar.directs import service as directs
from ringback.registrar.directs.model import LookupRateLimited, source_of
from ringback.registrar.work import Uow


async def route(uow: Uow, caller: Caller, called: Called) -> Ring | Out | Refusal:
    """Who rings. Whoever asks for unknown direct addresses too often rings none for a while (registrar 8.3)."""
    if not called.hash:
        found = await store.find(uow.session, caller, called)
        if found is None and may_go_out(caller, called):
            return decide_out(await store.way_out(uow.session, caller))
        return decide(called, found)
    who = caller.name if caller.kind is Kind.TRUNK else source_of(caller.source)  # carriers serve many
    try:
        found = await directs.within_budget(uow, who, lambda: store.find(uow.session, caller, called))
    except LookupRateLimited:
        return Refusal.LIMITED
    return decide(called, found)


async def screened(uow: Uow) -> int:
    """How many customers have a policy for calls to their direct addresses (router P-6)."""
    return await store.screened(uow.session)
