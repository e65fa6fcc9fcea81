"""Examples of requests and answers: shown in the description, executed by a test."""

from typing import Any, Final

import msgspec

EXAMPLES: Final[dict[tuple[str, str], dict[str, dict[str, Any]]]] = {
    ("POST", "/v1.0/extensions"): {
        "the least": {"extension": "1001"},
        "with everything": {
            "extension": "1002",
            "username": "desk1002",
            "password": "Sample-Pass-0002",
            "name": "Front desk",
            "detail": "ground floor",
            "direct": True,
        },
    },
    ("PUT", "/v1.0/extensions/<extension-id>"): {
        "a new name": {"name": "Reception"},
        "a new password, made for you": {"password_regenerate": True},
    },
    ("PATCH", "/v1.0/extensions/<extension-id>"): {
        "a direct address": {"direct": True},
        "a password of your own": {"password": "Sample-Pass-0003"},
    },
}

EXTENSION: Final[dict[str, Any]] = {
    "id": "b1d7c2aa-0f35-4c0e-8a66-5d0c9b7e4f21",
    "customer_id": "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713",
    "name": "Front desk",
    "detail": "",
    "extension": "1001",
    "domain_name": "acme",
    "realm": "acme.registrar.example.com",
    "username": "1001",
    "password": "",
    "direct_hash": "7c09e1b4d2f8",
    "direct_uri": "sip:direct.7c09e1b4d2f8@sip.example.com",
    "tm_create": "2026-02-11T09:30:00.123456Z",
    "tm_update": None,
    "tm_delete": None,
}
CONTACT: Final[dict[str, Any]] = {
    "id": "5f2b7c0e9a1d4c3b8e6f7a0b1c2d3e4f",
    "uri": "sip:1001@192.0.2.44:5062;transport=tcp",
    "transport": "tcp",
    "user_agent": "Phone/2.1",
    "via_addr": "192.0.2.44",
    "via_port": 5062,
    "path": "",
    "reg_server": "ast-1",
    "call_id": "f81d4fae",
    "expire_time": "2026-02-11T09:40:00Z",
    "expires_in": 595,
}
ANSWERS: Final[dict[str, Any]] = {
    "RegistrarManagerExtension": EXTENSION,
    "ExtensionPage": {"result": [EXTENSION], "next_page_token": ""},
    "Contacts": {"result": [CONTACT], "next_page_token": "", "registered": True, "as_of": "2026-02-11T09:30:05Z"},
}


def example_of(shape: type[msgspec.Struct]) -> Any:
    """An answer of that shape, or nothing."""
    return ANSWERS.get(shape.__name__)
