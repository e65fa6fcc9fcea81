"""The floors of REST do what they are said to, and so do those who ask."""

import msgspec
import pytest

from bench import http, rest
from bench.bare import SHOWN
from bench.child import child
from bench.ground import Ground
from bench.rest import Side
from ringback.registrar.extensions.wire import RegistrarManagerExtension

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="session")]


async def answer(side: Side) -> RegistrarManagerExtension:
    """What it answers to one request, as somebody reads it who does not know who it is."""
    async with http.connections(side.url, 1) as (connection,):
        head, _, body = (await connection.ask(http.get(side.url, side.paths[0], side.key))).partition(http.END)
    assert head.startswith(b"HTTP/1.1 200 OK")
    return msgspec.json.decode(body, type=RegistrarManagerExtension)


async def test_everybody_answers_an_extension_as_often_as_they_are_asked(servers: Ground) -> None:
    async with (
        child("bench.askers") as askers,
        rest.floor("litestar") as litestar,
        rest.floor("asgi") as asgi,
        rest.ringback(servers) as ringback,
    ):
        for side in (litestar, asgi, ringback):
            found = await side.load(askers, 0.2)
            assert found["count"] >= rest.IN_FLIGHT
            assert found["cpu_us_each"].keys() == {"service", "askers"}

        assert [await answer(side) for side in (litestar, asgi)] == [SHOWN, SHOWN]
        assert (await answer(ringback)).name == SHOWN.name
