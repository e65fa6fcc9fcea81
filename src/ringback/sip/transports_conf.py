"""Where phones reach Asterisk, and what it calls its own address: transports of pjsip.conf, http.conf, rtp.conf."""

from dataclasses import dataclass
from typing import Final

PUBLIC_DOMAIN: Final = "direct.invalid"  # RFC 2606: nobody owns it; it only ties the public port to its endpoint
WEBSOCKET_MODULES: Final = ("res_http_websocket.so", "res_pjsip_transport_websocket.so")
PRIVATE_NETWORKS: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8")


@dataclass(frozen=True, slots=True)
class Tls:
    """SIP over TLS at `port` and over WebSockets (`wss://…/ws`) at `wss_port`; 0: not there.

    `certificate` is a file with the chain, `key` one with its private key, both PEM, by absolute paths."""

    certificate: str
    key: str
    port: int = 0
    wss_port: int = 0


@dataclass(frozen=True, slots=True)
class Nat:
    """The one address that Asterisk gives for itself, and the networks that it says so to nobody in.

    Its own address must be in one of them: else it believes that it has no other."""

    external_address: str
    local_nets: tuple[str, ...] = PRIVATE_NETWORKS


@dataclass(frozen=True, slots=True)
class Listening:
    """At which address and ports Asterisk listens; `public_port` 0: nobody may call who is not registered."""

    bind: str
    sip_port: int
    public_port: int
    rtp_ports: tuple[int, int]
    tls: Tls | None = None
    nat: Nat | None = None

    @property
    def websocket(self) -> bool:
        """Whether phones come by WebSocket, too."""
        return self.tls is not None and self.tls.wss_port > 0


def transports(at: Listening) -> str:
    """The sections `type=transport` of pjsip.conf."""
    blocks = [
        _transport("phones", "udp", at, at.sip_port),
        _transport("phones-tcp", "tcp", at, at.sip_port),
    ]
    if at.public_port:
        mark = f"domain={PUBLIC_DOMAIN}\n"
        blocks.append(_transport("public", "udp", at, at.public_port, mark))
        blocks.append(_transport("public-tcp", "tcp", at, at.public_port, mark))
    if at.tls and at.tls.port:
        files = f"method=sslv23\ncert_file={at.tls.certificate}\npriv_key_file={at.tls.key}\n"
        blocks.append(TLS_NOTE + _transport("phones-tls", "tls", at, at.tls.port, files))
    if at.tls and at.tls.wss_port:
        blocks.append(WSS_NOTE + _transport("phones-wss", "wss", at, at.tls.wss_port))
    return (NAT_NOTE if at.nat else "") + "".join(blocks)


TLS_NOTE: Final = """\
; Phones that speak TLS. "sslv23" is every version that OpenSSL allows, which is 1.2 and 1.3 today (without a word it
; were 1.0 alone); with OpenSSL 1.1 (Asterisk 16) see to MinProtocol in openssl.cnf. Asterisk reads the two files when
; it starts: restart it for a new certificate.
"""
WSS_NOTE: Final = """\
; Browsers (WebRTC), by wss://<this machine>:<port>/ws. It is http.conf that says where that listens.
"""
NAT_NOTE: Final = """\
; external_*: what Asterisk calls itself in SIP and SDP to everybody who is not in one of the networks of local_net.
; Asterisk's own address must be in one of them.

"""


def _transport(name: str, protocol: str, at: Listening, port: int, more: str = "") -> str:
    return f"[{name}]\ntype=transport\nprotocol={protocol}\nbind={at.bind}:{port}\n{more}{_nat(at.nat)}\n"


def _nat(nat: Nat | None) -> str:
    if nat is None:
        return ""
    lines = [f"external_{what}_address={nat.external_address}" for what in ("signaling", "media")]
    return "\n".join(lines + [f"local_net={network}" for network in nat.local_nets]) + "\n"


def http_conf(at: Listening) -> str:
    """Asterisk's HTTP server: WebSockets over TLS for browsers, and nothing else."""
    if at.tls is None or not at.websocket:
        return "; No HTTP server.\n[general]\nenabled=no\n"
    return f"""\
; WebSockets for browsers by HTTPS, and nothing else: no clear HTTP, no files, no page that tells what runs here.
[general]
enabled=no
enable_static=no
enable_status=no
tlsenable=yes
tlsbindaddr={at.bind}:{at.tls.wss_port}
tlscertfile={at.tls.certificate}
tlsprivatekey={at.tls.key}
; TLS 1.2 or newer.
tlsdisablev1=yes
tlsdisablev11=yes
; Browsers that are connected at once, and milliseconds that a handshake may take.
sessionlimit=1000
session_inactivity=30000
"""


def rtp_conf(at: Listening) -> str:
    """Ports for audio, and ICE where browsers need it."""
    first, last = at.rtp_ports
    ports = f"; Ports for audio: let them through the firewall, UDP.\n[general]\nrtpstart={first}\nrtpend={last}\n"
    if not at.websocket:
        return ports + "icesupport=no\n"
    text = (
        ports + "; Browsers find the way of the audio by ICE. Endpoints have it with webrtc=yes, others do without.\n"
    )
    text += "icesupport=yes\n"
    if at.nat is None:
        return text
    return f"""\
{text}
; The address inside => the one that the world sees; browsers are told both.
[ice_host_candidates]
{at.bind} => {at.nat.external_address},include_local_address
"""
