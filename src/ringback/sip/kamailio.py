"""The configuration of a Kamailio edge that knows trunks and phones by registrar_sip_auths."""

import platform
import re
from dataclasses import dataclass
from secrets import token_hex
from typing import Final

from sqlalchemy import URL

from ringback.kit.secret import Secret
from ringback.sip import edge_words
from ringback.sip import kamailio_strangers as strangers
from ringback.sip import kamailio_transports as transports
from ringback.sip import kamailio_voice as voice
from ringback.sip.kamailio_guard import GUARD, PARAMETERS
from ringback.sip.kamailio_out import OUT
from ringback.sip.kamailio_phones import phones
from ringback.sip.kamailio_routes import ROUTES
from ringback.sip.kamailio_sql import connection, engine_of, spelt, writing
from ringback.sip.transports_conf import Tls

FILE: Final = "kamailio.cfg"
MODULES = (
    *("sqlops", "pv", "ipops", "textops", "siputils", "maxfwd", "sanity"),
    *("tm", "tmx", "sl", "rr", "usrloc", "registrar", "auth", "tcpops", "dispatcher", "htable", "pike"),
)


@dataclass(frozen=True, slots=True)
class KamailioOptions:
    """What differs between two Kamailios in front of Ringback's Asterisk.

    `database` is where Ringback's own tables are; a SQLite file, by its absolute path, must be there. `tables` is where
    Asterisk's are, when not in the same place, and `name` what it is called there. `bind` is the IP
    address that trunks reach it at, for UDP and TCP, never a wildcard: calls carry it. `asterisks` are the public
    ports of Asterisks (`ringback sip asterisk-config`) as `address:port`, IP addresses, which they also send from.
    `secret` (64 hexadecimal digits) proves which calls have been let in; while it stays the same, they outlive a
    restart. `workers` processes read UDP, as many TCP. `direct_miss_limit` is how many unknown direct addresses a
    stranger may call in a minute. `folder` is where its files will be. With `external_address` it calls itself so to
    everybody but Asterisk, which it has the UDP port `inner_port` for. `tells` is the `address:port` where Ringback
    hears of phones at once (`edge_listen_address`).
    """

    database: URL
    bind: str
    asterisks: tuple[str, ...]
    secret: Secret
    sip_port: int = 5060
    domain_name_extension: str = "registrar.localhost"
    domain_name_trunk: str = "trunk.localhost"
    workers: int = 4
    tls: Tls | None = None
    tables: URL | None = None
    name: str = "edge"
    direct_miss_limit: int = 10
    external_address: str = ""
    inner_port: int = 5066
    tells: str = ""
    folder: str = "/etc/kamailio"
    modules: str = f"/usr/lib/{platform.machine()}-linux-gnu/kamailio/modules"

    @property
    def inner_at(self) -> str:
        """Where Asterisk reaches it: `address:port`."""
        return f"{self.bind}:{self.inner_port if self.external_address else self.sip_port}"

    @property
    def phones_in(self) -> URL:
        """The database of Asterisk's tables."""
        return self.tables or self.database


def new_secret() -> Secret:
    """A secret for calls that nobody else has."""
    return Secret(token_hex(32))


def secret_in(text: str) -> Secret | None:
    """The secret of a configuration that was written before."""
    found = re.search(r'^#!substdef "\|CALL_SECRET\|([0-9a-f]{64})\|"$', text, re.MULTILINE)
    return Secret(found[1]) if found else None


def packages_of(options: KamailioOptions) -> list[str]:
    """Debian's packages that it takes beside `kamailio`."""
    engines = (engine_of(url).package for url in (options.database, options.phones_in))
    return [*dict.fromkeys(engines), *transports.packages(options.tls)]


def kamailio_files(options: KamailioOptions) -> dict[str, str]:
    """Every file of its folder: name → text. FILE holds secrets."""
    return {FILE: kamailio_config(options), voice.LIST: voice.asterisks_list(options.asterisks, options.inner_at)}


def kamailio_config(options: KamailioOptions) -> str:
    """The text of kamailio.cfg, for Kamailio 5.6 and later. It holds the secret: for its owner's eyes alone."""
    ours = ROUTES + GUARD + strangers.STRANGERS + edge_words.routes(options.tells)
    ours += voice.VOICE + _outward(options)
    routes = spelt(ours, options.database) + spelt(phones(options.phones_in), options.phones_in)
    return "\n".join([_settings(options), _modules(options), routes, transports.routes(options.tls)])


def _outward(options: KamailioOptions) -> str:
    """Calls that Asterisk begins leave by the port that the world knows."""
    port = f'\t$fs = "udp:{options.bind}:{options.sip_port}";\n' if options.external_address else ""
    return OUT.replace("\tOUTSIDE\n", port)


WORDS = ("CALL_SECRET", "TRUNK_DOMAIN", "PHONE_DOMAIN", "EDGE_AT", "EDGE_NAME", "MISS_LIMIT")
"""What stands for a value in the rest of the file, wherever it is found there."""


def _settings(options: KamailioOptions) -> str:
    where = f"[{options.bind}]" if ":" in options.bind else options.bind
    return f"""\
#!KAMAILIO
# A SIP edge in front of Asterisk: lets in the trunks and phones that Ringback knows, and anybody's calls to direct
# addresses; nothing else.
# Written by `ringback sip kamailio-config`. A password is proved by its digest: with secret_storage=plaintext there
# is none, and only trunks that are known by their address get in.
# It reads Ringback's database: what Ringback has changed counts for the next request. It writes to ps_contacts alone.

# ---- What is particular to this installation -------------------------------------------------------------------

# Where Asterisk reaches this Kamailio, to ring phones, and its name in ps_contacts.reg_server.
#!substdef "|EDGE_AT|{options.inner_at}|"
#!substdef "|EDGE_NAME|{options.name}|"

# How many direct addresses that are not there somebody may call in a minute (`direct_miss_limit`).
#!substdef "|MISS_LIMIT|{options.direct_miss_limit}|"

# What proves that a call has been let in: nobody else may know it, so this file is for its owner alone. While it stays
# the same, calls go on after a restart.
#!substdef "|CALL_SECRET|{options.secret.reveal()}|"

# The ends of the domains that are ours, as regular expressions: trunks live under the one, phones under the other.
#!substdef "|TRUNK_DOMAIN|{_expression(options.domain_name_trunk)}|"
#!substdef "|PHONE_DOMAIN|{_expression(options.domain_name_extension)}|"

{transports.listening(where, options.sip_port, options.tls, options.external_address, options.inner_port)}
children={options.workers}
tcp_children={options.workers}

{EVERYWHERE}"""


EVERYWHERE: Final = """\
# ---- The same everywhere ---------------------------------------------------------------------------------------

debug=1
# A core dump would hold digests.
disable_core_dump=yes
# No name is looked up: calls go to addresses alone, those of Asterisks and of callers who were let in.
dns=no
rev_dns=no
auto_aliases=no
server_header="Server: Ringback edge"
user_agent_header="User-Agent: Ringback edge"
"""


def _expression(domain: str) -> str:
    """The domain, for POSIX regular expressions, without a backslash."""
    return re.sub(r"\.", "[.]", domain)


def _modules(options: KamailioOptions) -> str:
    voices = voice.parameters(options.asterisks, options.inner_at, options.folder)
    drivers = dict.fromkeys(engine_of(url).module for url in (options.database, options.phones_in))
    names = (*transports.modules(options.tls), *drivers, *MODULES, *([edge_words.MODULE] if options.tells else ()))
    load = "\n".join(f'loadmodule "{name}.so"' for name in names)
    return f"""\
mpath="{options.modules}"
{load}

# It starts while a database is away, too: calls that are up go on.
modparam("sqlops", "connect_mode", 1)
{connection("ringback", options.database)}
{writing("asterisk", options.phones_in)}
# A challenge must be answered within this many seconds.
modparam("auth", "nonce_expire", 30)
# From the address that was challenged.
modparam("auth", "auth_checks_register", 8)
modparam("auth", "auth_checks_no_dlg", 8)

{PARAMETERS}{strangers.PARAMETERS}
# The proof of a call holds the caller's tag already.
modparam("rr", "append_fromtag", 0)

# Where registered trunks are is kept in memory. A trunk is one name, its domain, at no more than ten places.
modparam("usrloc", "db_mode", 0)
modparam("usrloc", "use_domain", 1)
modparam("registrar", "max_contacts", 10)
modparam("registrar", "max_expires", 3600)
modparam("registrar", "received_avp", "$avp(received)")

{voices}{transports.parameters(options.tls)}
"""
