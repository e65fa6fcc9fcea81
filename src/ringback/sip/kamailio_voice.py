"""Which Asterisk an edge hands a call to, and how it notices that one is gone."""

from collections.abc import Iterable, Sequence
from typing import Final

LIST: Final = "dispatcher.list"
"""The file that names them."""


def asterisks_list(asterisks: Iterable[str], edge: str) -> str:
    """The text of that file; each is `address:port`, as is `edge`, which they hear from."""
    head = "# The public ports of the Asterisks, which get calls in turn. Written by `ringback sip kamailio-config`.\n"
    return head + "".join(f"1 sip:{one} 0 0 socket=udp:{edge}\n" for one in asterisks)


def asterisks_in(text: str) -> tuple[str, ...]:
    """Those that such a file names."""
    return tuple(line.split()[1].partition(":")[2] for line in text.splitlines() if line.startswith("1 sip:"))


def parameters(asterisks: Sequence[str], edge: str, folder: str) -> str:
    """What the modules are told of them."""
    text = f"""\
# The Asterisks. Calls go to them in turn; the next one is asked where one does not answer.
modparam("dispatcher", "list_file", "{folder}/{LIST}")
modparam("dispatcher", "flags", 2)
modparam("dispatcher", "xavp_dst", "_dsdst_")
"""
    if len(asterisks) < 2:
        return text
    return f"""\
{text}# Each is asked every second whether it is there. What it says does not matter, but for a 503 (it is ending):
# one that has not answered twice in a row, each time in three seconds, gets no calls until it does. Once is too little:
# who comes back is still taken for silent by the questions of before, when it has long answered newer ones.
modparam("dispatcher", "ds_ping_method", "OPTIONS")
modparam("dispatcher", "ds_ping_interval", 1)
modparam("dispatcher", "ds_probing_threshold", 2)
modparam("dispatcher", "ds_ping_from", "sip:edge@{edge}")
modparam("dispatcher", "ds_default_socket", "udp:{edge}")
modparam("dispatcher", "ds_ping_reply_codes", "class=2;class=3;code=401;code=403;code=404;code=405;code=407")
modparam("dispatcher", "ds_probing_mode", 1)
modparam("tm", "fr_timer", 3000)
"""


VOICE: Final = r"""
# ---- Calls to Asterisk ----------------------------------------------------------------------------------

# In turn. Which one it is stands in Record-Route, so that all requests within the call go there.
route[TO_ASTERISK] {
	if (!ds_select_dst("1", "4")) {
		sl_send_reply("503", "Service Unavailable");
		exit;
	}
	t_on_branch("HANDED_OVER");
	t_on_reply("ASTERISK_SAYS");
	t_on_failure("NEXT_ASTERISK");
	t_set_fr("120000", "3000");
	if (!t_relay()) sl_reply_error();
	exit;
}

branch_route[HANDED_OVER] {
	$var(peer) = $(su{s.encode.hexa});
	$var(voice) = $(du{s.encode.hexa});
	$var(by) = "peer";
	if ($avp(stranger) != $null) $var(by) = "stranger";
	$var(tag) = $ft;
	route(PROVE);
	record_route(";peer=$var(peer);by=$var(by);voice=$var(voice);proof=$var(proof)");
}

onreply_route[ASTERISK_SAYS] {
	if ($rs > 100 && $rs < 200) $avp(rings) = 1;
	# Another one would ask the policy of the called customer once more, which has failed or taken all its time.
	if ($rs == 503 && $hdr(Reason) =~ "cause=42") $avp(more) = 2;
	if ($avp(stranger) != $null) route(STRANGER_HEARS);
}

# The next one is asked where one says nothing or 503 (its database may be away, or the caller has guessed too often),
# unless something rings already, and two more at most. Whether one is there, its answers to OPTIONS alone say: there
# may be calls that an Asterisk answers nothing to, and such a call takes nobody else's away.
failure_route[NEXT_ASTERISK] {
	if (t_is_canceled() || $avp(rings) == 1) exit;
	if (t_branch_timeout()) {
		if (t_branch_replied()) exit;
	} else if (!t_check_status("503")) exit;
	$avp(more) = $(avp(more){s.int}) + 1;
	if ($avp(more) < 3 && ds_next_dst()) {
		t_on_branch("HANDED_OVER");
		t_on_reply("ASTERISK_SAYS");
		t_on_failure("NEXT_ASTERISK");
		t_set_fr("120000", "3000");
		if (t_relay()) exit;
	}
	# Left alone, it were a 500 (RFC 3261 16.7).
	t_reply("503", "Service Unavailable");
}
"""
