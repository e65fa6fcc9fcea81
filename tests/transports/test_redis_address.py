"""Where a Redis is: what the setting says, and that its password is said nowhere."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.kit.errors import CannotStart
from ringback.transports.redis.address import Address
from tests.world import MakeWorld


@pytest.mark.parametrize(
    ("text", "host", "port", "user", "password", "database"),
    [
        ("redis:6379", "redis", 6379, "", "", 3),
        ("127.0.0.1:1", "127.0.0.1", 1, "", "", 3),
        ("[::1]:6380", "::1", 6380, "", "", 3),
        (":6379", "localhost", 6379, "", "", 3),
        ("redis://redis", "redis", 6379, "", "", 3),
        ("redis://redis/", "redis", 6379, "", "", 3),
        ("redis://redis:1/0", "redis", 1, "", "", 0),
        ("redis://:p@redis/15", "redis", 6379, "", "p", 15),
        ("redis://u%40x:p%2F%3A%40@redis", "redis", 6379, "u@x", "p/:@", 3),
        ("rediss://u:p@redis:6380/1", "redis", 6380, "u", "p", 1),
    ],
)
def test_an_address_says_what_it_says_and_leaves_the_rest_to_the_other_settings(
    text: str, host: str, port: int, user: str, password: str, database: int
) -> None:
    for given_password in ("", "given"):
        found = Address.parse(text, given_password, 3)

        assert (found.host, found.port, found.user, found.database) == (host, port, user, database)
        assert found.password.reveal() == (password or given_password)
        assert found.is_tls == text.startswith("rediss")


def test_files_of_tls_are_read() -> None:
    found = Address.parse("rediss://redis?ssl_ca_certs=/ca.pem&ssl_certfile=/c.pem&ssl_keyfile=/k.pem")

    assert found.files == (("ssl_ca_certs", "/ca.pem"), ("ssl_certfile", "/c.pem"), ("ssl_keyfile", "/k.pem"))


WRONG = [
    "redis", "redis:port", "redis:99999", "u:MARK@redis:6379", "redis:6379/1", "redis:6379?x=y", "http://u:MARK@redis",
    "redis://u:MARK@redis:port", "redis://u:MARK@redis/one", "redis://u:MARK@redis/1/2", "redis://u:MA/RK@redis",
    "redis://u:MA#RK@redis", "redis://u:MA@RK@redis", "redis://u:MARK@[::1", "redis://u:MARK@redis?db=MARK",
    "redis://redis?ssl_ca_certs=/ca.pem", "redis://u:MARK @redis", "redis://u:MÄRK@redis", "unix:///MARK", "redis:MARK",
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_address_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(must be|knows no|has files)") as refused:
        Address.parse(text)

    shown = repr(refused.value) + repr(refused.value.__cause__)
    assert "MARK" not in shown
    assert "RK@" not in shown


@given(st.text(max_size=40), st.text(max_size=20))
def test_any_text_is_an_address_or_is_refused(text: str, rest: str) -> None:
    for one in (text, f"redis://{text}@{rest}", f"redis://{rest}/{text}"):
        try:
            found = Address.parse(one)
        except ValueError as refused:
            said = str(refused)
        else:
            said = "must be" if 0 <= found.port <= 65535 else ""
        assert said.startswith(("must be", "knows no", "has files"))


def test_an_address_prints_without_its_password() -> None:
    assert "MARK" not in repr(Address.parse("redis://u:MARK@redis", "MARK"))


@pytest.mark.parametrize(
    "given", [{"redis_address": "redis://u:MARK@redis/one"}, {"redis_address": "redis://:MARK@[x"}]
)
def test_a_start_names_the_setting_and_no_secret(make_world: MakeWorld, given: dict[str, Any]) -> None:
    with pytest.raises(CannotStart, match=r"^redis_address: must be") as refused:
        make_world(**given)

    assert "MARK" not in str(refused.value)
