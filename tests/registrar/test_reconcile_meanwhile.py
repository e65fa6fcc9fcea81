"""What happens while the reconciler looks."""

from collections.abc import Callable
from itertools import count
from uuid import UUID

import pytest

from ringback.kit.db import Statement
from ringback.sip.asterisk import KNOWN
from tests.world import World


@pytest.mark.contract("registrar R-64")
async def test_an_extension_that_is_deleted_while_a_pass_looks_at_it_lacks_nothing(
    world: World, logged: Callable[[], str]
) -> None:
    gone, kept = await world.create("1001"), await world.create("1002")
    looks = count()

    def delete(statement: Statement) -> None:
        if statement is KNOWN["ps_auths"] and next(looks) == 0:
            with world.bulk():
                for table in ("ps_aors", "ps_auths", "ps_endpoints"):
                    world.sql(f"DELETE FROM {table} WHERE id = ?", gone["endpoint_id"])
                world.sql("DELETE FROM registrar_sip_auths WHERE id = ?", UUID(gone["id"]).bytes)
                world.sql("UPDATE registrar_extensions SET tm_delete = tm_create WHERE id = ?", UUID(gone["id"]).bytes)

    world.before_statement = delete
    done = await world.ringback.reconciler.once()

    assert (done.due, done.failed, done.is_whole) == ([], [], True)
    assert next(looks) == 1
    assert "cannot be repaired" not in logged()
    assert [row["id"] for row in world.everything()["ps_auths"]] == [kept["endpoint_id"]]
