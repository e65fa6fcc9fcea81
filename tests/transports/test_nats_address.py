"""Where NATS is: what may be said of it, and what is never shown."""

from pathlib import Path

import pytest

from ringback.kit.errors import CannotStart
from ringback.kit.secret import Secret
from ringback.knobs import load
from ringback.transports.nats.address import FORM, Address

SECRET = "Sample-Pass-0001"


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nats://127.0.0.1:4222", ["127.0.0.1:4222"]),
        ("nats://nats.example.com", ["nats.example.com:4222"]),
        ("tls://a.example.com:1, nats://[::1]:2/", ["a.example.com:1", "[::1]:2"]),
    ],
)
def test_an_address_names_servers(text: str, servers: list[str]) -> None:
    assert [str(server) for server in Address.parse(text).servers] == servers


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:4222",
        "nats://",
        "nats://host:port",
        "nats://host:70000",
        "amqp://host:1",
        f"nats://user:{SECRET}@host:4222",
        "nats://host:4222/path",
        "nats://host:4222?tls=1",
        "nats://host:4222,",
    ],
)
def test_what_is_no_address_ends_the_start_with_a_line_that_shows_nothing_of_it(text: str) -> None:
    with pytest.raises(CannotStart) as refused:
        load({"nats_address": text})

    assert str(refused.value) == f"nats_address: {FORM}"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"nats_user": "router"}, "nats_user and nats_password: set both or neither"),
        ({"nats_password": SECRET}, "nats_user and nats_password: set both or neither"),
        (
            {"nats_user": "u", "nats_password": SECRET, "nats_credentials_file": "x"},
            "nats_user and nats_credentials_file: set one of them",
        ),
        ({"nats_tls_cert": "x"}, "nats_tls_cert and nats_tls_key: set both or neither"),
    ],
)
def test_settings_that_do_not_go_together_are_named(given: dict[str, str], names: str) -> None:
    with pytest.raises(CannotStart) as refused:
        load({"nats_address": "nats://localhost:4222", **given})

    assert str(refused.value) == names


def test_no_secret_is_in_the_text_of_an_address() -> None:
    address = Address.parse("nats://host:4222", user="router", password=Secret(SECRET))

    assert (str(address), repr(address)) == ("host:4222", "Address(host:4222)")
    assert SECRET not in repr(load({"nats_user": "router", "nats_password": SECRET}))


@pytest.mark.contract("router S-9")
@pytest.mark.parametrize(
    ("text", "exposed"),
    [
        ("nats://127.0.0.1:4222", False),
        ("nats://[::1]:4222,nats://localhost", False),
        ("nats://10.0.0.1:4222", True),
        ("nats://localhost,nats://nats.example.com", True),
        ("tls://nats.example.com", False),
    ],
)
def test_plain_text_to_another_host_is_known(text: str, exposed: bool) -> None:
    assert Address.parse(text).is_exposed is exposed
    assert not Address.parse(text, ca=Path("ca.pem")).is_exposed


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(f"-----BEGIN NATS USER JWT-----\n{SECRET}")
    for field, path, line in [
        ("ca", file, "nats_tls_ca: is no certificate, or not that of the key"),
        ("ca", tmp_path / "none", "nats_tls_ca: cannot be read: no such file or directory"),
        ("cert", file, "nats_tls_cert, nats_tls_key: is no certificate, or not that of the key"),
        ("credentials", file, "nats_credentials_file: holds no JWT and seed of a NATS user"),
        ("credentials", tmp_path / "none", "nats_credentials_file: cannot be read: no such file or directory"),
    ]:
        address = Address.parse("nats://localhost", **{field: path, **({"key": path} if field == "cert" else {})})
        with pytest.raises(CannotStart) as refused:
            address.require_credentials() if field == "credentials" else address.context()
        assert str(refused.value) == line
