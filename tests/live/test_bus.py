"""Requests over a real NATS: one connection and one inbox, whatever happens to it (`tests/transports/test_bus.py` has
the manners that it shares with the bus of one process)."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from ringback.demo.ports import free_ports
from ringback.kit.bus import BusAway, Letter, NoResponders, NotServedYet, TooLarge, TooLate, Unanswered
from ringback.kit.secret import Secret
from ringback.transports.nats.link import Link
from tests.certificates import certificate
from tests.live.conftest import until
from tests.live.test_nats import PASSWORDS, arrived, documented, event, until_connected
from tests.patience import ENOUGH
from tests.servers.nats import Nats
from tests.transports.links import address, linked, stranger
from tests.transports.test_bus import Slow, echo

pytestmark = pytest.mark.process

LATE: Final = 5.0
"""Seconds after which a reply that is lost is missed."""


@pytest.fixture
def own() -> Iterator[Nats]:
    """One that may be killed."""
    with Nats.private() as one:
        yield one


async def ask(link: Link, body: bytes = b"", subject: str = "a.b", **headers: str) -> Letter:
    return await link.bus().request(subject, Letter(body, headers), ENOUGH)


async def until_answered(link: Link, subject: str = "a.b") -> Letter:
    """The first reply, after whatever is not there yet has come."""
    replies: list[Letter] = []

    async def answered() -> bool:
        with suppress(BusAway, NoResponders):
            replies.append(await ask(link, subject=subject))
        return bool(replies)

    await until(answered)
    return replies[0]


# ---- one connection ---------------------------------------------------------------------------------------------


@pytest.mark.contract("router R-9a, F-20, T-6")
async def test_events_requests_and_services_share_one_connection_and_all_replies_one_inbox() -> None:
    (port,) = free_ports(1)
    monitored = f'http: "127.0.0.1:{port}"\nauthorization {{ users = [{{ user: both, password: "some-words" }}] }}'
    with Nats.configured(monitored, {}) as one:
        at = address(one, user="both", password=Secret("some-words"))
        async with linked(at) as link, httpx.AsyncClient(timeout=ENOUGH) as http:

            async def connections() -> list[dict[str, Any]]:
                answer = await http.get(f"http://127.0.0.1:{port}/connz?subs=1")
                return list(answer.json()["connections"])

            slow = Slow(64)
            await link.services().serve("slow", "a.slow", slow)
            await link.services().serve("some", "a.b", echo)
            asking = [asyncio.create_task(ask(link, b"%d" % number, "a.slow")) for number in range(64)]
            await asyncio.wait_for(slow.begun.wait(), ENOUGH)
            (during,) = await connections()
            slow.go.set()
            await asyncio.gather(*asking)
            for number in range(1000):
                await ask(link, b"%d" % number)
            await link.publishing().publish(event(1))
            (after,) = await connections()

    assert after["cid"] == during["cid"]
    assert sorted(after["subscriptions_list"]) == sorted(during["subscriptions_list"])
    assert len([one for one in after["subscriptions_list"] if one.startswith("_INBOX.")]) == 1


async def test_who_only_answers_or_tells_events_has_no_inbox(own: Nats) -> None:
    async with linked(own) as link:
        await link.services().serve("some", "a.b", echo)
        await link.publishing().publish(event(1))

        assert "_INBOX" not in own.log()


async def test_events_keep_their_order_between_requests(own: Nats) -> None:
    async with linked(own) as link:
        await link.services().serve("some", "a.b", echo)
        bus = link.publishing()

        await asyncio.gather(*(one for id in range(1, 501) for one in (bus.publish(event(id)), ask(link, b"x" * 999))))

        assert arrived(own) == list(range(1, 501))


async def test_a_service_is_found_by_those_who_look_for_micro_services(nats: Nats) -> None:
    other = await stranger(nats)
    async with linked(nats) as link:
        await link.services().serve("pii_guard", "a.b", echo)

        found = await other.request("$SRV.INFO.pii_guard", timeout=ENOUGH)

    await other.close()
    (endpoint,) = json.loads(found.data)["endpoints"]
    assert (endpoint["subject"], endpoint["queue_group"]) == ("a.b", "q")


# ---- being away -------------------------------------------------------------------------------------------------


@pytest.mark.contract("router R-9a")
async def test_a_lost_connection_ends_what_is_in_flight_and_services_come_back_by_themselves(own: Nats) -> None:
    slow = Slow(64)
    async with linked(own) as asking, linked(own) as serving:
        await serving.services().serve("slow", "a.slow", slow)
        await serving.services().serve("some", "a.b", echo)
        asked = [asyncio.create_task(ask(asking, subject="a.slow")) for _ in range(64)]
        await asyncio.wait_for(slow.begun.wait(), ENOUGH)

        await asyncio.to_thread(own.kill)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        with pytest.raises(BusAway):
            await ask(asking)

        assert {type(answer) for answer in answers} == {BusAway}
        slow.go.set()
        await asyncio.to_thread(own.start)
        await until_answered(asking)
        assert (await ask(asking, b"x", "a.slow")).body == b"x"


@pytest.mark.contract("router R-8d")
async def test_that_nobody_serves_a_subject_is_told_of_a_new_connection_as_such(own: Nats) -> None:
    async with linked(own) as link:
        with pytest.raises(NotServedYet):
            await ask(link)

        async def settled() -> bool:
            with pytest.raises(NoResponders) as nobody:
                await ask(link)
            return not isinstance(nobody.value, NotServedYet)

        await until(settled)


async def test_a_service_that_begins_or_ends_while_nats_is_away_is_served_or_not_when_it_is_back(own: Nats) -> None:
    async with linked(own) as link:
        stop = await link.services().serve("old", "a.old", echo)
        await asyncio.to_thread(own.kill)

        async def gone() -> bool:
            return not link.is_connected

        await until(gone)
        await link.services().serve("some", "a.b", echo)
        await asyncio.wait_for(stop(), ENOUGH)
        assert link.bus().largest == 1024 * 1024
        await asyncio.to_thread(own.start)

        await until_answered(link)
        with pytest.raises(NoResponders):
            await ask(link, subject="a.old")


async def test_services_that_begin_while_nats_does_not_answer_are_served_when_it_does(own: Nats) -> None:
    async with linked(own) as link:
        await asyncio.to_thread(own.pause)
        try:
            async with asyncio.timeout(10):
                for number in range(5):
                    await link.services().serve("some", f"a.{number}", echo)
        finally:
            await asyncio.to_thread(own.resume)

        for number in range(5):
            await until_answered(link, f"a.{number}")


async def test_the_end_of_a_process_ends_what_it_asks(nats: Nats) -> None:
    slow = Slow()
    async with linked(nats) as serving, linked(nats) as link:
        await serving.services().serve("slow", "a.b", slow)
        asked = asyncio.create_task(ask(link))
        await asyncio.wait_for(slow.begun.wait(), ENOUGH)

        await link.close()

        with pytest.raises(BusAway):
            await asked
        slow.go.set()


@asynccontextmanager
async def worker(at: Nats) -> AsyncIterator[asyncio.subprocess.Process]:
    """`tests/live/worker_process.py`, ready."""
    command = (sys.executable, "-m", "tests.live.worker_process", at.url, at.USER, at.password)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout
        assert await asyncio.wait_for(process.stdout.readline(), ENOUGH) == b"ready\n"
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.contract("router F-26")
async def test_of_two_processes_one_does_the_work_and_when_all_are_killed_that_is_known_at_once(nats: Nats) -> None:
    async with linked(nats) as link:
        async with worker(nats) as one:
            async with worker(nats) as other:
                answered = {int((await ask(link, subject="a.pid")).body) for _ in range(50)}
                assert answered == {one.pid, other.pid}
                other.kill()
                await other.wait()
            await asyncio.gather(*(until_answered(link, "a.pid") for _ in range(50)))
            with pytest.raises(TooLate):
                await link.bus().request("a.never", Letter(b""), 0.05)
            one.kill()
            await one.wait()

        async def known() -> bool:
            try:
                await link.bus().request("a.pid", Letter(b""), LATE)
            except NoResponders:
                return True
            except Unanswered:
                pass
            return False

        await until(known)


@pytest.mark.contract("router R-8d")
async def test_when_nats_says_nothing_at_all_no_service_is_too_late_and_when_it_does_one_is(own: Nats) -> None:
    slow = Slow()
    async with linked(own) as link, linked(own) as serving:
        await serving.services().serve("slow", "a.b", slow)
        for seconds in (0.3, 0.3, 0.0999):
            with pytest.raises(TooLate):
                await link.bus().request("a.b", Letter(b""), seconds)

        await asyncio.to_thread(own.pause)
        try:
            for seconds in (0.3, 0.0999, 0.05):
                with pytest.raises(BusAway):
                    await link.bus().request("a.b", Letter(b""), seconds)
        finally:
            await asyncio.to_thread(own.resume)

        slow.go.set()
        assert (await ask(link, b"x")).body == b"x"


async def test_a_nats_that_does_not_read_gets_no_more_than_a_store_of_requests(own: Nats) -> None:
    async with linked(own) as link:
        await link.services().serve("some", "a.b", echo)
        await ask(link)
        await asyncio.to_thread(own.pause)
        try:
            body = b"x" * (1024 * 1024 - 1)
            asked, took = [], []
            for _ in range(100):
                asked.append(asyncio.create_task(link.bus().request("a.b", Letter(body), 0.5)))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                took.append(not asked[-1].done())
            answers = await asyncio.gather(*asked, return_exceptions=True)
        finally:
            await asyncio.to_thread(own.resume)

        assert {type(answer) for answer in answers} == {BusAway}
        assert 64 <= sum(took) <= 80


# ---- being refused ----------------------------------------------------------------------------------------------


@pytest.mark.contract("router R-9f")
async def test_a_nats_that_takes_less_is_given_less_and_keeps_the_connection(tmp_path: Path) -> None:
    user = 'max_payload: 2000\nauthorization { users = [{ user: both, password: "some-words" }] }'
    with Nats.configured(user, {}) as one:
        async with linked(address(one, user="both", password=Secret("some-words"))) as link:

            async def serve(letter: Letter) -> Letter:
                return Letter(b"x" * int(letter.body), {"X": "y" * 100})

            await link.services().serve("some", "a.b", serve)
            await link.services().serve("echo", "a.echo", echo)
            assert link.bus().largest == 2000

            assert len((await ask(link, b"x" * 2000, "a.echo")).body) == 2000
            for body, headers in ((b"x" * 2001, {}), (b"x" * 1950, {"Long": "y" * 100})):
                with pytest.raises(TooLarge):
                    await ask(link, body, "a.echo", **headers)
            assert len((await ask(link, b"1800")).body) == 1800
            too_large = await ask(link, b"1950")

        assert (too_large.body, too_large.headers["Nats-Service-Error"]) == (b"", "the reply is too large")
        assert one.log().count("client connection created") <= 2  # ours, and a look whether the server is there


REFUSED: Final = """authorization { users = [
  { user: all, password: "some-words" }
  { user: mute, password: "some-words", permissions: { publish: ["$SRV.>", "a.may"], subscribe: ">" } }
  { user: deaf, password: "some-words", permissions: { publish: ">", subscribe: "a.>" } }
] }"""


@pytest.mark.contract("router S-9")
async def test_what_we_have_no_permission_for_ends_at_once_and_is_told_once(logged: Callable[[], str]) -> None:
    with Nats.configured(REFUSED, {}) as one:

        def who(user: str) -> Any:
            return linked(address(one, user=user, password=Secret("some-words")))

        async with who("all") as serving, who("mute") as mute, who("deaf") as deaf:
            await serving.services().serve("some", "a.may", echo)
            await serving.services().serve("Some", "a.May.Not", echo)
            answers = await asyncio.gather(*(ask(mute, subject="a.May.Not") for _ in range(5)), return_exceptions=True)
            assert {type(answer) for answer in answers} == {BusAway}
            await ask(mute, subject="a.may")
            for _ in range(2):
                with pytest.raises(BusAway):
                    await ask(deaf, subject="a.may")
            await deaf.services().serve("other", "b.other", echo)
        told = re.findall(r'"permission": "(\w+)", "subject": "([^"$]*)"', logged()) or re.findall(
            r"permission='(\w+)' subject='([^'$]*)'", logged()
        )
    assert sorted(told) == [("publish", "a.may.not"), ("subscription", "_INBOX"), ("subscription", "b.other")]
    assert "some-words" not in logged()


@pytest.mark.contract("router S-9")
async def test_with_the_documented_permissions_a_router_asks_and_a_worker_answers_and_nobody_listens(
    logged: Callable[[], str],
) -> None:
    with Nats.configured(documented(), PASSWORDS) as one:

        def who(user: str) -> Any:
            return linked(address(one, user=user, password=Secret(f"{user}-secret")))

        async with who("router") as router, who("worker") as worker:
            for subject in ("beamline.ext.pre.some.v1", "beamline.provider.some.v1"):
                await worker.services().serve("some", subject, echo)
                assert (await ask(router, b"x", subject)).body == b"x"
                async with linked(
                    address(one, user="router", password=Secret("router-secret")), "router-control"
                ) as command:
                    assert (await ask(command, b"x", subject)).body == b"x"
            assert "permission" not in logged()

            with pytest.raises(BusAway):
                await ask(worker, subject="beamline.ext.pre.some.v1")
        said = asyncio.Queue[str]()

        async def complain(error: Exception) -> None:
            said.put_nowait(str(error))

        listener = await stranger(one, user="listener", password="listener-secret", error_cb=complain)
        await listener.subscribe("_INBOX.router-manager.>")
        assert "permissions violation for subscription" in await asyncio.wait_for(said.get(), ENOUGH)
        await listener.close()


@pytest.mark.contract("router S-9")
async def test_requests_and_replies_go_over_tls(tmp_path: Path) -> None:
    (theirs, their_key), (ours, our_key) = certificate(tmp_path, "server"), certificate(tmp_path, "router")
    tls = f"tls {{ cert_file: '{theirs}', key_file: '{their_key}', ca_file: '{ours}', verify: true }}"
    with Nats.configured(tls, {}) as one:
        async with linked(address(one, ca=theirs, user="", cert=ours, key=our_key)) as link:
            await link.services().serve("some", "a.b", echo)
            bodies = [b"%d" % number * 20_000 for number in range(20)]

            replies = await asyncio.gather(*(ask(link, body, a="b") for body in bodies))

    assert [reply.body for reply in replies] == bodies


# ---- what others say --------------------------------------------------------------------------------------------


async def said(at: Nats, *lines: bytes) -> None:
    """What a client says that keeps to no library; the server has it when this returns."""
    reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
    who = {"user": at.USER, "pass": at.password, "headers": True, "no_responders": True, "verbose": False}
    writer.writelines([b"CONNECT " + json.dumps(who).encode() + b"\r\n", *lines, b"PING\r\n"])
    async with asyncio.timeout(ENOUGH):
        while not (await reader.readline()).startswith(b"PONG"):
            pass
    writer.close()


HEADS: Final = (
    b"NATS/1.0",
    b"NATS/1.0\r\n\r\n",
    b"x" * 8,
    b"NATS/1.0 \xff\xff\xff\r\n\r\n",
    b"NATS/1.0\r\n\xff: \xff\r\n:\r\nx\r\n\r\n",
)


async def test_headers_that_are_none_harm_neither_who_asks_nor_who_answers(nats: Nats) -> None:
    heard: list[Letter] = []
    there = asyncio.Event()

    async def note(letter: Letter) -> Letter:
        heard.append(letter)
        if len(heard) == len(HEADS):
            there.set()
        return letter

    async with linked(nats) as link, linked(nats) as other:
        await link.services().serve("note", "a.note", note)
        await link.services().serve("some", "a.b", echo)
        client = await stranger(nats)

        async def odd(message: Any) -> None:
            head = HEADS[int(message.data)]
            line = b"HPUB %b %d %d\r\n%b\r\n" % (message.reply.encode(), len(head), len(head), head)
            await said(nats, line)

        await client.subscribe("a.odd", cb=odd)
        await client.flush()

        await said(nats, *(b"HPUB a.note re.\xff\xfe %d %d\r\n%b\r\n" % (len(head), len(head), head) for head in HEADS))
        await said(nats, *(b"HPUB a.note re.ply %d %d\r\n%b\r\n" % (len(head), len(head), head) for head in HEADS))
        await asyncio.wait_for(there.wait(), ENOUGH)
        for number in range(len(HEADS)):
            reply = await ask(other, b"%d" % number, "a.odd")
            assert reply.body == b""

        assert (await ask(other, b"x")).body == b"x"
        assert len(heard) == len(HEADS)
        await client.close()


async def test_whoever_looks_for_services_and_awaits_no_answer_harms_nobody(nats: Nats) -> None:
    async with linked(nats) as link:
        await link.services().serve("some", "a.b", echo)
        before = link.connection()

        await said(nats, *(b"PUB %b 1\r\nx\r\n" % subject for subject in (b"$SRV.PING", b"$SRV.INFO.some", b"a.b")))
        replies = [(await ask(link, b"%d" % number)).body for number in range(10)]

        assert replies == [b"%d" % number for number in range(10)]
        assert link.connection() is before


async def test_who_is_asked_one_thing_cannot_answer_another(nats: Nats) -> None:
    addresses: list[str] = []
    there = asyncio.Event()
    client = await stranger(nats)

    async def note(message: Any) -> None:
        addresses.append(message.reply)
        if len(addresses) == 600:
            there.set()

    await client.subscribe("a.b", cb=note)
    await client.flush()
    async with linked(nats) as link:
        asked = [asyncio.create_task(ask(link)) for _ in range(600)]
        await asyncio.wait_for(there.wait(), ENOUGH)
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await until_connected(link)
    await client.close()

    heads, tails = {one.rpartition(".")[0] for one in addresses}, {one.rpartition(".")[2] for one in addresses}
    assert (len(heads), len(tails)) == (1, 600)
    assert all(re.fullmatch(r"[0-9a-f]{16}", tail) for tail in tails)
