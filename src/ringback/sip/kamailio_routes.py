"""What a Kamailio edge does with a request: whom it lets in, and where a call that it has let in goes on."""

ROUTES = r"""# ---- Requests -------------------------------------------------------------------------------------------

request_route {
	route(FLOOD);
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

	if (is_method("INVITE") && $ru =~ ";realm=[a-z0-9.-]+;binding=[0-9a-f]{32}(;proof=[0-9a-f]{32})?$") route(TO_PHONE);
	if (is_method("INVITE") && route(FROM_ASTERISK)) route(BEGUN_BY_ASTERISK);

	route(WHOSE);
	route(ADMIT);
	if (is_method("REGISTER")) route(REGISTER);
	route(CALL);
}

# What is no SIP, or runs in circles, ends here.
route[SANE] {
	# No INVITE of a phone is that long, be it a browser's.
	if ($ml > 8192) {
		if (!is_method("ACK")) sl_send_reply("513", "Message Too Large");
		exit;
	}
	# Asterisk takes a CR alone for the end of a line, and a NUL for the end of it all; we do not, so what stands behind
	# them would be a header of ours to Asterisk that we have not seen. A match ends at a NUL, too.
	if (!($mb =~ "^[^\r\n]+(\r\n[^\r\n]+)*\r\n\r\n")) {
		if (!is_method("ACK")) sl_send_reply("400", "Bad Line End");
		exit;
	}
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	if (!sanity_check("17895", "7")) exit;
	force_rport();
}

# A request within a call. It brings back in its Route what we wrote into Record-Route when we let the call in: `peer`,
# where the other side than Asterisk was then, `voice`, which Asterisk it is, `by`, which of the two has begun, and
# `proof`, which nobody can make who does not know CALL_SECRET. So it needs no memory: a call goes on after a restart of
# this Kamailio, and when its trunk has been deleted meanwhile. It goes on between these two only, whatever address the
# request asks for.
route[WITHIN_A_CALL] {
	# The ACK of a refusal ends here.
	if (is_method("ACK")) t_check_trans();

	if (!loose_route()) route(NO_SUCH_CALL);
	# Any other form is not ours; a stranger's would fill the log with errors of the parser.
	if (!($route_uri =~ "^sip:[^;?]+(;[a-zA-Z0-9]+(=[a-zA-Z0-9.:-]+)?)*$")) route(NO_SUCH_CALL);
	$var(peer) = $(route_uri{uri.params}{param.value,peer});
	$var(voice) = $(route_uri{uri.params}{param.value,voice});
	$var(by) = $(route_uri{uri.params}{param.value,by});
	$var(given) = $(route_uri{uri.params}{param.value,proof});

	# The tag of who has begun stands in From of what they send, and in To of what the other one sends.
	$var(says) = $var(by);
	$var(tag) = $ft;
	route(PROVE);
	if ($var(proof) != $var(given)) {
		$var(says) = "asterisk";
		if ($var(by) == "asterisk") $var(says) = "peer";
		$var(tag) = $tt;
		route(PROVE);
		if ($var(proof) != $var(given)) route(NO_SUCH_CALL);
	}
	if ($var(says) == "asterisk") {
		$var(from) = $(var(voice){s.decode.hexa});
		$du = $(var(peer){s.decode.hexa});
	} else {
		$var(from) = $(var(peer){s.decode.hexa});
		$du = $(var(voice){s.decode.hexa});
	}
	$var(from) = $(var(from){uri.host});
	if (!compare_ips("$si", "$var(from)")) route(NO_SUCH_CALL);
	# Whoever calls a direct address has proved nothing by that.
	if ($var(by) != "stranger") $sht(known=>$si) = 1;
	# Nor is a stranger's connection kept any earlier.
	else if ($proto != "udp") tcp_set_connection_lifetime("3600");

	if (is_method("INVITE")) record_route(";peer=$var(peer);by=$var(by);voice=$var(voice);proof=$var(proof)");
	t_set_fr("0", "30000");
	if (!t_relay() && !is_method("ACK")) sl_reply_error();
	exit;
}

route[NO_SUCH_CALL] {
	if (!is_method("ACK")) sl_send_reply("481", "Call/Transaction Does Not Exist");
	exit;
}

# $var(proof): that a call with this Call-ID between $var(voice) and $var(peer), begun by $var(by) with $var(tag), has
# been let in. The hash is made twice, so that none can be made longer by somebody who has one.
route[PROVE] {
	$var(proof) = "CALL_SECRET|" + $var(by) + "|" + $var(voice) + "|" + $var(peer) + "|" + $var(tag) + "|" + $ci;
	$var(proof) = "CALL_SECRET|" + $(var(proof){s.sha256});
	$var(proof) = $(var(proof){s.sha256}{s.substr,0,32});
}

# $var(proof): that this edge has written the row $var(row). A phone at Asterisk that gives another one's row as its own
# contact does not know it.
route[PROVE_BINDING] {
	$var(proof) = "CALL_SECRET|binding|" + $var(row);
	$var(proof) = "CALL_SECRET|" + $(var(proof){s.sha256});
	$var(proof) = $(var(proof){s.sha256}{s.substr,0,32});
}

# $var(realm): the domain of ours that the request speaks for. It stands in From, or in the request's URI for carriers,
# which have their own address in From. A request for no domain of ours costs no SQL here; of those, calls to direct
# addresses alone go on.
route[WHOSE] {
	$var(realm) = $(fd{s.tolower});
	if ($var(realm) =~ "^[a-z0-9.-]+[.](TRUNK_DOMAIN|PHONE_DOMAIN)$") return;
	$var(realm) = $(rd{s.tolower});
	if ($var(realm) =~ "^[a-z0-9.-]+[.](TRUNK_DOMAIN)$") return;
	if (is_method("INVITE") && $(rU{s.tolower}) =~ "^direct[.][0-9a-f]{1,64}$") route(STRANGER);
	if ($var(realm) =~ "^[a-z0-9.-]+[.](PHONE_DOMAIN)$") return;
	sl_send_reply("403", "Forbidden");
	exit;
}

# Comes back for whoever may be here. Everybody else is challenged, known or not: no answer tells which is which.
# What strangers write goes into SQL as hexadecimal digits. auth_db is not used: it takes a ha1 that is NULL (a trunk
# that is known by its address alone) for a string, and that is the end of Kamailio.
route[ADMIT] {
	# By source address: no challenge.
	route(ADDRESSES);
	$var(known) = "address|" + $var(addresses);
	if ($var(addresses) != "" && is_in_subnet("$si", "$var(addresses)")) {
		$sht(known=>$si) = 1;
		return;
	}

	# By digest.
	if ($aU != $null) route(GUESSES);
	$var(ha1) = "";
	if ($aU =~ "^[!-~]+$" && !sql_pvquery("ringback", "SELECT ha1 FROM registrar_sip_auths"
			" WHERE realm = TEXT<$var(hex)> AND username = TEXT<$(aU{s.encode.hexa})>"
			" AND WORDS<auth_types> LIKE '%\"basic\"%' AND length(ha1) = 32", "$var(ha1)"))
		route(NO_DATABASE);
	if ($aU != $null) {
		# Who is not there is asked for a password, too, which nobody has.
		$var(password) = "CALL_SECRET";
		$var(password) = $(var(password){s.md5});
		if ($var(ha1) != "") $var(password) = $var(ha1);
		pv_auth_check("$var(realm)", "$var(password)", "1", "0");
		$var(said) = $rc;
		if ($var(said) > 0 && $var(ha1) != "") {
			consume_credentials();
			$sht(known=>$si) = 1;
			$var(known) = "digest|" + $var(ha1);
			return;
		}
		if ($var(said) == -2) route(WRONG);
	}
	auth_challenge("$var(realm)", "1");
	exit;
}

# $var(addresses): of a trunk that is known by them, with commas between. No phone is, and all phones of a customer have
# one realm: nothing is looked for among them.
route[ADDRESSES] {
	$var(hex) = $(var(realm){s.encode.hexa});
	$var(addresses) = "";
	if ($var(realm) =~ "[.](TRUNK_DOMAIN)$" && !sql_pvquery("ringback", "SELECT"
			" replace(replace(replace(replace(WORDS<allowed_ips>, '[', ''), ']', ''), '\"', ''), ' ', '')"
			" FROM registrar_sip_auths"
			" WHERE realm = TEXT<$var(hex)> AND WORDS<auth_types> LIKE '%\"ip\"%' LIMIT 1", "$var(addresses)"))
		route(NO_DATABASE);
}

route[NO_DATABASE] {
	sl_send_reply("500", "Server Internal Error");
	exit;
}

# Each for itself alone. Where trunks are is kept in memory; where phones are stands in ps_contacts.
route[REGISTER] {
	if ($(td{s.tolower}) != $var(realm)) route(FORBIDDEN);
	if (!($var(realm) =~ "[.](TRUNK_DOMAIN)$")) route(REGISTER_PHONE);
	# Where it is counts for as long as it is known as it is now: a trunk with another password or other addresses, or
	# another customer's of that name, is somewhere else. A call goes to where the REGISTER came from, whatever Contact
	# says, so nobody can have us call a third one.
	$avp(received) = $su;
	route(PLACE);
	if (save("location", "0x00", "$var(place)") && $proto != "udp") tcp_set_connection_lifetime("3600");
	exit;
}

# $var(place): under which name the places of a trunk are kept that is known by $var(known).
route[PLACE] {
	$var(place) = "sip:" + $(var(known){s.sha256}) + "@" + $var(realm);
}

# Asterisk knows whom the address rings, and answers 404 where there is nobody.
route[CALL] {
	$var(trunk) = "*";
	$var(aor) = "*";
	if ($var(realm) =~ "[.](TRUNK_DOMAIN)$") {
		$var(trunk) = $var(realm);
	} else {
		if ($fU == $null) route(FORBIDDEN);
		$var(name) = $fU;
		route(OWN_PHONE);
	}
	route(OUR_WORD);
	# A connection that a call came by is kept for it: there is no other way back.
	if ($proto != "udp") tcp_set_connection_lifetime("3600");
	route(TO_ASTERISK);
}

# Asterisk believes these headers from us alone: they say which trunk or phone calls ("*": none), and from where the
# call came. It reads the first of a name, and ours stand before all others: none that we have overlooked is read.
route[OUR_WORD] {
	insert_hf("X-Ringback-Source: $si\r\nX-Ringback-Phone: $var(aor)\r\nX-Ringback-Trunk: $var(trunk)\r\n");
	remove_hf("Route");
	remove_hf("X-Ringback-Trunk");
	remove_hf("X-Ringback-Phone");
	remove_hf("X-Ringback-Source");
}

# An answer belongs to a request that went through here, or it is Asterisk's (a 200 again, because an ACK was lost).
# Others would go wherever their Via says.
reply_route {
	if (!t_check_trans() && !ds_is_from_list("1", "3")) drop;
}
"""
