"""What a Kamailio edge does with anybody's call to a direct address, and with those who guess at such addresses."""

from typing import Final

PARAMETERS: Final = """\
# Who calls direct addresses that are not there: how many in the minute since the first one, and who is refused.
modparam("htable", "htable", "missed=>size=12;autoexpire=60;updateexpire=0;initval=0;")
modparam("htable", "htable", "held=>size=12;autoexpire=60;")
"""

STRANGERS: Final = r"""
# ---- Strangers ------------------------------------------------------------------------------------------

# A call to a direct address, by anybody. Which ones there are, Asterisk knows: it is told of no phone and no trunk.
route[STRANGER] {
	if ($sht(held=>$si) != $null && $sht(known=>$si) == $null) {
		append_to_reply("Retry-After: 60\r\n");
		sl_send_reply("503", "Service Unavailable");
		exit;
	}
	$avp(stranger) = $si;
	$var(aor) = "*";
	$var(trunk) = "*";
	route(OUR_WORD);
	route(TO_ASTERISK);
}

# Asterisk's answer to such a call: misses are counted before the caller hears of them.
route[STRANGER_HEARS] {
	if ($rs == 404 && $avp(rings) == $null) {
		$var(count) = $shtinc(missed=>$avp(stranger));
		if ($var(count) >= MISS_LIMIT) $sht(held=>$avp(stranger)) = 1;
		# The same answer again counts no more.
		$avp(stranger) = $null;
	}
}
"""
