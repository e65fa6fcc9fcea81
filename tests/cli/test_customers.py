"""`ringback customer`: customers on the database itself."""

from typing import Any

import pytest

from tests.cli.conftest import Ran, Shell

JSON = ("--format", "json")


def customer(shell: Shell, verb: str, *more: str) -> Ran:
    return shell.ringback("customer", verb, *more)


def made(shell: Shell, *more: str) -> dict[str, Any]:
    ran = customer(shell, "create", "--name", "Acme", "--email", "ops@acme.example", *more, *JSON)
    assert ran.code == 0, ran
    return dict(ran.json)


def test_a_customer_is_made_shown_changed_and_listed(shell: Shell) -> None:
    new = made(shell, "--label", "acme", "--extension", "5", "--id", shell.customer)
    of = ("--customer_id", new["id"])

    changed = customer(shell, "update", *of, "--name", "Acme Phones", "--trunk", "0", *JSON).json

    assert (new["id"], new["domain_label"], new["limit_extension"]) == (shell.customer, "acme", 5)
    assert (changed["name"], changed["limit_extension"], changed["limit_trunk"]) == ("Acme Phones", 5, 0)
    assert customer(shell, "get", *of, *JSON).json == changed
    assert customer(shell, "list", "--email", "ops@acme.example", *JSON).json == [changed]
    assert customer(shell, "list", "--status", "frozen", *JSON).json == []
    again = customer(shell, "update", *of, "--extension", "default", *JSON).json
    assert (again["limit_extension"], again["limit_trunk"]) == (None, 0)
    people = customer(shell, "list")
    assert all(text in people.out for text in ("Acme Phones", "acme", new["id"]))


def test_frozen_and_recovered_are_what_the_registrar_knows(shell: Shell) -> None:
    of = ("--customer_id", made(shell)["id"])

    assert customer(shell, "freeze", *of, *JSON).json["status"] == "frozen"
    assert shell.control("customer", "get", *of, *JSON).json["status"] == "frozen"
    shell.control("customer", "recover", *of)
    assert customer(shell, "get", *of, *JSON).json["status"] == "active"


def test_a_deleted_customer_ends_with_all_of_theirs_and_is_forgotten(shell: Shell) -> None:
    made(shell, "--id", shell.customer)
    shell.create("1001")
    of = ("--customer_id", shell.customer)

    unsure = customer(shell, "delete", *of)
    gone = customer(shell, "delete", *of, "--force", *JSON)
    again = customer(shell, "delete", *of, "--force")

    assert (unsure.code, "--force" in unsure.err) == (2, True)
    assert (gone.code, gone.json["status"], gone.err) == (0, "deleted", "1 deleted\n")
    assert (again.code, again.out, again.err) == (0, "", "0 deleted\n")
    assert customer(shell, "get", *of).code == 3
    assert customer(shell, "delete", "--customer_id", "4b1f0a52-5d0e-4c38-8c36-0c6a3d1f7e01", "--force").code == 3
    (row,) = shell.sql("SELECT name, email, tm_delete IS NULL AS lives FROM ringback_customers")
    assert row == {"name": "", "email": "", "lives": 0}
    assert [one["id"] for one in customer(shell, "list", "--deleted", *JSON).json] == [shell.customer]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("create",), ["--name", "--email"]),
        (("create", "--name", "", "--email", "x", "--label", "www", "--extension", "-1"),
         ["--name", "--email", "--label", "--extension"]),
        (("update", "--customer_id", "4b1f0a52-5d0e-4c38-8c36-0c6a3d1f7e01"), ["--name"]),
        (("freeze",), ["--customer_id"]),
        (("list", "--status", "asleep", "--limit", "0"), ["--status", "--limit"]),
    ],
    ids=lambda value: value[0],
)  # fmt: skip
def test_all_faulty_flags_are_named_and_nothing_is_written(
    shell: Shell, words: tuple[str, ...], named: list[str]
) -> None:
    ran = customer(shell, *words)

    assert (ran.code, ran.out) == (2, "")
    assert all(f"{flag} " in ran.err for flag in named), ran.err
    assert shell.sql("SELECT * FROM ringback_customers") == shell.sql("SELECT * FROM registrar_customers") == []


def test_the_socket_of_a_home_is_asked_for_customers_too(shell: Shell) -> None:
    new = made(shell)

    found = shell.ringback("rpc", "GET", "/v1/customers", "--data", '{"email": "ops@acme.example"}')
    none = shell.ringback("rpc", "GET", f"/v1/customers/{shell.customer}")

    assert found.json["data"] == [new]
    assert (none.code, none.json["data"]["domain"], none.json["data"]["reason"]) == (
        3, "customer-manager", "CUSTOMER_NOT_FOUND",
    )  # fmt: skip
