"""The servers stay up for softphones of one's own, and what happens is told as it happens."""

import asyncio
import signal
import time

from ringback.demo.asterisk import AsteriskFailed
from ringback.demo.news import CallFeed, Calls, Refusals, Registrations
from ringback.demo.phone import Account, Phone, PhoneOptions
from ringback.demo.report import Report
from ringback.demo.story import TONES, Story

ANSWERER = "1003"
LOOK_EVERY = 0.2  # seconds between two looks at the contacts


async def stay_open(story: Story, feed: CallFeed, report: Report) -> None:
    """Say how to register, then tell of registrations and calls until Ctrl-C."""
    for phone in story.phones.values():
        await phone.close()
    story.phones.clear()
    await _answerer(story)
    address = (await story.rest("PUT", story.path("1001"), {"direct": True})).body["direct_uri"]
    registrations = Registrations(story.server.database)
    refusals = Refusals(story.asterisk.log)
    for line in instructions(story, address):
        report.say(line)

    def tell(line: str) -> None:
        report.say(f"{time.strftime('%H:%M:%S')}  {line}")

    async def tell_calls() -> None:
        calls = Calls()
        async for event in feed.events():
            for line in calls.lines(event):
                tell(line)
        raise AsteriskFailed("it has ended")

    async def tell_registrations() -> None:
        while True:
            for line in (*registrations.lines(), *refusals.lines()):
                tell(line)
            await asyncio.sleep(LOOK_EVERY)

    tasks = [asyncio.create_task(work) for work in (_interrupted(), tell_calls(), tell_registrations())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    report.say("\nStopping.")


async def _answerer(story: Story) -> None:
    """A phone of ours that answers whoever calls, so that one softphone is enough."""
    await story.create(ANSWERER)
    shown = story.extensions[ANSWERER]
    account = Account(ANSWERER, shown["realm"], shown["password"])
    options = PhoneOptions(ANSWERER, story.ports.phones_at, story.folder, TONES["1002"], account)
    phone = await story.stack.enter_async_context(await Phone.start(options))
    await phone.register()


def instructions(story: Story, address: str) -> list[str]:
    """What somebody needs who wants to register a softphone of their own, and to call it."""
    lines = ["", "Both servers stay up. For a softphone on this machine:", ""]
    lines += [f"  server    {story.ports.phones_at}   (UDP or TCP; the outbound proxy, if your softphone asks for one)"]
    lines += [f"  domain    {story.extensions['1001']['realm']}"]
    for number in ("1001", "1002"):
        lines += [f"  user      {number}   password  {story.extensions[number]['password']}"]
    host = story.ports.public_at
    return [
        *lines,
        "",
        f"  Call {ANSWERER}: a phone of the demo answers with a tone.",
        f"  1001's direct address is {address};",
        f"  anybody may call it, without an account, at sip:{address.removeprefix('sip:').partition('@')[0]}@{host}",
        "",
        f"  REST      {story.server.url}   (keys in {story.server.home / 'keys.json'})",
        "",
        "Registrations and calls, as they happen; Ctrl-C ends it.",
        "",
    ]


async def _interrupted() -> None:
    """Return at Ctrl-C, SIGTERM or SIGHUP: the usual end, and no failure."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, stop.set)
    await stop.wait()
