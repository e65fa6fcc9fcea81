"""Examples of setting up phones: shown at /docs, executed by a test."""

from typing import Any, Final

from ringback.api.customer_examples import CUSTOMER

LINK: Final = "rs_Cs4nd1vGu0yI4mRrT2bqXh8eWkLzP7oFjA9uYtVxQ5c"
"""What a link ends in."""
EXTENSION: Final = "b1d7c2aa-0f35-4c0e-8a66-5d0c9b7e4f21"
SETUP_EXAMPLES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "create_extension_setup_link": {
        "a quarter of an hour": {},
        "an hour": {"expires_in_minutes": 60},
    },
}
SETUP_ANSWERS: Final[dict[str, Any]] = {
    "ExtensionSetupLink": {
        "customer_id": CUSTOMER,
        "extension_id": EXTENSION,
        "url": f"https://phones.example.com/v1.0/setup/{LINK}",
        "qr_svg": '<svg xmlns="http://www.w3.org/2000/svg" width="180" height="180">…</svg>',
        "formats": ["acrobits", "baresip", "json", "linphone", "text"],
        "tm_create": "2026-02-11T09:30:00.123456Z",
        "tm_expire": "2026-02-11T09:45:00.123456Z",
    },
    "PhoneSetup": {
        "extension": "1001",
        "name": "Front desk",
        "sip_uri": "sip:1001@acme.registrar.example.com",
        "server": "sip.example.com",
        "port": 5061,
        "transport": "tls",
        "username": "1001",
        "auth_username": "1001",
        "realm": "acme.registrar.example.com",
        "password": "GeneratedPassword2abcdef",
    },
}
SETUP_FORMS: Final = {
    "application/xml": '<config xmlns="http://www.linphone.org/xsds/lpconfig.xsd">…</config>',
    "text/html": "<!doctype html>…",
    "text/plain": "Phone 1001…",
}
"""What phones and people get in place of JSON."""
