"""M-6: 2,000 phones a second that register again, which is no news, and 200 that come or go, which is told at once."""

from typing import Any, Final

from bench.child import Running, child
from bench.ground import Ground, Site
from bench.phones import EXPIRES
from bench.processes import quiet, spending
from ringback.router.bench.figures import Figure, Found
from tests.servers.server import HOST, free_port

REFRESHES: Final = 2000
CHANGES: Final = 200
SECONDS: Final = 5.0
EXCHANGE: Final = "bin-manager.registrar-manager.event"
SOON: Final = 3.0
"""Seconds between the word of a phone that is there and the end of its contact as it was known before."""
KEPT: Final = ("id", "uri", "user_agent", "via_addr", "via_port", "reg_server", "call_id", "expiration_time", "path")
CONTACT: Final = (
    "CONCAT(1000000 + seq, '@{realm}^3B@bench')",
    "CONCAT('sip:', 1000000 + seq, '@127.0.0.1:5062')",
    *("'bench'", "'127.0.0.1'", "5062", "'bench'", "1000000 + seq", "{until}", "''"),
)
LATE: Final = "SELECT COUNT(*) FROM registrar_contact_states WHERE expiration_time < UNIX_TIMESTAMP() - 1"
COUNTED: Final = ("Questions", "Com_update", "Handler_read_key")


async def measure(ground: Ground) -> Found:
    seconds = ground.seconds(SECONDS)
    refreshed, changed = int(REFRESHES * seconds), int(CHANGES * seconds)
    site = await ground.filled_site(2 * (refreshed + changed))
    assert site.content
    port = free_port()
    settings: dict[str, Any] = {"asterisk_ami": f"ami://bench:bench@{HOST}:{port}"}
    url = (await ground.rabbitmq()).url()
    more = {"database": {**site.driver(), "database": site.asterisk.name}, "port": port, "realm": site.content.realm}
    details: dict[str, Any] = {}
    async with child("bench.phones", url=url, exchange=EXCHANGE, **more) as phones:
        _register(site, 2 * refreshed)
        async with ground.registrar(site, **settings) as registrar:
            pids = {"service": registrar.process.pid, "broker": (await ground.rabbitmq()).pid}
            pids |= {"database": (await ground.mariadb()).pid}
            await quiet(registrar.process.pid)
            for what, again, other in (
                ("refreshes", (1, refreshed), (1, 0)),
                ("changes", (1, 0), (2 * refreshed + 1, changed)),
                ("both", (refreshed + 1, refreshed), (2 * refreshed + changed + 1, changed)),
            ):
                _age(site, *again, seconds)
                details[what] = await _load(site, phones, pids, refreshed=again, changed=other, seconds=seconds)
    return Found(_figures(details), {"M-6": details})


async def _load(site: Site, phones: Running, pids: dict[str, int], **asked: object) -> dict[str, Any]:
    """What these phones came to; CPU and statements of Ringback for each of them."""
    before = _counted(site)
    with spending(pids) as spent:
        found = await phones.ask(**asked)
    after = _counted(site)
    count = asked["refreshed"][1] or asked["changed"][1]  # type: ignore[index]
    each = {name: (after[name] - before[name]) / count for name in COUNTED}
    each["Questions"] -= found["statements"] / count
    late = site.own.execute(LATE)[0][0]
    return {**found, "late": late, "cpu_us_each": spent.us_each(count), "each": each}


def _register(site: Site, refreshed: int) -> None:
    """Contacts of all that register again, and of every other one that changes: known to Asterisk and to Ringback."""
    assert site.content
    which = f"FROM seq_1_to_{site.content.count} WHERE seq <= {refreshed} OR seq % 2 = 0"
    values = ", ".join(CONTACT).format(realm=site.content.realm, until=f"UNIX_TIMESTAMP() + {EXPIRES}")
    endpoint, extension = f"CONCAT(1000000 + seq, '@{site.content.realm}')", "UNHEX(MD5(CONCAT('extension', seq)))"
    for database, table, name, value in (
        (site.asterisk, "ps_contacts", "endpoint", endpoint),
        (site.own, "registrar_contact_states", "extension_id", extension),
    ):
        database.execute(f"INSERT INTO {table} ({', '.join(KEPT)}, {name}) SELECT {values}, {value} {which}")
        database.execute(f"ANALYZE TABLE {table}")


def _age(site: Site, first: int, count: int, seconds: float) -> None:
    """Let each of these phones be due soon after it will register again."""
    until = f"UNIX_TIMESTAMP() + {SOON} + (LEFT(id, 7) - {1_000_000 + first}) * {seconds / max(count, 1)}"
    which = f"id BETWEEN '{1_000_000 + first}@' AND '{1_000_000 + first + count}@'"
    for database, table in ((site.asterisk, "ps_contacts"), (site.own, "registrar_contact_states")):
        database.execute(f"UPDATE {table} SET expiration_time = {until} WHERE {which}")


def _counted(site: Site) -> dict[str, int]:
    rows = site.own.execute("SHOW GLOBAL STATUS")
    return {name: int(value) for name, value in rows if name in COUNTED}


def _figures(details: dict[str, Any]) -> list[Figure]:
    both, alone = details["both"], details["refreshes"]
    many = both["changes"]
    p99 = both["ms"]["p99"] if both["ms"] else None
    return [
        Figure("M-6", "p99 from a phone that comes or goes to its event", p99, "ms", "<", 1000),
        Figure("M-6", "phones that came or went and were told of once", both["told_once"] / many, "", "=", 1),
        Figure(
            "M-6", "events of phones that registered again", alone["told_too_much"] + both["told_too_much"], "", "=", 0
        ),
        Figure("M-6", "registrations again that were overlooked", alone["late"] + both["late"], "", "=", 0),
    ]
