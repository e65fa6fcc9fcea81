"""Texts and examples of the API's description: shown at /docs, executed by a test."""

from typing import Any, Final

ABOUT: Final = """\
Extensions, direct addresses and contacts of SIP phones.

**Keys.** Send `Authorization: Bearer rb_…`. A customer's key reaches that customer's objects and no others; the
platform operator's key names the customer with `?customer_id=`.

**Passwords** are shown once, in the answer that set them, and are `""` ever after.

**Lists** are newest first. Send `next_page_token` of one page as `page_token` to get the next; it is `""` on the last.

**Errors** have one envelope: `reason` is for programs and stays, `details` names every faulty field of the request.

**Changes.** `PUT` and `PATCH` do the same: fields that are absent or null stay as they are. Every object has an `ETag`
for `If-Match` (412 when somebody was faster) and `If-None-Match`.
"""

EXAMPLES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "create_extension": {
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
    "put_extension": {
        "a new name": {"name": "Reception"},
        "a new password, made for you": {"password_regenerate": True},
    },
    "patch_extension": {
        "a direct address": {"direct": True},
        "a password of your own": {"password": "Sample-Pass-0003"},
    },
}
"""Operation → title → body."""

PATH: Final = {"extension_id": "b1d7c2aa-0f35-4c0e-8a66-5d0c9b7e4f21"}
CUSTOMER: Final = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
MADE: Final = "2026-02-11T09:30:00.123456Z"
EXTENSION: Final[dict[str, Any]] = {
    "id": PATH["extension_id"],
    "customer_id": CUSTOMER,
    "name": "Front desk",
    "detail": "",
    "extension": "1001",
    "domain_name": "acme",
    "realm": "acme.registrar.example.com",
    "username": "1001",
    "password": "",
    "direct_hash": "7c09e1b4d2f8",
    "direct_uri": "sip:direct.7c09e1b4d2f8@sip.example.com",
    "tm_create": MADE,
    "tm_update": None,
    "tm_delete": None,
}
NEWS: Final[dict[str, Any]] = {name: value for name, value in EXTENSION.items() if name != "password"}
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
"""Shape → an answer."""

EVENTS: Final[dict[str, Any]] = {
    "ExtensionNews": NEWS,
    "DirectNews": {
        "id": "0d4f6a55-7b0e-4f0c-b7a1-62f0a9f4e6d8",
        "customer_id": CUSTOMER,
        "extension_id": PATH["extension_id"],
        "hash": EXTENSION["direct_hash"],
        "tm_create": MADE,
        "tm_update": None,
        "tm_delete": None,
        "direct_uri": EXTENSION["direct_uri"],
    },
}
"""Shape → the data of an event."""
