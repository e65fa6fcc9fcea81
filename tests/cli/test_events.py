"""`ringback events`: what happened, for people and for programs."""

import json

import msgspec
import pytest

from tests.cli.conftest import Shell

pytestmark = pytest.mark.long


@pytest.mark.contract("registrar R-66")
def test_each_line_is_an_envelope_with_the_id_of_its_message(shell: Shell) -> None:
    made = shell.create("1001", "--direct", "--password", "Marker-Pass-4711")
    trunk = ("--domain", "carrier-a", "--username", "pbx01", "--password", "Marker-Pass-4711")
    shell.control("trunk", "create", "--customer_id", shell.customer, *trunk)
    shell.control("extension", "delete", "--id", made["id"], "--force")

    ran = shell.ringback("events", "--format", "json")
    lines = [json.loads(line) for line in ran.out.splitlines()]

    assert [line["type"] for line in lines] == [
        "extension_created", "extension_direct_created", "trunk_created", "extension_direct_deleted",
        "extension_deleted",
    ]  # fmt: skip
    assert {tuple(line) for line in lines} == {("message_id", "type", "publisher", "data_type", "data")}
    assert [line["message_id"] for line in lines] == [1, 2, 3, 4, 5]
    assert {line["publisher"] for line in lines} == {"registrar-manager"}
    for word in ("password", "Marker-Pass-4711"):
        assert word not in ran.out
        assert word not in shell.ringback("events").out
    assert shell.ringback("events").out.count("\n") == 5
    documents = shell.ringback("events", "--format", "yaml").out.split("---\n")[1:]
    assert [msgspec.yaml.decode(document) for document in documents] == lines


def test_what_was_given_up_cannot_be_followed(shell: Shell) -> None:
    ran = shell.ringback("events", "--dead", "--follow")

    assert (ran.code, ran.out, "--follow" in ran.err) == (2, "", True)
