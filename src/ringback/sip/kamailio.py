"""The configuration of a Kamailio edge that knows trunks and phones by registrar_sip_auths."""

import platform
import re
from dataclasses import dataclass

MODULES = (
    *("db_sqlite", "sqlops", "pv", "ipops", "textops", "siputils", "maxfwd", "sanity"),
    *("tm", "tmx", "sl", "rr", "usrloc", "registrar", "auth"),
)


@dataclass(frozen=True, slots=True)
class KamailioOptions:
    """What differs between two Kamailios in front of Ringback's Asterisk.

    `database` is the absolute path of the SQLite file, which must be there. `bind` is the address that trunks reach
    it at, for UDP and TCP, never a wildcard: calls carry it. `asterisk` is `host:port` of the public port of an
    Asterisk (`ringback sip asterisk-config`). `workers` processes read UDP, as many TCP.
    """

    database: str
    bind: str
    asterisk: str
    sip_port: int = 5060
    domain_name_extension: str = "registrar.localhost"
    domain_name_trunk: str = "trunk.localhost"
    workers: int = 4
    modules: str = f"/usr/lib/{platform.machine()}-linux-gnu/kamailio/modules"


def kamailio_config(options: KamailioOptions) -> str:
    """The text of kamailio.cfg, for Kamailio 5.6 and later."""
    return "\n".join([_settings(options), _modules(options), ROUTES])


def _settings(options: KamailioOptions) -> str:
    where = f"[{options.bind}]" if ":" in options.bind else options.bind
    return f"""\
#!KAMAILIO
# A SIP edge in front of Asterisk: lets in the trunks (and the phones' calls) that Ringback knows, nobody else.
# It reads Ringback's SQLite file and writes nothing there: what Ringback has changed counts for the next request.

# ---- What is particular to this installation -------------------------------------------------------------------

# An Asterisk's public port: there an INVITE to sip:direct.<hash>@... rings a phone.
#!substdef "|ASTERISK|{options.asterisk}|"

# The ends of the domains that are ours, as regular expressions: trunks live under the one, phones under the other.
#!substdef "|TRUNK_DOMAIN|{_expression(options.domain_name_trunk)}|"
#!substdef "|PHONE_DOMAIN|{_expression(options.domain_name_extension)}|"

listen=udp:{where}:{options.sip_port}
listen=tcp:{where}:{options.sip_port}
children={options.workers}
tcp_children={options.workers}

# ---- The same everywhere ---------------------------------------------------------------------------------------

debug=1
# A core dump would hold digests.
disable_core_dump=yes
# Names are never looked up: the only host that calls go to is ASTERISK.
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
    load = "\n".join(f'loadmodule "{name}.so"' for name in MODULES)
    return f"""\
mpath="{options.modules}"
{load}

# An absolute path, so four slashes. Read only: a fault of this file can spoil nothing, and Ringback, which keeps the
# file in WAL mode, and this never wait for each other. Each worker opens it for itself. Kamailio's user must be able
# to read the file, and to write to its -shm beside it.
modparam("db_sqlite", "db_set_readonly", "{options.database}")
modparam("sqlops", "sqlcon", "ringback=>sqlite:///{options.database}")

# A challenge must be answered within this many seconds.
modparam("auth", "nonce_expire", 30)

# Where registered trunks are is kept in memory. A trunk is one name, its domain, at no more than ten places.
modparam("usrloc", "db_mode", 0)
modparam("usrloc", "use_domain", 1)
modparam("registrar", "max_contacts", 10)
modparam("registrar", "max_expires", 3600)
"""


ROUTES = r"""# ---- Requests -------------------------------------------------------------------------------------------

request_route {
	route(SANE);

	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	if (has_totag()) route(WITHIN_A_CALL);

	# The same once more, because an answer was lost: it gets the same answer.
	if (t_precheck_trans()) {
		t_check_trans();
		exit;
	}
	t_check_trans();

	if (is_method("OPTIONS")) {
		# Trunks ask whether we are there. It tells nothing of who is known, and costs no SQL.
		sl_send_reply("200", "OK");
		exit;
	}
	if (!is_method("REGISTER|INVITE")) {
		if (!is_method("ACK")) sl_send_reply("405", "Method Not Allowed");
		exit;
	}

	route(WHOSE);
	route(ADMIT);
	if (is_method("REGISTER")) route(REGISTER);
	route(CALL);
}

# What is no SIP, or runs in circles, ends here.
route[SANE] {
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	if (!sanity_check("17895", "7")) exit;
	force_rport();
}

# A call that has been let in goes on, also when its trunk has been deleted meanwhile.
route[WITHIN_A_CALL] {
	if (loose_route()) {
		if (is_method("INVITE")) record_route();
		t_relay();
	} else if (is_method("ACK")) {
		if (t_check_trans()) t_relay();
	} else {
		sl_send_reply("404", "Not Here");
	}
	exit;
}

# $var(realm): the domain of ours that the request speaks for. It stands in From, or in the request's URI for carriers,
# which have their own address in From. A request for no domain of ours costs no SQL.
route[WHOSE] {
	$var(realm) = $(fd{s.tolower});
	if ($var(realm) =~ "^[a-z0-9.-]+[.](TRUNK_DOMAIN|PHONE_DOMAIN)$") return;
	$var(realm) = $(rd{s.tolower});
	if ($var(realm) =~ "^[a-z0-9.-]+[.](TRUNK_DOMAIN|PHONE_DOMAIN)$") return;
	sl_send_reply("403", "Forbidden");
	exit;
}

# Comes back for whoever may be here. Everybody else is challenged, known or not: no answer tells which is which.
# What strangers write goes into SQL as hexadecimal digits. auth_db is not used: it takes a ha1 that is NULL (a trunk
# that is known by its address alone) for a string, and that is the end of Kamailio.
route[ADMIT] {
	$var(hex) = $(var(realm){s.encode.hexa});

	# By source address: no challenge.
	$var(addresses) = "";
	if (sql_pvquery("ringback", "SELECT coalesce(group_concat(value), '')"
			" FROM registrar_sip_auths, json_each(allowed_ips)"
			" WHERE realm = CAST(x'$var(hex)' AS TEXT) AND auth_types LIKE '%\"ip\"%'", "$var(addresses)") < 0)
		route(NO_DATABASE);
	if ($var(addresses) != "" && is_in_subnet("$si", "$var(addresses)")) return;

	# By digest.
	$var(ha1) = "";
	if ($aU != $null && sql_pvquery("ringback", "SELECT ha1 FROM registrar_sip_auths"
			" WHERE realm = CAST(x'$var(hex)' AS TEXT) AND username = CAST(x'$(aU{s.encode.hexa})' AS TEXT)"
			" AND auth_types LIKE '%\"basic\"%' AND length(ha1) = 32", "$var(ha1)") < 0)
		route(NO_DATABASE);
	if ($var(ha1) != "" && pv_auth_check("$var(realm)", "$var(ha1)", "1", "0") > 0) {
		consume_credentials();
		return;
	}
	auth_challenge("$var(realm)", "1");
	exit;
}

route[NO_DATABASE] {
	sl_send_reply("500", "Server Internal Error");
	exit;
}

# Trunks only, each for itself alone. Phones register with Asterisk, which rings them.
route[REGISTER] {
	if (!($var(realm) =~ "[.](TRUNK_DOMAIN)$") || $(td{s.tolower}) != $var(realm)) {
		sl_send_reply("403", "Forbidden");
		exit;
	}
	save("location", "0x00", "sip:$var(realm)");
	exit;
}

# Asterisk knows whom the address rings, and answers 404 where there is nobody.
route[CALL] {
	remove_hf("Route");
	record_route();
	$du = "sip:ASTERISK";
	if (!t_relay()) sl_reply_error();
	exit;
}
"""
