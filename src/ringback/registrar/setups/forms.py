"""The settings of a phone in the forms that phones and people read."""

import re
from collections.abc import Callable, Mapping
from typing import Final
from xml.etree import ElementTree

import msgspec

from ringback.registrar.setups import wire
from ringback.registrar.setups.model import PhoneSettings
from ringback.registrar.setups.wire import Form

UNREADABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What no XML 1.0 may hold, and what would end a line. No request brings it; names from elsewhere may have it."""
SOFTPHONES: Final[Mapping[Form, re.Pattern[str]]] = {
    "linphone": re.compile(r"linphone|\AUnknown\Z", re.IGNORECASE),
    "acrobits": re.compile("acrobits|groundwire|cloud ?softphone", re.IGNORECASE),
}
"""What softphones that fetch their settings call themselves; Linphone's library says `Unknown` as it starts."""
LINPHONE: Final = "http://www.linphone.org/xsds/lpconfig.xsd"


def of_softphone(user_agent: str) -> Form | None:
    """The form that this softphone reads, if it is one that we know."""
    return next((form for form, name in SOFTPHONES.items() if name.search(user_agent)), None)


def written(phone: PhoneSettings, form: Form) -> tuple[str, bytes]:
    """The media type, and the settings in that form."""
    media, write = WRITERS[form]
    return media, write(phone)


def rows(phone: PhoneSettings) -> list[tuple[str, str]]:
    """What people type into a phone, by the names that most phones have for it."""
    password = phone.password.reveal() if phone.password else "(made when the link is opened)"
    found = [
        ("Display name", _name(phone)),
        ("User name / extension", phone.number),
        ("Domain / SIP server", phone.realm),
        ("Authentication name", phone.username),
        ("Password", password),
        ("Realm", phone.realm),
        ("Transport", phone.transport.upper()),
        ("Port", str(phone.usual_port)),
    ]
    if phone.server != phone.realm:
        found.insert(3, ("Outbound proxy", f"{phone.server}:{phone.usual_port}"))
    return [*found, ("SIP address", phone.uri)]


def text(phone: PhoneSettings) -> str:
    """A sheet for who sets up a desk phone."""
    lines = [f"Phone {phone.number}", ""]
    return "\n".join([*lines, *(f"{name:<23}{value}" for name, value in rows(phone))])


def _linphone(phone: PhoneSettings) -> bytes:
    """Linphone's remote provisioning: applied once, since there is no second time."""
    config = ElementTree.Element("config", {"xmlns": LINPHONE})
    server = f"sip:{phone.place};transport={phone.transport}"
    _section(config, "misc", {"transient_provisioning": "1"})
    _section(config, "sip", {"default_proxy": "0"})
    known = {"username": phone.number, "userid": phone.username, "passwd": _password(phone)}
    _section(config, "auth_info_0", {**known, "realm": phone.realm, "domain": phone.realm})
    account = {"reg_proxy": f"<{server}>", "reg_identity": f"{_quoted(phone)} <{phone.uri}>", "realm": phone.realm}
    if phone.server != phone.realm:
        account["reg_route"] = f"<{server};lr>"
    _section(config, "proxy_0", {**account, "reg_sendregister": "1", "reg_expires": "600"})
    return _document(config)


def _section(config: ElementTree.Element, name: str, entries: Mapping[str, str]) -> None:
    section = ElementTree.SubElement(config, "section", {"name": name})
    for key, value in entries.items():
        ElementTree.SubElement(section, "entry", {"name": key, "overwrite": "true"}).text = value


def _acrobits(phone: PhoneSettings) -> bytes:
    """The account XML of Acrobits' softphones."""
    fields = {
        "title": _name(phone),
        "username": phone.number,
        "authUsername": phone.username,
        "password": _password(phone),
        "host": phone.realm,
        "proxy": phone.place if phone.port or phone.server != phone.realm else "",
        "transport": "tls+sip:" if phone.transport == "tls" else phone.transport,
        "userDisplayName": _name(phone),
    }
    account = ElementTree.Element("account")
    for name, value in fields.items():
        if value:
            ElementTree.SubElement(account, name).text = value
    return _document(account)


def _baresip(phone: PhoneSettings) -> bytes:
    """A line of baresip's file `accounts`."""
    way = f";transport={phone.transport}"
    line = f"{_quoted(phone)} <{phone.uri}{way}>;auth_user={phone.username};auth_pass={_password(phone)}"
    if phone.port or phone.server != phone.realm:
        line += f';outbound="sip:{phone.place}{way}"'
    return f"{line}\n".encode()


def _document(root: ElementTree.Element) -> bytes:
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _password(phone: PhoneSettings) -> str:
    return phone.password.reveal() if phone.password else ""


def _name(phone: PhoneSettings) -> str:
    return UNREADABLE.sub("\ufffd", phone.name) or phone.number


def _quoted(phone: PhoneSettings) -> str:
    """The name as a SIP address may begin with it (RFC 3261 25.1)."""
    return '"' + re.sub(r'(["\\])', r"\\\1", _name(phone)) + '"'


WRITERS: Final[Mapping[Form, tuple[str, Callable[[PhoneSettings], bytes]]]] = {
    "acrobits": ("application/xml", _acrobits),
    "baresip": ("text/plain", _baresip),
    "json": ("application/json", lambda phone: msgspec.json.encode(wire.as_json(phone))),
    "linphone": ("application/xml", _linphone),
    "text": ("text/plain", lambda phone: f"{text(phone)}\n".encode()),
}
