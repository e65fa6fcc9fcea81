"""Examples of the customers' part of the API: shown at /docs, executed by a test."""

from typing import Any, Final

CUSTOMER: Final = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
SHOWN: Final[dict[str, Any]] = {
    "id": CUSTOMER,
    "name": "Acme",
    "email": "ops@acme.example",
    "detail": "",
    "status": "active",
    "domain_label": "acme",
    "limit_extension": 50,
    "limit_trunk": None,
    "tm_create": "2026-02-11T09:28:00.000001Z",
    "tm_update": None,
    "tm_delete": None,
}
CUSTOMER_EXAMPLES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "create_customer": {
        "the least": {"name": "Acme", "email": "ops@acme.example"},
        "with everything": {
            "name": "Acme",
            "email": "ops@acme.example",
            "detail": "since the fair",
            "id": "6b0c9a7e-3d4f-4f1b-8a51-9c2d7e60f815",
            "domain_label": "acme-4",
            "limit_extension": 50,
            "limit_trunk": 2,
        },
    },
    "put_customer": {"more phones": {"limit_extension": 100}},
    "patch_customer": {"another address": {"email": "telephony@acme.example"}},
    "put_own_customer": {"a new name": {"name": "Acme Phones"}},
    "patch_own_customer": {"another address": {"email": "telephony@acme.example"}},
}
CUSTOMER_ANSWERS: Final[dict[str, Any]] = {
    "CustomerManagerCustomer": SHOWN,
    "CustomerPage": {"result": [SHOWN], "next_page_token": ""},
}
CUSTOMER_EVENTS: Final[dict[str, Any]] = {"CustomerNews": {**SHOWN, "tm_event": SHOWN["tm_create"]}}
