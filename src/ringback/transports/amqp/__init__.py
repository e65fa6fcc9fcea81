"""RabbitMQ (AMQP 0-9-1): the broker that carries requests, replies and events between services."""

from ringback.transports.amqp.address import Address
from ringback.transports.amqp.broker import Broker, client, each_time
from ringback.transports.amqp.publishing import Publishing
from ringback.transports.amqp.topology import Topology

__all__ = ["Address", "Broker", "Publishing", "Topology", "client", "each_time"]
