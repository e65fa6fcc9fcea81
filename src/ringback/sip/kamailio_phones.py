"""Phones that register at a Kamailio edge: their bindings are rows of ps_contacts, where Asterisk finds them."""

import re
from collections.abc import Mapping
from typing import Final

from sqlalchemy import URL

from ringback.kit.rights import WRITES, Wanted
from ringback.sip.tables import ps_aors, ps_auths, ps_contacts

RIGHTS: Final[Wanted] = {ps_aors: ("SELECT",), ps_auths: ("SELECT",), ps_contacts: WRITES}
"""What is read of phones, and where it is written where they are."""


def phones(url: URL) -> str:
    """The routes for that database."""
    backend = url.get_backend_name()
    return ROUTES.replace("PUT_TEXT", putting(backend)).replace("\tPATIENCE\n", PATIENCE if backend == "sqlite" else "")


def putting(backend: str) -> str:
    """In SQL: write the row, be it there or not."""
    new = f"INSERT INTO ps_contacts ({', '.join(ROW)}) VALUES ({', '.join(ROW.values())})"  # noqa: S608 - all of it stands here
    others = [name for name in ROW if name != "id"]
    if backend == "mysql":
        return f"{new} ON DUPLICATE KEY UPDATE {', '.join(f'{name} = VALUES({name})' for name in others)}"
    return f"{new} ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in others)}"


def contact_in(path: str) -> str:
    """The phone's own contact, where `path` is one that the edge has written; else nothing."""
    found = re.search(r"^<sip:[0-9.:]+;lr;contact=((?:[0-9a-f]{2})+);peer=[0-9a-f]+>$", path)
    return bytes.fromhex(found[1]).decode("ascii", "replace") if found else ""


def escaped(text: str) -> str:
    """In SQL: the text as Asterisk's realtime writes it."""
    return f"replace(replace({text}, '^', '^5E'), ';', '^3B')"


def plain(column: str) -> str:
    """In SQL: what was escaped so."""
    return f"replace(replace({column}, '^3B', ';'), '^5E', '^')"


def printable(name: str, longest: int) -> str:
    """In SQL: what a stranger has written, without the bytes that a database may refuse."""
    return escaped(f"trim(TEXT<$(var({name}){{re.subst,/[^ -~]/?/g}}{{s.substr,0,{longest}}}{{s.encode.hexa}})>)")


ROW: Final[Mapping[str, str]] = {
    "id": "TEXT<$var(row)>",
    "endpoint": "TEXT<$var(phone)>",
    "uri": escaped("TEXT<$(var(way){s.encode.hexa})>"),
    "path": escaped("TEXT<$(var(path){s.encode.hexa})>"),
    "expiration_time": "$var(until)",
    "via_addr": "'$si'",
    "via_port": "$sp",
    "user_agent": printable("agent", 200),
    "call_id": printable("call_id", 200),
    "reg_server": "'EDGE_NAME'",
    "prune_on_boot": "'no'",
    "authenticate_qualify": "'no'",
    "qualify_frequency": "0",
    "qualify_timeout": "3.0",
    "outbound_proxy": "''",
}
"""Column of ps_contacts → its value: Asterisk dials `uri`, which leads to this edge, and `path` says where on."""

NAME: Final = r"""([^",<>;]*|"([^"\]|[\].)*" *)<[^<>"]*>"""
"""An address in angle brackets, with a name before it or not (RFC 3261 25.1)."""
VALUE: Final = rf"""^[ ,	]*({NAME}([^",<>]|"([^"\]|[\].)*")*|[^",<>]+),"""
"""The first of several values of Contact, each with a comma behind it."""

PATIENCE: Final = """\
\t# Others write to the file too: each worker says once that it waits for them.
\tif ($var(waits) != 1 && !sql_query("asterisk", "PRAGMA busy_timeout = 5000")) route(NO_DATABASE);
\t$var(waits) = 1;
"""
PATH: Final = "^<sip:[0-9.:]+;lr;contact=[0-9a-f]+;peer=[0-9a-f]+>$"
"""What the edge writes into `path`."""
KEY: Final = "substr(id, length(id) - 31)"
"""In SQL: what the id of a row ends in, the MD5 of its contact."""

ROUTES: Final = (
    r"""
# A phone's REGISTER (RFC 3261 10.3). This Kamailio keeps nothing of it: the bindings are rows of ps_contacts, as
# Asterisk would write them. In a row, `uri` is what Asterisk dials, an address of this edge's; `path` has the phone's
# own contact and where its REGISTER came from, which is where it is rung (route TO_PHONE).
route[REGISTER_PHONE] {
	if ($tU == $null) route(FORBIDDEN);
	$var(name) = $tU;
	route(OWN_PHONE);
	PATIENCE
	$var(now) = $Ts;
	# Never empty: a transformation of nothing is an error.
	$var(agent) = " ";
	if ($ua != $null) $var(agent) = $ua + " ";
	$var(call_id) = $ci + " ";
	route(CONTACTS);
	route(ALL_CONTACTS);

	if ($var(all) != "*" && $var(kept) > 0) {
		# As Asterisk has it: whoever may not push others out must find room beside them.
		$var(others) = 0;
		if ($var(remove_existing) != "yes" && !sql_pvquery("asterisk", "SELECT count(*) FROM ps_contacts"
				" WHERE endpoint = TEXT<$var(phone)> AND expiration_time > $var(now)"
				" AND ROW_KEY NOT IN ($var(named))", "$var(others)"))
			route(NO_DATABASE);
		$var(others) = $(var(others){s.int}) + $var(kept);
		if ($var(others) > $var(most)) route(FORBIDDEN);
	}
	if ($var(all) == "*") {
		if (!sql_query("asterisk", "DELETE FROM ps_contacts WHERE endpoint = TEXT<$var(phone)>")) route(NO_DATABASE);
	} else {
		$var(write) = 1;
		route(ALL_CONTACTS);
	}
	route(BINDINGS);
	route(TELL_CONTACTS);
	# A connection is kept for as long as any registration lasts: a phone behind it is rung by no other way.
	if ($proto != "udp") tcp_set_connection_lifetime("7200");
	sl_send_reply("200", "OK");
	exit;
}

# An INVITE for a phone that has registered here, to the address of ours that stands in its row. Asterisk alone may send
# one, and it goes to where the REGISTER came from, as long as the row is there: nobody else is reached this way.
route[TO_PHONE] {
	if (!ds_is_from_list("1", "3") || !($rU =~ "^[0-9A-Za-z+_.-]{1,40}$")) route(FORBIDDEN);
	$var(row) = $rU + "@" + $(ru{uri.params}{param.value,realm}) + "^3B@" + $(ru{uri.params}{param.value,binding});
	$var(row) = $(var(row){s.encode.hexa});
	route(PROVE_BINDING);
	if ($(ru{s.substr,-32,0}) != $var(proof)) route(NOT_HERE);
	$var(path) = "";
	if (!sql_pvquery("asterisk", "SELECT PLAIN_PATH FROM ps_contacts"
			" WHERE id = TEXT<$var(row)> AND expiration_time > $Ts", "$var(path)"))
		route(NO_DATABASE);
	if (!($var(path) =~ "PATH_TEXT")) route(NOT_HERE);
	remove_hf("Route");
	setflag(1);
	$ru = $(var(path){nameaddr.uri}{uri.params}{param.value,contact}{s.decode.hexa});
	$du = $(var(path){nameaddr.uri}{uri.params}{param.value,peer}{s.decode.hexa});
	route(RING);
}

route[FORBIDDEN] {
	sl_send_reply("403", "Forbidden");
	exit;
}

route[NOT_HERE] {
	sl_send_reply("480", "Temporarily Unavailable");
	exit;
}

route[BAD_CONTACT] {
	sl_send_reply("400", "Bad Contact");
	exit;
}

# Comes back if $var(name) is the phone whose password has been proved: with $var(phone), what it is called in
# hexadecimal digits, and what it may. Otherwise 403.
route[OWN_PHONE] {
	if (!($var(known) =~ "^digest") || !($var(name) =~ "^[0-9A-Za-z+_.-]{1,40}$")) route(FORBIDDEN);
	$var(aor) = $var(name) + "@" + $var(realm);
	$var(phone) = $(var(aor){s.encode.hexa});
	$var(id) = "";
	if (!sql_pvquery("asterisk", "SELECT a.id, coalesce(a.max_contacts, 0), coalesce(a.remove_existing, 'no'),"
			" coalesce(a.minimum_expiration, 60), coalesce(a.maximum_expiration, 7200),"
			" coalesce(a.default_expiration, 3600) FROM ps_aors a JOIN ps_auths t ON t.id = a.id"
			" WHERE a.id = TEXT<$var(phone)> AND t.username = TEXT<$(aU{s.encode.hexa})>",
			"$var(id), $var(most), $var(remove_existing), $var(shortest), $var(longest), $var(usual)"))
		route(NO_DATABASE);
	# A database may compare without letter case.
	if ($var(id) != $var(aor)) route(FORBIDDEN);
	$var(most) = $(var(most){s.int});
	$var(shortest) = $(var(shortest){s.int});
	$var(longest) = $(var(longest){s.int});
	$var(usual) = $(var(usual){s.int});
}

# $var(all): what all Contact headers say, with a comma behind each value; "*" for that one.
route[CONTACTS] {
	$var(all) = " ";
	$var(n) = 0;
	while ($var(n) < $hdrc(Contact)) {
		$var(all) = $var(all) + $(hdr(Contact)[$var(n)]) + ",";
		$var(n) = $var(n) + 1;
	}
	$var(all) = $(var(all){re.subst,/[[:cntrl:]]/ /g});
	if ($(var(all){s.len}) > 4000) route(BAD_CONTACT);
	$var(write) = 0;
	if ($(var(all){s.select,0,,}{s.trim}) == "*") {
		if ($var(n) != 1 || !($hdr(Expires) =~ "^ *0+ *$") || $(var(all){s.len}) > 9) route(BAD_CONTACT);
		$var(all) = "*";
	}
}

# Looks at each contact of $var(all), and writes it down if $var(write) is 1. $var(kept): how many want to stay;
# $var(named): how the ids of all rows end, for SQL.
route[ALL_CONTACTS] {
	$var(kept) = 0;
	$var(named) = "''";
	$var(rest) = $var(all);
	$var(n) = 0;
	while ($var(all) != "*" && $var(rest) =~ "[^ ,]") {
		$var(n) = $var(n) + 1;
		if ($var(n) > 10 || !($var(rest) =~ "VALUE_TEXT")) route(BAD_CONTACT);
		$var(one) = $(var(rest){re.subst,/VALUE.*$/\1/});
		$var(rest) = $(var(rest){re.subst,/VALUE//});
		route(CONTACT);
	}
}

# $var(one) is one value of Contact.
route[CONTACT] {
	if ($var(one) =~ "<") {
		$var(uri) = $(var(one){nameaddr.uri});
		$var(params) = $(var(one){re.subst,/^NAME//});
	} else {
		# Without angle brackets, parameters are those of the header.
		$var(uri) = $(var(one){s.select,0,;}{s.trim});
		$var(params) = $(var(one){re.subst,/^[^;]*//});
	}
	if (!($var(uri) =~ "^[sS][iI][pP][sS]?:[!-~]+$") || $(var(uri){s.len}) > 255 || $(var(uri){uri.host}) == "")
		route(BAD_CONTACT);
	route(SECONDS);
	$var(key) = $(var(uri){s.md5});
	$var(row) = $var(aor) + "^3B@" + $var(key);
	$var(row) = $(var(row){s.encode.hexa});
	route(PROVE_BINDING);
	$var(way) = "sip:" + $var(name) + "@EDGE_AT;realm=" + $var(realm)
			+ ";binding=" + $var(key) + ";proof=" + $var(proof);
	# Asterisk takes no longer ones.
	if ($(var(way){s.len}) > 255) route(BAD_CONTACT);
	$var(named) = $var(named) + ", '" + $var(key) + "'";
	if ($var(seconds) > 0) $var(kept) = $var(kept) + 1;
	if ($var(write) != 1) return;

	if ($var(seconds) == 0) {
		if (!sql_query("asterisk", "DELETE FROM ps_contacts WHERE id = TEXT<$var(row)>")) route(NO_DATABASE);
		return;
	}
	$var(until) = $var(now) + $var(seconds);
	$var(path) = "<sip:EDGE_AT;lr;contact=" + $(var(uri){s.encode.hexa}) + ";peer=" + $(su{s.encode.hexa}) + ">";
	if (!sql_query("asterisk", "PUT_TEXT")) route(NO_DATABASE);
}

# $var(seconds): for how long this contact is to stay, within what the phone may ask for; 0: not at all.
route[SECONDS] {
	$var(asked) = "";
	if ($var(params) =~ "; *[eE][xX][pP][iI][rR][eE][sS] *= *[0-9]")
		$var(asked) = $(var(params){re.subst,/^.*; *expires *= *([0-9]+).*$/\1/i});
	else if ($hdr(Expires) != $null) $var(asked) = $(hdr(Expires){s.trim});
	if ($var(asked) =~ "^[0-9]{1,9}$") $var(seconds) = $(var(asked){s.int});
	else if ($var(asked) =~ "^[0-9]+$") $var(seconds) = $var(longest);
	else $var(seconds) = $var(usual);
	if ($var(seconds) > 0 && $var(seconds) < $var(shortest)) $var(seconds) = $var(shortest);
	if ($var(seconds) > $var(longest)) $var(seconds) = $var(longest);
}

# Writes all bindings into the answer. Those beyond as many as there may be go, the soonest to end first, but none that
# this REGISTER has named; those that are over go too.
route[BINDINGS] {
	if (!sql_query("asterisk", "SELECT PLAIN_URI, PLAIN_PATH, expiration_time, ROW_KEY FROM ps_contacts"
			" WHERE endpoint = TEXT<$var(phone)>"
			" ORDER BY CASE WHEN ROW_KEY IN ($var(named)) THEN 0 ELSE 1 END, expiration_time DESC, id", "bindings"))
		route(NO_DATABASE);
	$var(n) = 0;
	$var(gone) = "''";
	while ($var(n) < $dbr(bindings=>rows)) {
		$var(seconds) = $(dbr(bindings=>[$var(n),2]){s.int}) - $var(now);
		if ($var(n) < $var(most) && $var(seconds) > 0) {
			$var(path) = $dbr(bindings=>[$var(n),1]);
			$var(uri) = $dbr(bindings=>[$var(n),0]);
			if ($var(path) =~ "PATH_TEXT")
				$var(uri) = $(var(path){nameaddr.uri}{uri.params}{param.value,contact}{s.decode.hexa});
			append_to_reply("Contact: <$var(uri)>;expires=$var(seconds)\r\n");
		} else if ($var(n) < 20) {
			$var(key) = $dbr(bindings=>[$var(n),3]);
			if ($var(key) =~ "^[0-9a-f]{32}$") $var(gone) = $var(gone) + ", '" + $var(key) + "'";
		}
		$var(n) = $var(n) + 1;
	}
	sql_result_free("bindings");
	if ($var(gone) != "''" && !sql_query("asterisk", "DELETE FROM ps_contacts"
			" WHERE endpoint = TEXT<$var(phone)> AND ROW_KEY IN ($var(gone))"))
		route(NO_DATABASE);
}
""".replace("VALUE_TEXT", VALUE.replace("\\", "\\\\").replace('"', '\\"'))
    .replace("VALUE", VALUE)
    .replace("NAME//", f"{NAME}//")
    .replace("PATH_TEXT", PATH)
    .replace("ROW_KEY", KEY)
    .replace("PLAIN_URI", plain("uri"))
    .replace("PLAIN_PATH", plain("coalesce(path, '')"))
)
