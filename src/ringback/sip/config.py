"""The configuration files that Asterisk gets: realtime by ODBC, phones, direct addresses."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import URL

from ringback.sip import cel, written
from ringback.sip.ami_conf import MANAGER, ManagerPort, manager_conf
from ringback.sip.dialplan import extensions_conf
from ringback.sip.edge_conf import edge_conf
from ringback.sip.func_odbc import func_odbc_conf
from ringback.sip.odbc import CREDENTIALS, USUAL_DRIVERS, Source, odbc_ini, of_any_bytes, res_odbc_conf
from ringback.sip.transports_conf import (
    PUBLIC_DOMAIN,
    WEBSOCKET_MODULES,
    Listening,
    Nat,
    Tls,
    http_conf,
    rtp_conf,
    transports,
)

REALTIME_TABLES: Mapping[str, str] = {
    "endpoint": "ps_endpoints",
    "auth": "ps_auths",
    "aor": "ps_aors",
    "contact": "ps_contacts",
}

DRIVERS = ("res_odbc_transaction.so", "res_odbc.so", "res_config_odbc.so")
MODULES = (
    "res_sorcery_config.so",
    "res_sorcery_realtime.so",
    "res_sorcery_memory.so",
    "res_sorcery_astdb.so",
    "res_timing_timerfd.so",
    "res_pjproject.so",
    "res_pjsip.so",
    "res_pjsip_session.so",
    "res_pjsip_pubsub.so",  # chan_pjsip does not load without it; no package is offered, SUBSCRIBE gets 489
    "res_pjsip_authenticator_digest.so",
    "res_pjsip_endpoint_identifier_ip.so",
    "res_pjsip_endpoint_identifier_anonymous.so",
    "res_pjsip_endpoint_identifier_user.so",
    "res_pjsip_registrar.so",
    "res_pjsip_path.so",
    "res_pjsip_nat.so",
    "res_pjsip_caller_id.so",
    "res_pjsip_header_funcs.so",
    "res_pjsip_dtmf_info.so",
    "res_pjsip_rfc3326.so",
    "res_pjsip_logger.so",
    "res_pjsip_sdp_rtp.so",
    "res_rtp_asterisk.so",
    "res_srtp.so",
    "chan_pjsip.so",
    "bridge_simple.so",
    "bridge_native_rtp.so",
    "codec_ulaw.so",
    "codec_alaw.so",
    "codec_g722.so",
    "codec_resample.so",
    "pbx_config.so",
    "app_dial.so",
    "app_stack.so",
    "app_celgenuserevent.so",
    "cel_odbc.so",
    "res_clioriginate.so",
    "func_callerid.so",
    "func_channel.so",
    "func_cut.so",
    "func_logic.so",
    "func_odbc.so",
    "func_strings.so",
)
AGI_MODULES = ("res_speech.so", "res_agi.so", "func_timeout.so")
SCREEN_MODULES = ("res_curl.so", "func_curl.so", "func_uri.so")


@dataclass(frozen=True, slots=True)
class Directories:
    """Where Asterisk finds and leaves its files; the defaults are Debian's, all absolute."""

    etc: str = "/etc/asterisk"
    modules: str = f"/usr/lib/{platform.machine()}-linux-gnu/asterisk/modules"
    data: str = "/usr/share/asterisk"
    var: str = "/var/lib/asterisk"
    run: str = "/run/asterisk"
    log: str = "/var/log/asterisk"
    spool: str = "/var/spool/asterisk"


@dataclass(frozen=True, slots=True)
class AsteriskOptions:
    """What differs between two Asterisks that read Ringback's tables.

    `database` is where Asterisk's tables are, a SQLite file by its absolute path; `directs` where the views of who
    rings are, when not in the same place. `drivers` are those of ODBC by backend: names from odbcinst.ini or full
    paths of libraries. `sip_port` is where phones register (UDP and TCP),
    `public_port` where anybody may call a direct address (UDP and TCP, never challenged; 0 = no such port).
    `rtp_ports` are the first and the last UDP port for audio. `default_realm` is what an unknown phone is challenged
    with (empty: `domain_name_extension`). `system_name` goes into `ps_contacts.reg_server`: one for each Asterisk that
    shares the tables. `tls` adds TLS and WebSockets for phones; `nat` is for an Asterisk that the world knows by
    another address than its own. `cache` is for how many seconds Asterisk remembers what it has read of a phone (0:
    not at all). `manager` is where Ringback hears what happens (none: nowhere). `agi` (`host:port`) is where it asks
    who rings, before it asks the database (empty: the database alone); `screen` is where it has the policies run that
    customers have for calls to their direct addresses (empty: nowhere, as if nobody answered). `edge` (`address:port`,
    several with commas) is the Kamailio that says for which phone or trunk it has let a call in (empty: nobody is
    believed).
    """

    database: URL
    directs: URL | None = None
    drivers: Mapping[str, str] = field(default_factory=lambda: dict(USUAL_DRIVERS))
    bind: str = "0.0.0.0"
    sip_port: int = 5060
    public_port: int = 5062
    rtp_ports: tuple[int, int] = (10000, 20000)
    domain_name_extension: str = "registrar.localhost"
    domain_name_sip: str = "sip.localhost"
    default_realm: str = ""
    system_name: str = "asterisk"
    tls: Tls | None = None
    nat: Nat | None = None
    cache: int = 0
    manager: ManagerPort | None = None
    agi: str = ""
    screen: str = ""
    edge: str = ""
    directories: Directories = field(default_factory=Directories)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The databases: that of Asterisk's tables first, that of the views last."""
        urls = {"ringback": self.database, **({"ringback-directs": of_any_bytes(self.directs)} if self.directs else {})}
        return tuple(Source(name, url, self.drivers[url.get_backend_name()]) for name, url in urls.items())

    @property
    def listening(self) -> Listening:
        """Where phones reach it."""
        return Listening(self.bind, self.sip_port, self.public_port, self.rtp_ports, self.tls, self.nat)


def asterisk_files(options: AsteriskOptions) -> dict[str, str]:
    """All files of Asterisk's configuration folder: file name → text, for Asterisk 16 to 22."""
    return {
        "asterisk.conf": _asterisk(options),
        "modules.conf": _modules(options),
        "logger.conf": LOGGER_CONF,
        "odbc.ini": odbc_ini(options.sources),
        CREDENTIALS: res_odbc_conf(options.sources),
        "extconfig.conf": _extconfig(options),
        "func_odbc.conf": func_odbc_conf(options.sources[-1].name),
        "sorcery.conf": _sorcery(options.cache),
        "pjsip.conf": _pjsip(options),
        "rtp.conf": rtp_conf(options.listening),
        "http.conf": http_conf(options.listening),
        "extensions.conf": extensions_conf(options.agi, options.screen),
        MANAGER: manager_conf(options.manager),
        **cel.FILES,
        "cel_odbc.conf": cel.cel_odbc_conf(options.sources[-1].name),
        **UNUSED,
    }


UNUSED: Mapping[str, str] = {
    # Parts of Asterisk's core that cannot be left out: each logs an error at start without its file.
    "acl.conf": "; No named access lists.\n",
    "ccss.conf": "; No call completion.\n[general]\n",
    "cdr.conf": "; No call records.\n[general]\nenable=no\n",
    "features.conf": "; No transfers, parking or pickup by keypad.\n[general]\n",
    "indications.conf": (
        "; Tones that Asterisk makes itself: none is played by this dialplan.\n"
        "[general]\ncountry=us\n\n[us]\ndescription=North America\nringcadence=2000,4000\ndial=350+440\n"
    ),
    "pjproject.conf": (
        "; What the SIP library warns of (level 2) is the text of packets that are no SIP, with their line ends:\n"
        "; strangers would write into the log.\n"
        "[log_mappings]\ntype=log_mappings\nasterisk_error=0,1\nasterisk_debug=2,3,4,5\n"
    ),
    "stasis.conf": "; Message bus: as it is.\n",
    "udptl.conf": "; No fax.\n[general]\n",
}


def _asterisk(options: AsteriskOptions) -> str:
    where = options.directories
    return f"""\
; Where Asterisk's files are. Written by `ringback sip asterisk-config`.
{written.mark(options)}
[directories]
astetcdir => {where.etc}
astmoddir => {where.modules}
astdatadir => {where.data}
astagidir => {where.data}/agi-bin
astvarlibdir => {where.var}
astdbdir => {where.var}
astkeydir => {where.var}
astspooldir => {where.spool}
astrundir => {where.run}
astlogdir => {where.log}

[options]
; Its name in ps_contacts.reg_server.
systemname = {options.system_name}
"""


def modules_of(options: AsteriskOptions) -> tuple[str, ...]:
    """The modules that it loads, in this order."""
    websocket = WEBSOCKET_MODULES if options.listening.websocket else ()
    asking = (AGI_MODULES if options.agi else ()) + (SCREEN_MODULES if options.screen else ())
    return (*DRIVERS, *MODULES, *websocket, *([CACHE_MODULE] if options.cache else ()), *asking)


def _modules(options: AsteriskOptions) -> str:
    lines = [
        "; Only what is named is loaded: nothing answers that nobody asked for.",
        "[modules]",
        "autoload=no",
        "; The database driver must be there before anything that is read from it.",
        *(f"{'preload' if name in DRIVERS else 'load'}={name}" for name in modules_of(options)),
    ]
    return "\n".join(lines) + "\n"


LOGGER_CONF = """\
[general]
dateformat=%F %T.%3q

[logfiles]
console => notice,warning,error
messages => notice,warning,error
"""


def _extconfig(options: AsteriskOptions) -> str:
    section = options.sources[0].name
    lines = ["; table => driver,section of res_odbc.conf,table", "[settings]"]
    lines += [f"{table} => odbc,{section},{table}" for table in REALTIME_TABLES.values()]
    return "\n".join(lines) + "\n"


def _sorcery(cache: int) -> str:
    lines = ["; SIP objects come from pjsip.conf (what never changes) and from Ringback's tables.", "[res_pjsip]"]
    if cache:
        lines += CACHE_NOTE.splitlines()
    for kind, table in REALTIME_TABLES.items():
        if kind != "contact":
            if cache:
                lines.append(f"{kind}/cache=memory_cache,object_lifetime_maximum={cache},expire_on_reload=yes")
            lines.append(f"{kind}=config,pjsip.conf,criteria=type={kind}")
        lines.append(f"{kind}=realtime,{table}")
    return "\n".join(lines) + "\n"


CACHE_MODULE = "res_sorcery_memory_cache.so"
CACHE_NOTE = """\
; What was read of a phone is remembered for so many seconds. Ringback has a phone that it changed forgotten at once, if
; it knows this Asterisk's manager port (its setting asterisk_ami); if it does not, a password that was changed and a
; phone that was deleted go on working until then, or until: sorcery memory cache expire res_pjsip/auth <number>@<realm>
; (likewise res_pjsip/aor and res_pjsip/endpoint). Where phones are is never remembered: that is read each time.
"""


def _pjsip(options: AsteriskOptions) -> str:
    text = f"""\
; Phones come from the database; here is only what they share.
[global]
type=global
user_agent=Ringback
; An unknown phone is challenged with this realm, a known one with its own. With one customer, set it
; to that customer's realm: then nobody can tell which numbers exist.
default_realm={options.default_realm or options.domain_name_extension}
; anonymous comes first and matches on the public port only (see [anonymous@{PUBLIC_DOMAIN}]), so that
; no From header is ever challenged there, and none tells which numbers exist.
endpoint_identifier_order={"ip," if options.edge else ""}anonymous,username

"""
    text += transports(options.listening)
    if options.public_port:
        text += f"""\
; Whoever calls the public port, without credentials: may ring direct addresses, nothing else.
; Point sip:…@{options.domain_name_sip} here (SRV _sip._udp, or port {options.public_port}).
[anonymous@{PUBLIC_DOMAIN}]
type=endpoint
context=direct
allow=!all,ulaw,alaw,g722
direct_media=no
rtp_symmetric=yes
force_rport=yes
rewrite_contact=yes
"""
    return text + edge_conf(options.edge, "public" if options.public_port else "phones")
