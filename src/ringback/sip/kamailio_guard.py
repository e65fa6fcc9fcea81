"""What a Kamailio edge does against floods, and against those who guess passwords."""

from typing import Final

FLOOD: Final = 200
"""Requests in two seconds from an address that has not proved lately who it is."""
WRONG: Final = 10
"""Wrong passwords for one name from one address."""
WRONG_IN_ALL: Final = 100
"""Wrong passwords from one address that has never given a right one."""
PAUSE: Final = 300
"""Seconds that these are remembered after the last one."""

PARAMETERS: Final = f"""\
# Floods: more than {FLOOD // 2} requests a second from one address, unless somebody there has proved in the last ten
# minutes who they are. It is heard again as soon as it sends less.
modparam("pike", "sampling_time_unit", 2)
modparam("pike", "reqs_density_per_unit", {FLOOD})
modparam("pike", "remove_latency", 4)
modparam("htable", "htable", "known=>size=12;autoexpire=600;")
# Who guesses: wrong passwords, by address and name, and by address alone.
modparam("htable", "htable", "wrong=>size=12;autoexpire={PAUSE};initval=0;")
"""

GUARD: Final = f"""
# ---- Floods and guesses ---------------------------------------------------------------------------------

# Nobody hears what is too much: an answer would go to an address that others may have made up.
route[FLOOD] {{
	if (ds_is_from_list("1", "3") || $sht(known=>$si) != $null) return;
	if (!pike_check_req()) exit;
}}

# Ends a request of who has guessed too often, known or not.
route[GUESSES] {{
	$var(guesses) = $si + "|" + $var(realm) + "|" + $(aU{{s.md5}});
	if ($sht(wrong=>$var(guesses)) < {WRONG}
			&& ($sht(wrong=>$si) < {WRONG_IN_ALL} || $sht(known=>$si) != $null)) return;
	append_to_reply("Retry-After: {PAUSE}\\r\\n");
	sl_send_reply("503", "Service Unavailable");
	exit;
}}

# A wrong password to a nonce of ours: nobody answers that from an address that is made up.
route[WRONG] {{
	$var(count) = $shtinc(wrong=>$var(guesses));
	$var(count) = $shtinc(wrong=>$si);
	route(TELL_REFUSED);
}}
"""
