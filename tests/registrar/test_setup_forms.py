"""The settings of a phone in the forms that phones read, taken apart by others than who wrote them."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.kit.errors import CannotStart
from ringback.kit.secret import Secret
from ringback.knobs import load
from ringback.registrar.setups import forms, qr
from ringback.registrar.setups.model import PhoneSettings, new_token
from tests import codes

NAMESPACE = "{http://www.linphone.org/xsds/lpconfig.xsd}"
STRANGE = [
    'Front "desk" & <back>',
    "a\\b",
    "]]>",
    "Zoë 📞",
    "x]]><!--",
    "%27;drop",
    "",
    "line\r\nContact: x",
    "\ufffe\x00",
]


def phone(name: str = "Front desk", **more: Any) -> PhoneSettings:
    known: dict[str, Any] = {"number": "1001", "username": "desk1001", "realm": "acme.registrar.example.com", "port": 0}
    known |= {"server": "acme.registrar.example.com", "transport": "udp", "password": Secret("Sample-Pass-0001")}
    return PhoneSettings(**known | {"name": name} | more)


def linphone(one: PhoneSettings) -> dict[str, dict[str, str]]:
    """Section → key → value, as Linphone reads them."""
    media, content = forms.written(one, "linphone")
    root = ElementTree.fromstring(content)
    assert (media, root.tag) == ("application/xml", f"{NAMESPACE}config")
    return {section.attrib["name"]: {entry.attrib["name"]: entry.text or "" for entry in section} for section in root}


def acrobits(one: PhoneSettings) -> dict[str, str]:
    media, content = forms.written(one, "acrobits")
    root = ElementTree.fromstring(content)
    assert (media, root.tag) == ("application/xml", "account")
    return {field.tag: field.text or "" for field in root}


def test_linphone_is_told_whom_it_is_where_it_registers_and_that_there_is_no_second_time() -> None:
    read = linphone(phone())

    assert read["misc"]["transient_provisioning"] == "1"
    assert read["auth_info_0"] == {
        "username": "1001",
        "userid": "desk1001",
        "passwd": "Sample-Pass-0001",
        "realm": "acme.registrar.example.com",
        "domain": "acme.registrar.example.com",
    }
    assert read["proxy_0"]["reg_proxy"] == "<sip:acme.registrar.example.com;transport=udp>"
    assert read["proxy_0"]["reg_identity"] == '"Front desk" <sip:1001@acme.registrar.example.com>'
    assert read["proxy_0"]["reg_sendregister"] == "1"
    assert "reg_route" not in read["proxy_0"]


def test_a_server_of_another_name_is_where_everything_goes() -> None:
    elsewhere = phone(server="sip.example.com", port=5061, transport="tls")

    read = linphone(elsewhere)["proxy_0"]
    assert read["reg_proxy"] == "<sip:sip.example.com:5061;transport=tls>"
    assert read["reg_route"] == "<sip:sip.example.com:5061;transport=tls;lr>"
    account = acrobits(elsewhere)
    assert (account["host"], account["proxy"]) == ("acme.registrar.example.com", "sip.example.com:5061")
    assert account["transport"] == "tls+sip:"
    assert ';outbound="sip:sip.example.com:5061;transport=tls"' in forms.written(elsewhere, "baresip")[1].decode()
    assert "Outbound proxy         sip.example.com:5061" in forms.text(elsewhere)


def test_a_sheet_has_all_that_a_desk_phone_asks_for() -> None:
    lines = forms.text(phone(transport="tls")).splitlines()

    assert dict(re.split(r" {2,}", line, maxsplit=1) for line in lines[2:]) == {
        "Display name": "Front desk",
        "User name / extension": "1001",
        "Domain / SIP server": "acme.registrar.example.com",
        "Authentication name": "desk1001",
        "Password": "Sample-Pass-0001",
        "Realm": "acme.registrar.example.com",
        "Transport": "TLS",
        "Port": "5061",
        "SIP address": "sip:1001@acme.registrar.example.com",
    }


@pytest.mark.parametrize("name", STRANGE)
def test_a_name_is_text_in_every_form_and_nothing_more(name: str) -> None:
    plain, strange = phone(), phone(name)
    shown = re.sub("[\x00-\x1f\ufffe]", "\ufffd", name) or "1001"

    assert acrobits(strange) == {**acrobits(plain), "title": shown, "userDisplayName": shown}
    identity = linphone(strange)["proxy_0"]["reg_identity"]
    quoted = shown.replace("\\", "\\\\").replace('"', '\\"')
    assert identity == f'"{quoted}" <sip:1001@acme.registrar.example.com>'
    assert linphone(strange) | {"proxy_0": {}} == linphone(plain) | {"proxy_0": {}}
    assert forms.written(strange, "baresip")[1].decode().count("\n") == 1
    assert len(forms.text(strange).splitlines()) == len(forms.text(plain).splitlines())
    assert msgspec.json.decode(forms.written(strange, "json")[1])["name"] == name


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_whatever_the_name_the_xml_can_be_read(name: str) -> None:
    assert linphone(phone(name)).keys() == linphone(phone()).keys()
    assert acrobits(phone(name)).keys() == acrobits(phone()).keys()


@pytest.mark.parametrize(
    ("agent", "form"),
    [
        ("LinphoneAndroid/5.2.4 (Pixel 6) LinphoneSDK/5.3.46", "linphone"),
        ("Linphone-Desktop/5.2.4 (ws) Windows LinphoneCore/5.3.6", "linphone"),
        ("Unknown", "linphone"),
        ("Unknown/1.0 bot", None),
        ("CloudSoftphone/1.5.6", "acrobits"),
        ("Acrobits Groundwire/24.1", "acrobits"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", None),
        ("WhatsApp/2.23.20.0 A", None),
        ("", None),
    ],
)
def test_softphones_are_known_by_what_they_call_themselves(agent: str, form: str | None) -> None:
    assert forms.of_softphone(agent) == form


def test_a_camera_reads_the_code_of_any_link() -> None:
    for base in ("http://127.0.0.1:8080", "https://phones.example.com", f"https://{'long.' * 30}example.com/rb"):
        for _ in range(5):
            url = f"{base}/v1.0/setup/{new_token().reveal()}"
            assert codes.in_svg(qr.svg(url)) == url
            assert codes.on_terminal(f"first\n{qr.blocks(url)}\nlast") == url


@pytest.mark.parametrize(
    "wrong",
    [
        {"public_url": "phones.example.com"},
        {"public_url": "ftp://phones.example.com"},
        {"public_url": "https://phones.example.com/?a=b"},
        {"public_url": 'https://phones.example.com/"onload='},
        {"public_url": "https://user:password@phones.example.com"},
        {"public_url": "https://phones.example.com\n"},
        {"sip_public_host": "sip example"},
        {"sip_public_host": "sip.example.com>;x"},
        {"sip_public_port": "65536"},
        {"sip_public_transport": "carrier pigeon"},
    ],
    ids=str,
)
def test_settings_that_no_link_or_phone_could_use_are_refused(wrong: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=next(iter(wrong))):
        load({"ringback_home": tmp_path, **wrong})
