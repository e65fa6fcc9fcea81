"""The servers stay up for softphones of one's own, and what happens is told as it happens."""

import asyncio

from ringback.demo.report import Report
from ringback.demo.story import Story


async def stay_open(story: Story, report: Report) -> None:
    """Say how to register, then tell of registrations and calls until cancelled."""
    report.say("Ctrl-C ends it.")
    await asyncio.Event().wait()
