"""What is kept of a password is renewed when it must be, and only then; and clear ones of nobody go too."""

from uuid import uuid4

import pytest

from ringback.kit.errors import CannotStart
from ringback.registrar import meta, secrets
from tests.world import PASSWORD, MakeWorld, World


async def turned(world: World, **settings: str) -> World:
    """The same database after a migration, in a process with those settings."""
    await secrets.migrate(world.ringback.work)
    world.ringback.database.close()
    world.settings = world.settings.model_copy(update={"rpc_read_password": False, **settings})
    world.ringback = world.start()
    return world


@pytest.mark.contract("registrar R-24", "registrar R-60")
async def test_the_same_password_is_no_rotation_where_only_its_digests_are_kept(make_world: MakeWorld) -> None:
    world = make_world(secret_storage="plaintext")
    made = await world.create()
    trunk = await world.create_trunk()
    await turned(world)  # half-way back: settings still say plaintext
    world.register(made["endpoint_id"])
    before, events = world.everything(), len(world.events())

    for path in (f"/v1/extensions/{made['id']}", f"/v1/trunks/{trunk['id']}"):
        reply = await world.rpc("PUT", path, {"password": PASSWORD})
        assert (reply.status_code, reply.data["password"]) == (200, "")

    assert world.everything() == before
    assert len(world.events()) == events
    reply = await world.rpc("PUT", f"/v1/extensions/{made['id']}", {"password": "Another-Pass-0002"})
    assert reply.data["password"] == "Another-Pass-0002"
    (row,) = world.sql("SELECT password, ha1 FROM registrar_extensions")
    assert row == {"password": "Another-Pass-0002", "ha1": None}


@pytest.mark.contract("registrar R-57", "registrar R-60")
async def test_a_migration_leaves_no_clear_password_in_rows_of_nobody(make_world: MakeWorld) -> None:
    world = make_world(secret_storage="plaintext")
    made = await world.create()
    with world.bulk():
        for reference in ("extension", "trunk", None):
            world.sql(
                "INSERT INTO registrar_sip_auths (id, reference_type, realm, username, password)"
                " VALUES (?, ?, ?, 'x', 'Marker-Pass-4711')",
                *(uuid4().bytes, reference, f"{reference}.example.com"),
            )
        for id in ("ghost@x.registrar.localhost", "pbx@example.com"):
            world.sql("INSERT INTO ps_auths (id, username, password) VALUES (?, 'ghost', 'Marker-Pass-4711')", id)

    await secrets.migrate(world.ringback.work)

    assert world.sql("SELECT id FROM registrar_sip_auths WHERE password IS NOT NULL") == []
    assert world.sql("SELECT id FROM ps_auths WHERE password IS NOT NULL") == [{"id": "pbx@example.com"}]
    (row,) = world.sql("SELECT auth_type, md5_cred FROM ps_auths WHERE id = ?", made["auth_id"])
    assert (row["auth_type"], len(row["md5_cred"])) == ("md5", 32)


@pytest.mark.contract("registrar R-53")
async def test_the_base_domain_of_trunks_stays_what_it_was(make_world: MakeWorld) -> None:
    world = make_world()
    await world.ringback.work.write(meta.require_recorded)
    other = make_world(beside=world, domain_name_trunk="lines.example.com")

    with pytest.raises(CannotStart, match=r"^domain_name_trunk: .*trunk\.localhost"):
        await other.ringback.work.read(meta.require_same)
