"""News about calls."""

from ringback.calls.records.model import PUBLISHER, Call
from ringback.calls.records.wire import shown
from ringback.kit.events import Event


def _event(action: str, call: Call) -> Event:
    return Event(PUBLISHER, f"call_{action}", call.id, call.id, shown(call))


def started(call: Call) -> Event:
    return _event("started", call)


def answered(call: Call) -> Event:
    return _event("answered", call)


def ended(call: Call) -> Event:
    return _event("ended", call)
