"""News about customers."""

from datetime import datetime
from typing import Literal

from ringback.customers.model import PUBLISHER, Customer
from ringback.customers.wire import news
from ringback.kit.events import Event

Action = Literal["created", "updated", "deleted", "frozen", "recovered"]


def told(action: Action, customer: Customer, at: datetime) -> Event:
    return Event(PUBLISHER, f"customer_{action}", customer.id, customer.id, news(customer, at))
