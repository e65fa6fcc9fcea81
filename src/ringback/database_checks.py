"""What is wrong with the rights of a SIP server's user in a database on a server; nothing is changed there."""

from typing import Final

from sqlalchemy import URL

from ringback.databases import lack_of
from ringback.kit.checks import Check, problem
from ringback.kit.db import Refused
from ringback.kit.errors import CannotStart, DatabaseUnavailable
from ringback.kit.rights import Wanted
from ringback.settings import Settings

REACHABLE: Final = "is the server up, and are host, port, user and password those of its user?"


async def rights(name: str, url: URL, settings: Settings, wanted: Wanted, page: str) -> list[Check]:
    """What is in the way of them, by the `name` of the database; `page` says what to grant."""
    try:
        lack = await lack_of(url, settings, wanted)
    except DatabaseUnavailable as away:
        return [problem("database", f"{name}: {away.sentence.rstrip('.')}", REACHABLE)]
    except (CannotStart, Refused) as error:
        do = f"'ringback db upgrade' makes what is missing, {page} says who may read it"
        return [problem("database", f"{name} cannot be read ({error})", do)]
    return [problem("database", f"{name}: its user lacks {lack}", f"grant it ({page})")] if lack else []
