"""Where a broker is: what an AMQP URL says, and that its password is said nowhere."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.kit.errors import CannotStart
from ringback.transports import amqp
from ringback.transports.amqp import Address, Topology

SERVICE = Topology.of("registrar-manager", "customer-manager")


@pytest.mark.parametrize(
    ("text", "host", "port", "user", "password", "vhost"),
    [
        ("amqp://guest:guest@localhost:5672", "localhost", 5672, "guest", "guest", "/"),
        ("amqp://", "localhost", 5672, "guest", "guest", "/"),
        ("amqp://broker", "broker", 5672, "guest", "guest", "/"),
        ("amqp://broker/", "broker", 5672, "guest", "guest", "/"),
        ("amqp://u:p@broker:1/v", "broker", 1, "u", "p", "v"),
        ("amqp://u:p@broker/%2F", "broker", 5672, "u", "p", "/"),
        ("amqp://u:p@broker/a%2Fb", "broker", 5672, "u", "p", "a/b"),
        ("amqp://u%40x:p%2F%3A%40@broker", "broker", 5672, "u@x", "p/:@", "/"),
        ("amqp://u:p@w@broker", "broker", 5672, "u", "p@w", "/"),
        ("amqp://u:@broker", "broker", 5672, "u", "", "/"),
        ("amqps://u:p@broker", "broker", 5671, "u", "p", "/"),
        ("amqp://u:p@[::1]:5673/v", "::1", 5673, "u", "p", "v"),
    ],
)
def test_a_url_is_read_as_other_clients_read_it(
    text: str, host: str, port: int, user: str, password: str, vhost: str
) -> None:
    found = Address.parse(text)

    assert (found.host, found.port, found.user, found.vhost) == (host, port, user, vhost)
    assert found.password.reveal() == password
    assert found.is_tls == text.startswith("amqps")


def test_options_of_tls_and_the_heartbeat_are_read_and_those_of_other_clients_are_let_be() -> None:
    found = Address.parse(
        "amqps://broker?cacertfile=/ca.pem&certfile=/c.pem&keyfile=/k.pem&server_name_indication=name&heartbeat=9"
        "&connection_timeout=3000&channel_max=7"
    )

    assert (found.cacertfile, found.certfile, found.keyfile) == ("/ca.pem", "/c.pem", "/k.pem")
    assert (found.server_name_indication, found.heartbeat) == ("name", 9)
    assert Address.parse("amqp://broker").heartbeat == 5


@pytest.mark.parametrize(
    "text",
    [
        *("", "broker", "http://u:MARK@broker", "amqp:MARK", "amqp://u:MARK@broker:port", "amqp://u:MARK@broker:99999"),
        *("amqp://u:MARK@broker/a/b", "amqp://u:MA/RK@broker", "amqp://u:MARK@[::1", "amqp://u:MARK@broker/v#x"),
        *("amqp://u:MA/MARK@broker/v", "amqp://u:MARK#@broker", "amqp://u:MARK@broker?MARK=MARK"),
        *("amqp://u:MARK@broker?heartbeat=MARK", "amqp://broker?heartbeat=0", "amqp://broker?heartbeat=99999999"),
        *("amqp://u:MARK@broker?certfile=/MARK", "amqp://u:MARK?@broker"),
    ],
)
async def test_what_is_no_address_ends_the_start_and_its_text_is_not_repeated(text: str) -> None:
    with pytest.raises(CannotStart, match=r"^rabbitmq_address: [^\n]+$") as refused:
        amqp.Broker(text, SERVICE)

    assert "MA" not in str(refused.value)
    with pytest.raises(CannotStart, match=r"^rabbitmq_address: "):
        async with amqp.client(text):
            pass


@given(st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    for one in (text, f"amqp://{text}", f"amqp://u:p@broker?{text}"):
        with suppress(ValueError):
            assert Address.parse(one).host


def test_an_address_is_printed_without_who_we_are() -> None:
    for text, shown in (
        ("amqp://user:MARK@broker:5673/v", "broker:5673 (v)"),
        ("amqp://user:MARK@[::1]", "[::1]:5672"),
    ):
        assert str(Address.parse(text)) == shown
        assert repr(Address.parse(text)) == f"Address({shown})"


@pytest.mark.parametrize("files", ["cacertfile={0}", "certfile={0}&keyfile={0}", "cacertfile=/nowhere"])
async def test_a_certificate_that_is_none_ends_the_start(tmp_path: Path, files: str) -> None:
    file = tmp_path / "file.pem"
    file.write_text("no certificate")
    broker = amqp.Broker("amqps://u:MARK@localhost:1?" + files.format(file), SERVICE)

    with pytest.raises(CannotStart, match=r"^rabbitmq_address: a certificate or key of the address ") as refused:
        await broker.start()

    assert "MARK" not in str(refused.value)
    assert len(asyncio.all_tasks()) == 1


def test_the_names_of_a_service_are_those_of_the_platform_unless_others_are_given() -> None:
    assert (
        Topology(
            service="registrar-manager",
            requests="bin-manager.registrar-manager.request",
            subscription="bin-manager.registrar-manager.subscribe",
            events="bin-manager.registrar-manager.event",
            upstreams=("bin-manager.customer-manager.event",),
        )
        == SERVICE
    )
    assert Topology.of("x", requests="r", events="e") == Topology("x", "r", "bin-manager.x.subscribe", "e", ())
    assert Topology.of("x", subscription="s").subscription == "s"
