"""The edge in Asterisk's pjsip.conf: known by its address alone, and the one that says whose trunk calls."""


def edge_conf(edge: str, transport: str) -> str:
    """Its sections; `edge` is `address:port`, an IPv4 address, or several with commas; empty for none.

    `transport` has the port it knows."""
    if not edge:
        return ""
    edges = edge.split(",")
    hosts = ",".join(one.rpartition(":")[0] for one in edges)
    return f"""
; The Kamailio of `ringback sip kamailio-config`. It says which phone or trunk it has let in, and is believed by its
; address: nobody else may be able to send from there. No phone registers from it.
[edge]
type=identify
endpoint=edge
match={hosts}

[edge]
type=endpoint
context=edge
allow=!all,ulaw,alaw,g722
direct_media=no
rtp_symmetric=yes
force_rport=yes
; Calls that go out, always by the edge and from the port that it knows. Nobody there transfers a call: the other side's
; would become one that the edge has let in.
transport={transport}
outbound_proxy=sip:{edges[0]}\\;lr
allow_transfer=no
"""
