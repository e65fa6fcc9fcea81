"""A browser's account at the real Asterisk: its audio goes both ways, enciphered."""

import asyncio
from pathlib import Path

import pytest

from ringback.demo.phone import Phone, PhoneOptions
from ringback.demo.tones import tone_share

from .browser import hung_up, talking
from .test_transports import Everywhere, world

__all__ = ["world"]
pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]


async def test_a_browser_and_a_desk_phone_hear_each_other(world: Everywhere, tmp_path: Path) -> None:
    extension, other = await asyncio.gather(world.create("2651"), world.create("2652"))
    world.sql("UPDATE ps_endpoints SET webrtc = 'yes', rewrite_contact = 'yes' WHERE id = ?", extension["endpoint_id"])
    options = PhoneOptions("desk", "{}:{}".format(*world.at("udp")), tmp_path, tone=440, account=world.account(other))
    async with await Phone.start(options) as desk:
        assert await desk.register() == 200
        with world.browser() as line:
            assert await world.register(extension, line, "WSS") == 200
            call = asyncio.create_task(desk.call(f"sip:2651@{extension['realm']}", talk=1.5))
            async with talking(line, 660, tmp_path / "browser.wav"):
                await asyncio.to_thread(hung_up, line)
            report = await call

    assert report.status == 200
    assert min(report.sent, report.received) > 10
    assert (report.heard(660) > 0.9, tone_share(tmp_path / "browser.wav", 440) > 0.9) == (True, True)
