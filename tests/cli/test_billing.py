"""Commands where billing-manager knows the limits: only a create needs it, and the broker."""

import pytest

from tests.billing import NOWHERE

from .conftest import Shell

pytestmark = pytest.mark.long

BILLED = ("--limits", "billing", "--rabbitmq_address", NOWHERE)


@pytest.mark.contract("registrar R-71")
@pytest.mark.parametrize(
    "create",
    [
        ("extension", "create", "--extension_number", "1002"),
        ("trunk", "create", "--domain", "carrier-b", "--allowed_ips", "203.0.113.7"),
    ],
    ids=lambda words: str(words[0]),
)
def test_a_create_needs_an_answer_and_nothing_else_does(shell: Shell, create: tuple[str, ...]) -> None:
    made = shell.create("1001")

    refused = shell.control(*create, "--customer_id", shell.customer, *BILLED)

    assert (refused.code, refused.out) == (1, "")
    assert refused.err.endswith("registrar-control: Another service that is needed does not answer.\n")
    assert len(shell.sql("SELECT id FROM registrar_extensions")) == 1
    assert shell.sql("SELECT id FROM registrar_trunks") == []
    assert shell.control("extension", "list", "--customer_id", shell.customer, *BILLED).code == 0
    assert shell.control("extension", "update", "--id", made["id"], "--name", "new", *BILLED).code == 0
    assert shell.control("extension", "delete", "--id", made["id"], "--force", *BILLED).code == 0
