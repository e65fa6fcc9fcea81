"""Events of the registry over a real NATS: in order, and safe when they are said to be, whatever happens to it."""

import asyncio
import json
import os
import re
import shutil
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import nkeys  # type: ignore[import-untyped]
import pytest
from httpx import AsyncClient
from nats.aio.subscription import Subscription

from ringback import server
from ringback.kit.bus import Letter
from ringback.kit.errors import BrokerUnavailable, CannotStart
from ringback.kit.events import Message
from ringback.kit.secret import Secret
from ringback.knobs import load
from ringback.transports.nats.address import Address
from ringback.transports.nats.link import Link
from tests.certificates import certificate
from tests.live.conftest import until
from tests.patience import ENOUGH
from tests.router.conftest import Node
from tests.router.grounds import File
from tests.servers.nats import Nats
from tests.transports.links import address, linked, stranger
from tests.transports.test_bus import echo

pytestmark = pytest.mark.process

EVENTS: Final = "beamline.extensions.events"
PAGE: Final = Path(__file__).parents[2] / "docs" / "operate-the-registry.md"
MARK: Final = "Sample-Pass-0001"


@pytest.fixture
def own() -> Iterator[Nats]:
    """One that may be killed."""
    with Nats.private() as one:
        yield one


@asynccontextmanager
async def listening(at: Nats) -> AsyncIterator[Subscription]:
    """Somebody who hears all events."""
    client = await stranger(at)
    try:
        subscription = await client.subscribe(f"{EVENTS}.>")
        await client.flush()
        yield subscription
    finally:
        await client.close()


def event(id: int, type: str = "extension_updated", **data: Any) -> Message:
    about = uuid4()
    body = {"registry_revision": id, "node": "here", "at": "2026-01-05T10:00:00.000000Z", "data": {"id": "x", **data}}
    return Message(id, "router-manager", type, about, about, body, datetime.now(UTC))


async def heard(subscription: Subscription, count: int) -> list[dict[str, Any]]:
    return [json.loads((await subscription.next_msg(ENOUGH)).data) for _ in range(count)]


async def until_connected(link: Link) -> None:
    async def seen() -> bool:
        return link.is_connected

    await until(seen)


def arrived(at: Nats) -> list[int]:
    """The ids of all events that the server has got, through all of its lives."""
    return [int(id) for id in re.findall(r'<<- MSG_PAYLOAD: .*?"event_id\\":(\d+)', at.log())]


# ---- going well -------------------------------------------------------------------------------------------------


async def test_an_event_has_its_subject_and_six_keys(nats: Nats) -> None:
    async with linked(address(nats)) as link, listening(nats) as subscription:
        await link.publishing().publish(event(7, "extension_deleted"))

        message = await subscription.next_msg(ENOUGH)

    assert message.subject == f"{EVENTS}.extension_deleted"
    assert json.loads(message.data) == {
        "type": "extension_deleted",
        "data": {"id": "x"},
        "event_id": 7,
        "registry_revision": 7,
        "at": "2026-01-05T10:00:00.000000Z",
        "node": "here",
    }


async def test_what_is_given_at_once_goes_out_in_order_by_few_round_trips(own: Nats) -> None:
    async with linked(address(own)) as link, listening(own) as subscription:
        before = own.log().count("[PING]")
        bus = link.publishing()

        await asyncio.gather(*(bus.publish(event(id)) for id in range(1, 3001)))

        assert arrived(own) == list(range(1, 3001))
        assert own.log().count("[PING]") - before <= 10
        assert [one["event_id"] for one in await heard(subscription, 3000)] == list(range(1, 3001))


async def test_an_event_is_there_when_its_publish_returns(own: Nats) -> None:
    async with linked(address(own)) as link:
        bus = link.publishing()
        for id in range(1, 201):
            await bus.publish(event(id, text="x" * 5000))
            assert arrived(own)[-1] == id


async def test_the_end_waits_for_what_was_given(own: Nats) -> None:
    link = Link(address(own), "router-manager")
    await link.start()
    bus = link.publishing()
    given = [asyncio.create_task(bus.publish(event(id))) for id in range(1, 101)]
    await asyncio.sleep(0)

    await link.close()

    assert await asyncio.gather(*given) == [None] * 100
    assert arrived(own) == list(range(1, 101))
    with pytest.raises(BrokerUnavailable):
        await bus.publish(event(101))


# ---- being away -------------------------------------------------------------------------------------------------


async def test_a_start_without_nats_goes_on_and_finds_it_later(own: Nats, logged: Callable[[], str]) -> None:
    await asyncio.to_thread(own.kill)
    async with linked(address(own)) as link:
        assert not link.is_connected
        with pytest.raises(BrokerUnavailable):
            await link.publishing().publish(event(1))

        await asyncio.to_thread(own.start)

        await until_connected(link)
        await link.publishing().publish(event(2))
    assert arrived(own) == [2]
    assert logged().count("NATS is away") == logged().count("NATS is back") == 1
    assert own.password not in logged()


async def test_what_is_said_to_be_safe_through_kills_is_there_and_the_first_of_each_in_order(
    own: Nats, logged: Callable[[], str]
) -> None:
    """A publisher that gives batches again until they are safe, as the relay does."""
    last = 4000
    safe: set[int] = set()

    async def publish_all(bus: Any) -> None:
        while len(safe) < last:
            batch = [id for id in range(1, last + 1) if id not in safe][:100]
            answers = await asyncio.gather(*(bus.publish(event(id)) for id in batch), return_exceptions=True)
            safe.update(id for id, answer in zip(batch, answers, strict=True) if answer is None)
            assert all(isinstance(answer, BrokerUnavailable | None) for answer in answers)
            await asyncio.sleep(0)

    async with linked(address(own)) as link:
        publishing = asyncio.create_task(publish_all(link.publishing()))
        for bound in (500, 1500, 2500):

            async def far(bound: int = bound) -> bool:
                return len(safe) > bound

            await until(far)
            await asyncio.to_thread(own.kill)
            await asyncio.to_thread(own.start)
        async with asyncio.timeout(ENOUGH):
            await publishing

    there = arrived(own)
    assert set(there) == safe == set(range(1, last + 1))
    assert list(dict.fromkeys(there)) == list(range(1, last + 1))
    assert logged().count("NATS is back") == 3
    assert '"severity": "ERROR"' not in logged()


async def test_a_nats_that_does_not_answer_is_not_waited_for_longer_than_seconds(own: Nats) -> None:
    async with linked(address(own)) as link:
        bus = link.publishing()
        await bus.publish(event(1))
        await asyncio.to_thread(own.pause)
        try:
            async with asyncio.timeout(ENOUGH):
                big = [bus.publish(event(id, text="x" * 100_000)) for id in range(2, 100)]
                answers = await asyncio.gather(*big, return_exceptions=True)
        finally:
            await asyncio.to_thread(own.resume)
        assert {type(answer) for answer in answers} == {BrokerUnavailable}

        await until_connected(link)
        await bus.publish(event(1000))
    assert arrived(own)[-1] == 1000


# ---- being refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [{"password": Secret(MARK)}, {"user": "nobody"}, {"user": ""}])
async def test_whom_nats_does_not_know_cannot_start(nats: Nats, logged: Callable[[], str], who: Any) -> None:
    with pytest.raises(CannotStart) as refused:
        async with linked(address(nats, **who)):
            pass

    line = "nats_address: the server does not know the user, or the password or the credentials are others"
    assert str(refused.value) == line
    assert not {MARK, nats.password} & set(re.findall(r"[\w-]+", logged()))


async def test_a_password_that_changes_later_is_told_once_and_tried_on(own: Nats, logged: Callable[[], str]) -> None:
    async with linked(address(own)) as link:
        right, own.password = own.password, "another"
        await asyncio.to_thread(own.kill)
        await asyncio.to_thread(own.start)

        async def told() -> bool:
            return "the server does not know the user" in logged()

        await until(told)
        assert not link.is_connected
        with pytest.raises(BrokerUnavailable):
            await link.publishing().publish(event(1))
        own.password = right
        await asyncio.to_thread(own.kill)
        await asyncio.to_thread(own.start)
        await until_connected(link)

    assert 1 <= logged().count("the server does not know the user") <= 2
    assert right not in logged()


PASSWORDS: Final = {
    f"{user.upper()}_PASSWORD": f"{user}-secret" for user in ("router", "worker", "gateway", "listener")
}


def documented() -> str:
    """The users of the example, as the page has them."""
    (example,) = re.findall(r"```conf\n(authorization .*?^})", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return str(example)


@pytest.mark.contract("router S-9")
async def test_with_the_documented_permissions_a_router_tells_events_and_a_listener_hears_them(
    logged: Callable[[], str],
) -> None:
    with Nats.configured(documented(), PASSWORDS) as one:
        said = list[str]()

        async def complain(error: Exception) -> None:
            said.append(str(error))

        listener = await stranger(one, user="listener", password="listener-secret", error_cb=complain)
        hears = await listener.subscribe(f"{EVENTS}.>")
        await listener.publish(f"{EVENTS}.extension_created", b"forged")
        await listener.flush()
        router = {"user": "router", "password": Secret("router-secret")}

        async with linked(address(one, **router)) as link:
            await link.publishing().publish(event(1))
            assert [body["event_id"] for body in await heard(hears, 1)] == [1]

        as_listener = {"user": "listener", "password": Secret("listener-secret")}
        async with linked(address(one, **as_listener)) as link:
            answers = await asyncio.gather(
                *(link.publishing().publish(event(id)) for id in (2, 3)), return_exceptions=True
            )
            assert [type(answer) for answer in answers] == [BrokerUnavailable] * 2
        await listener.close()
    assert "permissions violation for publish" in said[0]
    assert "we may not publish to beamline.extensions.events.extension_updated" in logged()
    assert "-secret" not in logged()


# ---- credentials ------------------------------------------------------------------------------------------------


def new_key(prefix: int) -> Any:
    """A pair of keys of NATS, for an operator, an account or a user."""
    return nkeys.from_seed(bytearray(nkeys.encode_seed(os.urandom(32), prefix)))


def jwt(by: Any, about: Any, **claims: Any) -> str:
    """What one says of another, in NATS's form."""
    name = about.public_key.decode()
    said = {"jti": uuid4().hex, "iat": 1, "iss": by.public_key.decode(), "name": name, "sub": name}
    parts = ({"typ": "JWT", "alg": "ed25519-nkey"}, {**said, "nats": {"version": 2, **claims}})
    head = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return (head + b"." + urlsafe_b64encode(by.sign(head)).rstrip(b"=")).decode()


@pytest.mark.contract("router S-9")
async def test_a_file_of_credentials_lets_us_in_and_another_one_does_not(
    tmp_path: Path, logged: Callable[[], str]
) -> None:
    operator, account = new_key(nkeys.PREFIX_BYTE_OPERATOR), new_key(nkeys.PREFIX_BYTE_ACCOUNT)
    limits = {"subs": -1, "data": -1, "payload": -1}
    of_account = jwt(operator, account, type="account", limits={**limits, "conn": -1, "leaf": -1})
    trusts = f"operator: {jwt(operator, operator, type='operator')}\nresolver: MEMORY\n"
    trusts += f"resolver_preload: {{ {account.public_key.decode()}: {of_account} }}"
    with Nats.configured(trusts, {}) as one:
        for number, by in enumerate((account, new_key(nkeys.PREFIX_BYTE_ACCOUNT))):
            user, file = new_key(nkeys.PREFIX_BYTE_USER), tmp_path / f"{number}.creds"
            seed = user.seed.decode()
            parts = {"NATS USER JWT": jwt(by, user, type="user", **limits), "USER NKEY SEED": seed}
            file.write_text(
                "".join(f"-----BEGIN {name}-----\n{text}\n------END {name}------\n\n" for name, text in parts.items())
            )
            link = Link(Address.parse(one.url, credentials=file), "router-manager")
            if by is account:
                await link.start()
                await link.publishing().publish(event(1))
                await link.services().serve("some", "a.b", echo)
                assert (await link.bus().request("a.b", Letter(b"x"), ENOUGH)).body == b"x"
            else:
                with pytest.raises(CannotStart, match="the server does not know the user"):
                    await link.start()
            await link.close()
            assert seed not in logged()
        assert arrived(one) == [1]


# ---- TLS --------------------------------------------------------------------------------------------------------


@pytest.mark.contract("router S-9")
async def test_over_tls_both_sides_show_a_certificate_and_another_one_is_refused(tmp_path: Path) -> None:
    (theirs, their_key), (ours, our_key) = certificate(tmp_path, "server"), certificate(tmp_path, "router")
    tls = f"tls {{ cert_file: '{theirs}', key_file: '{their_key}', ca_file: '{ours}', verify: true }}"
    with Nats.configured(tls, {}) as one:
        nobody = {"user": "", "cert": ours, "key": our_key}
        async with linked(address(one, ca=theirs, **nobody)) as link:
            await link.publishing().publish(event(1))
        assert arrived(one) == [1]

        with pytest.raises(CannotStart, match="nats_address: the server's certificate is not trusted"):
            async with linked(address(one, ca=ours, **nobody)):
                pass
        with suppress(CannotStart):  # the alert that says why may be lost with the connection
            async with linked(address(one, ca=theirs, user="")) as link:
                assert not link.is_connected


@pytest.mark.contract("router S-9")
async def test_whoever_wants_tls_says_nothing_to_a_server_without(own: Nats, tmp_path: Path) -> None:
    before = own.log().count("CONNECT")
    for wanted in (
        address(own, ca=certificate(tmp_path, "any")[0]),
        Address.parse(own.url.replace("nats://", "tls://"), user=own.USER, password=Secret(own.password)),
    ):
        with pytest.raises(CannotStart, match="nats_address: the server does not ask for TLS"):
            async with linked(wanted):
                pass
    assert own.log().count("CONNECT") == before


async def test_of_several_servers_the_next_one_takes_over() -> None:
    users = f'authorization {{ users = [{{ user: both, password: "{MARK}" }}] }}'
    with Nats.configured(users, {}) as one, Nats.configured(users, {}) as other:
        at = Address.parse(f"{one.url},{other.url}", user="both", password=Secret(MARK))
        async with linked(at) as link:
            await link.publishing().publish(event(1))
            await asyncio.to_thread(one.kill)

            async def published() -> bool:
                with suppress(BrokerUnavailable):
                    await link.publishing().publish(event(2))
                    return True
                return False

            await until(published)
        assert (arrived(one), arrived(other)) == ([1], [2])


# ---- to the end -------------------------------------------------------------------------------------------------


@pytest.mark.contract("router S-9")
async def test_plain_text_to_another_host_is_warned_of_at_the_start(nats: Nats, logged: Callable[[], str]) -> None:
    async with linked(address(nats)):
        assert "plain text" not in logged()
    other = Address.parse(f"nats://0.0.0.0:{nats.port}", user=nats.USER, password=Secret(nats.password))
    async with linked(other) as link:
        assert link.is_connected
    assert logged().count("what is said to NATS goes over the network in plain text") == 1


async def test_a_whole_server_tells_what_changes_in_the_registry_when_nats_is_there_and_all_else_at_once(
    own: Nats, template: Path, tmp_path: Path, logged: Callable[[], str]
) -> None:
    await asyncio.to_thread(own.kill)
    shutil.copy(template, tmp_path / "ringback.db")
    free = {"rest_listen_address": "127.0.0.1:0", "prometheus_listen_address": "127.0.0.1:0"}
    at_nats = {"nats_address": own.url, "nats_user": own.USER, "nats_password": own.password}
    node = Node(File(tmp_path / "ringback.db"), "node0")

    def waiting() -> set[str]:
        return {row["publisher"] for row in node.sql("SELECT publisher FROM registrar_outbox WHERE tm_publish IS NULL")}

    async with (
        server.running(load({"ringback_home": tmp_path, **free, **at_nats})) as started,
        AsyncClient(timeout=ENOUGH) as http,
    ):
        keys, said = started.keys, started.metrics_url
        assert keys
        assert (await node.loader.reload()).ok
        await node.create("upper")
        await node.update("upper", timeout_ms=100)
        await http.post(
            f"{keys.url}/v1.0/extensions",
            headers={"authorization": f"Bearer {keys.customer_key}"},
            json={"extension": "1001"},
        )

        async def registrar_told() -> bool:
            return waiting() == {"router-manager"}

        await until(registrar_told)
        ready = await http.get(f"{said}/ready")
        assert (ready.status_code, ready.json()["checks"]["nats"]) == (200, "The broker does not answer.")
        assert "router_nats_connected 0.0" in (await http.get(f"{said}/metrics")).text

        await asyncio.to_thread(own.start)

        async def all_told() -> bool:
            return waiting() == set()

        await until(all_told)
        assert (await http.get(f"{said}/ready")).json()["checks"]["nats"] == "ok"
        text = (await http.get(f"{said}/metrics")).text
    assert "router_nats_connected 1.0" in text
    assert 'event_publish_total{event_type="extension_updated",exchange="nats",result="ok"} 1.0' in text
    ids = [row["id"] for row in node.sql("SELECT id FROM registrar_outbox WHERE publisher = 'router-manager'")]
    node.database.close()
    assert arrived(own) == sorted(ids)
    assert len(ids) == (6 + 1) + (1 + 1) * 2  # the initial ones, and ours, each with its revision
    assert own.password not in logged()
