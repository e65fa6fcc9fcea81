"""The steps of the demo, in their order: what is done, and what must be seen."""

from pathlib import Path

from ringback.demo.asterisk import Asterisk
from ringback.demo.server import Server
from ringback.demo.story import EXTENSIONS, TONES, NotSeen, Step, Story, refused
from ringback.sip.ami_conf import READ
from ringback.sip.odbc import sqlite_url


async def start_ringback(story: Story) -> str:
    """`ringback up` on an empty home."""
    server = await Server.start(story.folder / "home", asterisk_ami=story.ports.ami(story.manager))
    story.server = await story.stack.enter_async_context(server)
    return f"REST at {story.server.url}, all state in {_short(story.server.home)}"


async def start_asterisk(story: Story) -> str:
    """Asterisk on the same file."""
    options = story.ports.options(sqlite_url(story.server.database), manager=story.manager, read=f"{READ},call")
    asterisk = await Asterisk.start(story.program, options, story.folder / "asterisk")
    story.asterisk = await story.stack.enter_async_context(asterisk)
    return f"reads {_short(story.server.database)}; phones at {story.ports.phones_at}, public {story.ports.public_at}"


async def create_two(story: Story) -> str:
    """Two extensions by REST, their passwords made by Ringback."""
    for number in ("1001", "1002"):
        await story.create(number)
    return f"201 Created, twice; realm {story.extensions['1001']['realm']}"


def register(number: str) -> Step:
    """A phone registers."""

    async def run(story: Story) -> str:
        phone = await story.pick_up(number, TONES[number])
        status = await phone.register()
        if status != 200:
            raise NotSeen(f"{status}")
        return "200 OK"

    return Step(f"{number} registers", ("two extensions", "Asterisk"), f"{number} registers", run)


def show(number: str) -> Step:
    """The command line says that the phone is registered, and where."""

    async def run(story: Story) -> str:
        command = ("registrar-control", "extension", "get", "--id", story.extensions[number]["id"])
        code, text = await story.server.run(*command)
        story.detail = text
        if code or "not registered" in text or "registered" not in text:
            raise NotSeen(f"exit code {code}, and no word that it is registered")
        return "registered"

    return Step(f"show {number}", (f"{number} registers",), f"registrar-control extension get ({number})", run)


async def call_extension(story: Story) -> str:
    """Extension to extension, audio both ways."""
    return await story.ring("1001", "1002", f"sip:1002@{story.extensions['1002']['realm']}")


async def enable_direct(story: Story) -> str:
    """A public address for 1002."""
    answer = await story.rest("PUT", story.path("1002"), {"direct": True})
    story.addresses.append(answer.body["direct_uri"])
    return story.addresses[-1]


async def call_direct(story: Story) -> str:
    """Somebody without any account calls it."""
    return await story.ring("stranger", "1002", story.addresses[-1])


async def regenerate(story: Story) -> str:
    """A new address in place of the old one."""
    answer = await story.rest("POST", f"{story.path('1002')}/direct-hash-regenerate")
    if answer.body["direct_uri"] in story.addresses:
        raise NotSeen("the address is the same")
    story.addresses.append(answer.body["direct_uri"])
    return story.addresses[-1]


async def call_old_direct(story: Story) -> str:
    """The old address is as unknown as any other."""
    made = await (await story.stranger()).call(story.addresses[-2])
    if made.status != 404:
        raise NotSeen(f"{made.status} {made.reason}")
    return f"404 {made.reason}: refused"


async def rotate(story: Story) -> str:
    """A new password for 1002; its phone is forgotten."""
    before = story.extensions["1002"]["password"]
    story.extensions["1002"] = (await story.rest("PUT", story.path("1002"), {"password_regenerate": True})).body
    if story.extensions["1002"]["password"] in ("", before):
        raise NotSeen("no new password in the reply")
    contacts = (await story.rest("GET", f"{story.path('1002')}/contacts")).body
    if contacts["registered"]:
        raise NotSeen("200, but its contact is still there")
    return "200, a new password; its contact is gone"


async def register_old(story: Story) -> str:
    """The phone with the old password."""
    return await refused(story.phones["1002"].register(), "the old password counts no more")


async def register_new(story: Story) -> str:
    """A phone with the new one."""
    status = await (await story.pick_up("1002", TONES["1002"])).register()
    if status != 200:
        raise NotSeen(f"{status}")
    return "200 OK"


async def delete(story: Story) -> str:
    """The extension is no more."""
    await story.rest("DELETE", story.path("1002"))
    await story.rest("GET", story.path("1002"), status=404)
    return "200, and 404 from then on"


async def register_deleted(story: Story) -> str:
    """Its phone's next REGISTER."""
    return await refused(story.phones["1002"].register(), "there is no such extension any more")


async def create_again(story: Story) -> str:
    """The number is free at once."""
    gone = story.extensions["1002"]["id"]
    await story.create("1002")
    if story.extensions["1002"]["id"] == gone:
        raise NotSeen("it is the old one")
    return "201 Created: the number was free at once"


STEPS = (
    Step("Ringback", (), "Ringback starts", start_ringback),
    Step("Asterisk", ("Ringback",), "Asterisk starts", start_asterisk),
    Step("two extensions", ("Ringback",), f"POST {EXTENSIONS}: 1001 and 1002", create_two),
    register("1001"),
    register("1002"),
    show("1001"),
    show("1002"),
    Step("call", ("1001 registers", "1002 registers"), "1001 calls 1002", call_extension),
    Step("direct", ("two extensions",), "1002 gets a direct address", enable_direct),
    Step("call direct", ("direct", "1002 registers"), "a stranger calls it", call_direct),
    Step("regenerate", ("direct",), "the address is regenerated", regenerate),
    Step("old address", ("regenerate", "Asterisk"), "the stranger calls the old address", call_old_direct),
    Step("new address", ("regenerate", "1002 registers"), "the stranger calls the new address", call_direct),
    Step("rotate", ("1002 registers",), "1002 gets a new password", rotate),
    Step("old password", ("rotate",), "1002 registers with the old password", register_old),
    Step("new password", ("rotate",), "1002 registers with the new password", register_new),
    Step("delete", ("two extensions",), "1002 is deleted", delete),
    Step("deleted phone", ("delete", "new password"), "the phone of 1002 registers again", register_deleted),
    Step("create again", ("delete",), f"POST {EXTENSIONS}: 1002 again", create_again),
)


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
