"""A slow fill never brings back what was invalidated."""

import pytest

from ringback.kit.cache import Cache


class Turned:
    """Time and the state of the world, in the test's hands."""

    def __init__(self) -> None:
        self.now = 0.0
        self.revision = 1
        self.cache: Cache[str, str] = Cache(lambda: self.now, lambda: self.revision, largest=3)

    def hold(self, key: str, value: str = "v", seconds: float = 10) -> None:
        self.cache.fill(key, self.cache.begin(), value, seconds)


@pytest.fixture
def turned() -> Turned:
    return Turned()


def test_a_value_is_held_for_its_time(turned: Turned) -> None:
    turned.hold("a", "1")
    turned.now = 9.9
    assert turned.cache.get("a") == "1"
    assert turned.cache.get("b") is None
    turned.now = 10
    assert turned.cache.get("a") is None


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_value_without_time_is_not_held(turned: Turned, seconds: float) -> None:
    turned.hold("a", seconds=seconds)

    assert turned.cache.get("a") is None


@pytest.mark.contract("registrar R-49")
def test_a_fill_begun_before_an_invalidation_is_discarded(turned: Turned) -> None:
    begun, other = turned.cache.begin(), turned.cache.begin()
    turned.cache.invalidate("a")
    turned.cache.fill("a", begun, "stale", 10)
    turned.cache.fill("b", other, "fresh", 10)

    assert turned.cache.get("a") is None
    assert turned.cache.get("b") == "fresh"
    turned.hold("a", "new")
    assert turned.cache.get("a") == "new"


@pytest.mark.contract("registrar R-49")
def test_an_invalidation_is_remembered_however_many_follow(turned: Turned) -> None:
    begun = turned.cache.begin()
    for key in "abcdefgh":
        turned.cache.invalidate(key)
    turned.cache.fill("a", begun, "stale", 10)

    assert turned.cache.get("a") is None
    turned.hold("a", "new")
    assert turned.cache.get("a") == "new"


def test_a_changed_world_hides_what_was_filled_before_and_during_the_change(turned: Turned) -> None:
    turned.hold("a")
    begun = turned.cache.begin()
    turned.revision = 2
    turned.cache.fill("b", begun, "stale", 10)

    assert turned.cache.get("a") is None
    assert turned.cache.get("b") is None


def test_the_oldest_go_when_there_are_too_many(turned: Turned) -> None:
    for key in "abca":
        turned.hold(key)
    turned.hold("d")

    assert [key for key in "abcd" if turned.cache.get(key)] == ["a", "c", "d"]
