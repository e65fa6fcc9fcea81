"""Who rings, or goes out by a trunk, by what is known of caller and called."""

import pytest

from ringback.calls.routing import Called, Caller, Found, Kind, Out, Refusal, decide_out, may_go_out

PHONE = Caller(Kind.PHONE, "1001@acme.registrar.example.com", "192.0.2.1")
TRUNK = Caller(Kind.TRUNK, "carrier-a.trunk.example.com", "192.0.2.1")
STRANGER = Caller(Kind.STRANGER, "", "192.0.2.1")


@pytest.mark.parametrize("number", ["10", "110", "+4930", "004930123456", "1" * 32, "+" + "1" * 32])
def test_a_phone_may_call_out_to_what_looks_like_a_telephone_number_and_nobody_else_may(number: str) -> None:
    called = Called(number=number)

    assert [may_go_out(caller, called) for caller in (PHONE, TRUNK, STRANGER)] == [True, False, False]


@pytest.mark.parametrize(
    "number",
    ["", "1", "+1", "+", "++49", "49+30", "1" * 33, "12a", "12-3", "1.2", "30.", "1_2", "alice", "١٢٣", "12\n"],
)
def test_what_is_no_telephone_number_goes_nowhere(number: str) -> None:
    assert not may_go_out(PHONE, Called(number=number))


def test_no_direct_address_goes_out() -> None:
    assert not may_go_out(PHONE, Called(hash="123456"))


def test_it_goes_by_the_trunk_that_was_found_unless_the_customer_is_frozen() -> None:
    assert decide_out(Found("carrier-a.trunk.example.com", ("active",))) == Out("carrier-a.trunk.example.com")
    assert decide_out(Found("carrier-a.trunk.example.com", ("frozen",))) is Refusal.FROZEN
    assert decide_out(None) is Refusal.UNKNOWN
