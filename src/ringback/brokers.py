"""The brokers of the settings, not yet connected: RabbitMQ for each service that speaks there, and NATS."""

from typing import TYPE_CHECKING, Any

from ringback.calls.records.model import PUBLISHER as CALLS
from ringback.customers.model import PUBLISHER as CUSTOMERS
from ringback.kit.secret import Secret
from ringback.registrar.events import PUBLISHER
from ringback.router.writing import PUBLISHER as ROUTER
from ringback.settings import Settings
from ringback.transports.amqp import Broker, Topology
from ringback.transports.nats.address import Address

if TYPE_CHECKING:
    from ringback.transports.nats.link import Link


def broker_of(settings: Settings) -> Broker | None:
    """The broker of the settings, not yet connected, if there is one and this process needs it."""
    is_needed = settings.runs(PUBLISHER) or settings.limits == "billing"
    if settings.rabbitmq_url is None or not is_needed:
        return None
    names = Topology.of(
        PUBLISHER,
        CUSTOMERS,
        requests=settings.rabbit_queue_listen,
        events=settings.rabbit_queue_event,
        subscription=settings.rabbit_queue_subscribe,
    )
    return Broker(settings.rabbitmq_url.reveal(), names)


def other_broker_of(settings: Settings, service: str) -> Broker | None:
    """The same for a service that has a queue and an exchange of its own: customer-manager, call-manager."""
    if settings.rabbitmq_url is None or not settings.runs(service):
        return None
    return Broker(settings.rabbitmq_url.reveal(), Topology.of(service))


def nats_of(settings: Settings, name: str = ROUTER) -> "Link | None":
    """NATS as the settings have it, not yet connected, if there is one and this process needs it: `name` is our own."""
    if not settings.nats_address or not settings.runs(ROUTER):
        return None
    from ringback.transports.nats.link import Link  # the client's import takes as long as a short command

    address = Address.parse(
        settings.nats_address,
        user=settings.nats_user,
        password=Secret(settings.nats_password.get_secret_value()),
        credentials=settings.nats_credentials_file,
        ca=settings.nats_tls_ca,
        cert=settings.nats_tls_cert,
        key=settings.nats_tls_key,
    )
    return Link(address, name)


def ways_of(
    settings: Settings, broker: Broker | None, customers: Broker | None, calls: Broker | None
) -> dict[str, Any]:
    """What of the broker the rest is put together with; call-manager tells there, and is asked nothing."""
    ways: dict[str, Any] = {}
    found = {PUBLISHER: broker if settings.runs(PUBLISHER) else None, CUSTOMERS: customers}
    served = [one for one in found.values() if one]
    if telling := {service: one for service, one in {**found, CALLS: calls}.items() if one}:
        ways = {"buses": {service: one.publishing() for service, one in telling.items()}, "exchange": "fanout"}
    if served:
        ways["is_reached"] = lambda: all(one.is_serving for one in served)
    if broker and settings.limits == "billing":
        ways["ask"] = broker.asking()
    return ways
