"""RabbitMQ by settings: what its URL may say stands beside it, too."""

import pytest

from ringback.kit.errors import CannotStart
from ringback.knobs import load
from ringback.transports.amqp.address import Address

pytestmark = pytest.mark.contract("router 0")
FILES = {"rabbitmq_tls_ca": "/tls/ca 1.pem", "rabbitmq_tls_cert": "/tls/c.pem", "rabbitmq_tls_key": "/tls/k.pem"}


def address(**settings: str) -> Address:
    found = load(settings).rabbitmq_url
    assert found
    return Address.parse(found.reveal())


def test_user_password_and_files_of_tls_are_settings_of_their_own() -> None:
    found = address(
        rabbitmq_address="amqp://broker/calls?heartbeat=9", rabbitmq_user="a/b", rabbitmq_password="p@:%2F?", **FILES
    )

    assert (found.user, found.password.reveal(), found.host, found.vhost) == ("a/b", "p@:%2F?", "broker", "calls")
    assert (found.cacertfile, found.certfile, found.keyfile) == tuple(FILES.values())
    assert (found.is_tls, found.port, found.heartbeat) == (True, 5671, 9)


def test_an_address_alone_is_as_it_was() -> None:
    text = "amqp://u:p%2F@broker:5673/v?heartbeat=9"

    assert load({"rabbitmq_address": text}).rabbitmq_url.reveal() == text  # type: ignore[union-attr]
    assert load({}).rabbitmq_url is None


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"rabbitmq_user": "u"}, "rabbitmq_password"),
        ({"rabbitmq_password": "MARK"}, "rabbitmq_user"),
        ({"rabbitmq_tls_key": "/k.pem"}, "rabbitmq_tls_cert"),
        ({"rabbitmq_address": "amqp://u:MARK@b", "rabbitmq_user": "u", "rabbitmq_password": "MARK"}, "rabbitmq_user"),
    ],
)
def test_what_is_half_said_or_twice_is_refused_by_its_name(settings: dict[str, str], named: str) -> None:
    with pytest.raises(CannotStart, match=named) as refused:
        load({"rabbitmq_address": "amqp://broker", **settings})

    assert "MARK" not in str(refused.value)
