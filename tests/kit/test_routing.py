"""Method and path to the function that answers."""

from collections.abc import Callable
from uuid import UUID

from ringback.kit.routing import Found, Routes, WrongMethod

ID = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
Named = Callable[[], str]


def table() -> Routes[Named]:
    first: Routes[Named] = Routes()
    second: Routes[Named] = Routes()
    first.on("GET", "/things/<thing-id>")(lambda: "one")
    first.on("DELETE", "/things/<thing-id>")(lambda: "end")
    second.on("GET", "/things/count")(lambda: "count")
    second.on("GET", "/things/named/<name>")(lambda: "named")
    second.on("GET", "/v1/things/count")(lambda: "count of v1")
    second.on("GET", "/v1/things/<thing-id>")(lambda: "one of v1")
    return Routes(first, second)


def answer(method: str, path: str) -> str | None:
    found = table().find(method, path)
    return found.route.answer() if isinstance(found, Found) else None


def test_a_path_leads_to_its_route_with_its_values() -> None:
    found = table().find("GET", f"/things/{ID.upper()}")

    assert isinstance(found, Found)
    assert (found.path, found.faults) == ({"thing_id": UUID(ID)}, ())
    assert answer("DELETE", f"/things/{ID}") == "end"
    assert [answer("GET", f"/v1/things/{last}") for last in (ID, "count")] == ["one of v1", "count of v1"]


def test_a_route_without_faulty_ids_wins_over_one_with() -> None:
    assert answer("GET", "/things/count") == "count"
    assert table().find("DELETE", "/things/count") == WrongMethod(("GET",))


def test_a_faulty_id_is_named_and_the_methods_of_a_path_are_known() -> None:
    found = table().find("GET", "/things/x")

    assert isinstance(found, Found)
    assert [fault.field for fault in found.faults] == ["thing_id"]
    assert table().find("PUT", f"/things/{ID}") == WrongMethod(("DELETE", "GET"))
    assert table().find("GET", "/thing") is None


def test_a_segment_is_decoded_once_and_never_split() -> None:
    found = table().find("GET", "/things/named/a%2Fb+%2525")

    assert isinstance(found, Found)
    assert found.path == {"name": "a/b+%25"}
