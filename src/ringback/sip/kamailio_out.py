"""What a Kamailio edge does with a call that Asterisk begins: it reaches who is known here, and nobody else."""

OUT = r"""
# ---- Calls that Asterisk begins -------------------------------------------------------------------------

# By its port, too: others may be on the same machine.
route[FROM_ASTERISK] {
	if ($proto == "udp" && ds_is_from_list("1", "2")) return 1;
	return -1;
}

# Asterisk decides whom a call may ring; where that one is, we know. A URI of any other domain reaches nobody.
route[BEGUN_BY_ASTERISK] {
	$var(realm) = $(rd{s.tolower});
	remove_hf("Route");
	if ($var(realm) =~ "^[a-z0-9.-]+[.](TRUNK_DOMAIN)$") route(TO_TRUNK);
	sl_send_reply("404", "Not Found");
	exit;
}

# To all places where the trunk is registered, or else to the first address that it is known by, port 5060.
route[TO_TRUNK] {
	if (!($rU =~ "^[+]?[0-9]{2,32}$")) {
		sl_send_reply("404", "Not Found");
		exit;
	}
	route(HA1_OF_REALM);
	if ($var(ha1) != "") {
		$var(known) = "digest|" + $var(ha1);
		route(PLACE);
		if (lookup("location", "$var(place)") > 0) route(RING);
	}
	route(ADDRESSES);
	if ($var(addresses) != "") {
		$var(known) = "address|" + $var(addresses);
		route(PLACE);
		if (lookup("location", "$var(place)") > 0) route(RING);
	}
	$var(at) = 0;
	$var(address) = $(var(addresses){s.select,0,,});
	while ($var(address) != "") {
		if ($var(address) =~ "^[0-9.]+$") {
			$du = "sip:" + $var(address) + ":5060";
			$rd = $var(address);
			$rp = 5060;
			route(RING);
		}
		$var(at) = $var(at) + 1;
		$var(address) = $(var(addresses){s.select,$var(at),,});
	}
	sl_send_reply("480", "Temporarily Unavailable");
	exit;
}

# $var(ha1): of a trunk that is known by its password.
route[HA1_OF_REALM] {
	$var(hex) = $(var(realm){s.encode.hexa});
	$var(ha1) = "";
	if (!sql_pvquery("ringback", "SELECT coalesce(ha1, '') FROM registrar_sip_auths"
			" WHERE realm = TEXT<$var(hex)> AND WORDS<auth_types> LIKE '%\"basic\"%' LIMIT 1", "$var(ha1)"))
		route(NO_DATABASE);
}

# Each place gets the number that Asterisk asks for, at its $du. One that says nothing in five seconds is not there. A
# connection that is gone is not made anew: at its other end nobody listens.
route[RING] {
	t_on_branch("RINGS");
	t_on_failure("REFUSED");
	t_set_fr("90000", "5000");
	set_forward_no_connect();
	OUTSIDE
	if (!t_relay()) sl_send_reply("480", "Temporarily Unavailable");
	exit;
}

branch_route[RINGS] {
	# A phone gets the address that it has given.
	if (!isflagset(1)) $rU = $oU;
	$var(peer) = $(du{s.encode.hexa});
	$var(voice) = $(su{s.encode.hexa});
	$var(by) = "asterisk";
	$var(tag) = $ft;
	route(PROVE);
	record_route(";peer=$var(peer);by=$var(by);voice=$var(voice);proof=$var(proof)");
}

# Whoever is called calls nobody else by us. A 503 would be a 500 to Asterisk (RFC 3261 16.7).
failure_route[REFUSED] {
	if (t_is_canceled()) exit;
	if (t_check_status("3..")) t_reply("480", "Temporarily Unavailable");
	if (t_check_status("503")) t_reply("503", "Service Unavailable");
}
"""
