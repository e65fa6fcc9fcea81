"""Where a Kamailio edge listens: UDP and TCP, with a certificate TLS and WebSocket too."""

from collections.abc import Iterator

from ringback.sip.transports_conf import Tls

TLS = ("tls",)
WEBSOCKET = ("xhttp", "nathelper", "websocket")


def modules(tls: Tls | None) -> tuple[str, ...]:
    """Those that it takes."""
    if tls is None:
        return ()
    return (*TLS, *(WEBSOCKET if tls.wss_port else ()))


def packages(tls: Tls | None) -> list[str]:
    """Debian's, which have them."""
    if tls is None:
        return []
    return ["kamailio-tls-modules", *(["kamailio-websocket-modules"] if tls.wss_port else [])]


def listening(bind: str, port: int, tls: Tls | None, outside: str = "", inner_port: int = 0) -> str:
    """The lines that say where. The world knows it by the address `outside`, and then Asterisk by a port of its own."""
    named = f" advertise {outside}:" if outside else ""

    def line(kind: str, at: int) -> str:
        return f"listen={kind}:{bind}:{at}{named}{at if outside else ''}"

    lines = [line("udp", port), line("tcp", port)]
    if outside:
        note = "# Asterisks come to this port and hear from it: to them this Kamailio is where it really is."
        lines = [note, f"listen=udp:{bind}:{inner_port}", "# What everybody else is told.", *lines]
    if tls is None:
        return "\n".join(lines)
    lines += ["# SIP over TLS and over WebSockets. A new certificate counts from the next start.", "enable_tls=yes"]
    lines += [line("tls", one) for one in (tls.port, tls.wss_port) if one]
    if tls.wss_port:
        lines += ["# A WebSocket begins as HTTP, whose requests have no Content-Length.", "tcp_accept_no_cl=yes"]
    return "\n".join(lines)


def parameters(tls: Tls | None) -> str:
    """What its modules are told."""
    return "\n".join(_parameters(tls)) if tls else ""


def _parameters(tls: Tls) -> Iterator[str]:
    yield f"""
# One certificate, with its whole chain, for TLS and WebSockets: 1.2 or newer. Nobody is asked for one of their own.
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "{tls.certificate}")
modparam("tls", "private_key", "{tls.key}")
modparam("tls", "verify_certificate", 0)
modparam("tls", "require_certificate", 0)"""
    if tls.wss_port:
        yield """
# SIP alone is spoken by WebSocket. Who does not answer a ping is gone.
modparam("websocket", "sub_protocols", 1)
modparam("websocket", "keepalive_timeout", 30)"""


def routes(tls: Tls | None) -> str:
    """What is done with HTTP."""
    return HTTP.replace("WSS_PORT", str(tls.wss_port)) if tls and tls.wss_port else ""


HTTP = r"""
# Browsers begin a WebSocket by HTTPS at /ws. There is nothing else to be had by HTTP.
event_route[xhttp:request] {
	set_reply_close();
	set_reply_no_connect();
	if ($Rp == WSS_PORT && $hu == "/ws" && $rm == "GET" && $(hdr(Upgrade){s.tolower}) == "websocket") {
		if (ws_handle_handshake()) exit;
	}
	xhttp_reply("404", "Not Found", "text/plain", "");
}
"""
