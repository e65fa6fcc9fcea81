"""What an Asterisk's events mean for phones: whose contacts to look at, and who was refused."""

from datetime import UTC, datetime

import pytest

from ringback.sip import ami
from ringback.sip.ami_events import Refusal, Refusals, refused, touched

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PHONE = "1001@demo.registrar.localhost"


def event(name: str, **fields: str) -> ami.Message:
    """As Asterisk 22 writes it."""
    usual = {
        "Privilege": "security,all",
        "SystemName": "asterisk",
        "EventTV": "2026-11-21T19:23:03.036+0000",
        "Severity": "Error",
        "Service": "PJSIP",
        "AccountID": PHONE,
        "RemoteAddress": "IPV4/UDP/127.0.0.1/33063",
    }
    return ami.read(ami.action("", Event=name, **(usual | fields)))


def test_a_proven_request_of_sip_touches_its_phone_and_a_login_at_the_manager_port_none() -> None:
    assert touched(event("SuccessfulAuth")) == PHONE
    assert touched(event("SuccessfulAuth", Service="AMI", AccountID="ringback")) is None
    assert touched(event("ChallengeSent")) is None


def test_a_contact_that_asterisk_speaks_of_touches_its_endpoint() -> None:
    assert touched({"Event": "ContactStatus", "ContactStatus": "Removed", "AOR": PHONE, "EndpointName": PHONE}) == PHONE
    assert touched({"Event": "ContactStatus", "ContactStatus": "Removed", "AOR": PHONE, "EndpointName": ""}) == PHONE


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ChallengeResponseFailed", "wrong_password"),
        ("InvalidAccountID", "unknown_account"),
        ("FailedACL", "address_not_allowed"),
    ],
)
def test_a_refusal_says_when_why_and_from_where(name: str, reason: str) -> None:
    at = datetime(2026, 11, 21, 19, 23, 3, 36000, UTC)

    assert refused(event(name), NOW) == (PHONE, Refusal(at, reason, "127.0.0.1:33063", "udp", "asterisk"))


def test_a_challenge_and_what_is_no_phones_are_no_refusals() -> None:
    assert refused(event("ChallengeSent"), NOW) is None
    assert refused(event("ChallengeResponseFailed", AccountID="<unknown>"), NOW) is None
    assert refused(event("InvalidPassword", Service="AMI"), NOW) is None
    assert refused({"Event": "FailedACL"}, NOW) is None


@pytest.mark.parametrize(
    ("remote", "transport", "address"),
    [
        ("IPV6/TLS/::1/5061", "tls", "[::1]:5061"),
        ("IPV4/WSS/192.0.2.1/1", "wss", "192.0.2.1:1"),
        ("", "", ""),
        ("IPV4/UDP/<script>/1", "", ""),
        ("IPV4/UDP/1.2.3.4/999999", "", ""),
    ],
)
def test_an_address_is_read_or_left_empty(remote: str, transport: str, address: str) -> None:
    found = refused(event("FailedACL", RemoteAddress=remote, EventTV="yesterday"), NOW)

    assert found
    assert (found[1].transport, found[1].address, found[1].at) == (transport, address, NOW)


def one(number: int) -> Refusal:
    return Refusal(NOW, "wrong_password", f"192.0.2.1:{number}", "udp", "asterisk")


def test_the_last_twenty_refusals_of_a_phone_are_kept() -> None:
    refusals = Refusals(lambda name: name.endswith(".registrar.localhost"))
    for number in range(25):
        refusals.note(PHONE, one(number))

    assert refusals.of(PHONE) == tuple(one(number) for number in range(5, 25))
    assert refusals.of("1002@demo.registrar.localhost") == ()


def test_who_guesses_names_drives_out_no_phone_and_the_phone_refused_longest_ago_goes_first() -> None:
    refusals = Refusals(lambda name: name.endswith(".registrar.localhost"), phones=2)
    refusals.note(PHONE, one(1))
    for number in range(9):
        refusals.note(str(number), one(number))

    assert (refusals.of(PHONE), refusals.of("6"), refusals.of("8")) == ((one(1),), (), (one(8),))

    for number in (2, 3):
        refusals.note(f"{number}@demo.registrar.localhost", one(number))
    assert refusals.of(PHONE) == ()
