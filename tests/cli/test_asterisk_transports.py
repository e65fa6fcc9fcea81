"""`ringback sip asterisk-config`: phones by TLS and WebSocket, behind NAT, remembered; what is refused."""

from configparser import ConfigParser
from pathlib import Path

import pytest

from .conftest import Shell

FILES = ("--tls_cert=/etc/sip.pem", "--tls_key=/etc/sip.key")
EVERYTHING = (*FILES, "--tls_port=5061", "--wss_port=8089", "--bind=10.1.2.3", "--external_address=198.51.100.7")


def written(shell: Shell, out: Path, *flags: str) -> str:
    ran = shell.ringback("sip", "asterisk-config", f"--out={out}", *flags)
    assert ran.code == 0, ran
    return ran.out


def sections(file: Path) -> ConfigParser:
    found = ConfigParser(interpolation=None, comment_prefixes=(";",), strict=False)
    found.read(file)
    return found


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def test_nothing_but_udp_and_tcp_is_there_unless_it_is_asked_for(shell: Shell, tmp_path: Path) -> None:
    written(shell, tmp_path / "etc")

    pjsip = (tmp_path / "etc/pjsip.conf").read_text()
    assert [word for word in ("tls", "wss", "external_", "local_net") if word in pjsip] == []
    assert sections(tmp_path / "etc/http.conf")["general"]["enabled"] == "no"
    assert sections(tmp_path / "etc/rtp.conf")["general"]["icesupport"] == "no"
    assert "cache" not in (tmp_path / "etc/sorcery.conf").read_text()
    modules = (tmp_path / "etc/modules.conf").read_text()
    assert [name for name in ("http_websocket", "transport_websocket", "memory_cache") if name in modules] == []


def test_tls_and_websockets_have_the_certificate_and_the_ports_that_were_named(shell: Shell, tmp_path: Path) -> None:
    said = written(shell, tmp_path / "etc", *EVERYTHING)

    pjsip = sections(tmp_path / "etc/pjsip.conf")
    named = ("protocol", "bind", "cert_file", "priv_key_file", "external_media_address", "external_signaling_address")
    assert [pjsip["phones-tls"][name] for name in named] == [
        "tls", "10.1.2.3:5061", "/etc/sip.pem", "/etc/sip.key", "198.51.100.7", "198.51.100.7"
    ]  # fmt: skip
    assert pjsip["phones-wss"]["protocol"] == "wss"
    http = sections(tmp_path / "etc/http.conf")["general"]
    assert [http[name] for name in ("enabled", "tlsenable", "tlsbindaddr", "tlscertfile", "tlsprivatekey")] == [
        "no", "yes", "10.1.2.3:8089", "/etc/sip.pem", "/etc/sip.key"
    ]  # fmt: skip
    assert "10.1.2.3 => 198.51.100.7,include_local_address" in lines(tmp_path / "etc/rtp.conf")
    assert "load=res_pjsip_transport_websocket.so" in lines(tmp_path / "etc/modules.conf")
    assert "the user asterisk must be able to read /etc/sip.pem and /etc/sip.key\n" in said


def test_paths_of_certificates_are_written_whole(shell: Shell, tmp_path: Path) -> None:
    written(shell, tmp_path / "etc", "--tls-port=5061", "--tls-cert=sip.pem", "--tls-key=/etc/sip.key")

    assert sections(tmp_path / "etc/pjsip.conf")["phones-tls"]["cert_file"] == str(Path("sip.pem").absolute())


def test_each_network_is_named_in_each_transport(shell: Shell, tmp_path: Path) -> None:
    flags = ("--external_address=198.51.100.7", "--local_net=192.0.2.0/24,10.0.0.0/8")
    said = written(shell, tmp_path / "etc", *flags, "--endpoint_defaults=allow=ulaw|alaw|g722,direct_media=no")

    found = lines(tmp_path / "etc/pjsip.conf")
    assert found.count("type=transport") == found.count("local_net=192.0.2.0/24") == found.count("local_net=10.0.0.0/8")
    needed = "ENDPOINT_DEFAULTS='allow=ulaw|alaw|g722,direct_media=no,rewrite_contact=yes,rtp_symmetric=yes'"
    assert needed in said
    assert "ENDPOINT_DEFAULTS" not in written(shell, tmp_path / "etc", *flags)


def test_asterisk_remembers_phones_for_as_long_as_it_was_told_and_contacts_never(shell: Shell, tmp_path: Path) -> None:
    written(shell, tmp_path / "etc", "--cache=90")

    assert [line for line in lines(tmp_path / "etc/sorcery.conf") if "/cache=" in line] == [
        f"{kind}/cache=memory_cache,object_lifetime_maximum=90,expire_on_reload=yes"
        for kind in ("endpoint", "auth", "aor")
    ]
    assert "load=res_sorcery_memory_cache.so" in lines(tmp_path / "etc/modules.conf")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--tls_port=5061"], ["--tls_cert is required", "--tls_key is required"]),
        (FILES, ["--tls_port must be given with --tls_cert, or --wss_port"]),
        ([*FILES, "--tls_port=5060", "--wss_port=5062"], ["--tls_port must differ", "--wss_port must differ"]),
        ([*FILES, "--tls_port=5061", "--wss_port=5061"], ["--wss_port must differ from the other ports"]),
        ([*FILES, "--tls_port=5038", "--ami_bind=127.0.0.1:5038"], ["--tls_port must differ from the other ports"]),
        (["--tls_port=5061", "--tls_cert=a;b", "--tls_key=a\nb"], ["--tls_cert must not be empty", "--tls_key must"]),
        (["--external_address=pbx\n[x]", "--local_net=ten"], ["--external_address must be an IP", "--local_net must"]),
        (["--external_address=198.51.100.7", "--bind=203.0.113.9"], ["--local_net must hold 203.0.113.9: it is"]),
        ([*EVERYTHING, "--bind=0.0.0.0"], ["--bind must be Asterisk's own address: browsers are told it"]),
    ],
    ids=["no files", "no port", "taken ports", "the same port", "the manager's", "lines", "texts", "its own", "bind"],
)
def test_what_cannot_be_is_refused_with_every_fault_and_nothing_is_written(
    shell: Shell, tmp_path: Path, flags: list[str], said: list[str]
) -> None:
    ran = shell.ringback("sip", "asterisk-config", f"--out={tmp_path}/etc", *flags)

    assert (ran.code, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert [fault for fault in said if fault not in ran.err] == []
    assert not (tmp_path / "etc").exists()
