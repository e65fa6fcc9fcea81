"""Examples of access keys, people and sign-in: shown at /docs, executed by a test."""

from typing import Any, Final

MADE: Final = "2026-02-11T09:30:00.123456Z"
REFRESH_TOKEN: Final = f"rr_{'Sample-Token' * 5}0000"
CUSTOMER: Final = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
ACCESS_EXAMPLES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "create_accesskey": {
        "the least": {"name": "shop door", "roles": ["manager"]},
        "with everything": {
            "name": "night watch",
            "roles": ["auditor", "viewer"],
            "scopes": ["phones:read", "audit:read"],
            "source_cidrs": ["203.0.113.7", "198.51.100.0/28"],
            "expires_in_days": 90,
        },
        "for pipelines alone": {"name": "bot", "scopes": ["pipeline:run"]},
    },
    "create_person": {
        "with a password made for them": {"email": "pat@example.com", "name": "Pat", "roles": ["manager"]},
        "with one of their own": {
            "email": "kim@example.com",
            "name": "Kim",
            "roles": ["admin"],
            "password": "Sample-Pass-0006",
        },
    },
    "patch_person": {
        "other roles": {"roles": ["viewer", "auditor"]},
        "a new password": {"password": "Sample-Pass-0007"},
        "out": {"status": "disabled"},
    },
    "login": {"with a password": {"email": "sam@example.com", "password": "Sample-Pass-0008"}},
    "change_own_password": {"another one": {"current_password": "Sample-Pass-0008", "password": "Sample-Pass-0009"}},
    "refresh": {"with the newest token": {"refresh_token": REFRESH_TOKEN}},
    "logout": {"with the newest token": {"refresh_token": REFRESH_TOKEN}},
}
"""Operation → title → body."""

ACCESS_PATH: Final = {
    "accesskey_id": "e6a1f0c4-5b7d-4e2a-9c38-1d0b7a6f2e95",
    "person_id": "7d3b9e50-2c1f-4a68-8e07-b5c4d6f10a23",
    "session_id": "c2f4a9d1-8b36-4e57-a0c9-6e1d7f3b5284",
}
ACCESSKEY: Final[dict[str, Any]] = {
    "id": ACCESS_PATH["accesskey_id"],
    "customer_id": CUSTOMER,
    "prefix": "rb_Example",
    "name": "shop door",
    "roles": ["manager"],
    "scopes": None,
    "source_cidrs": [],
    "state": "working",
    "key": "",
    "tm_create": MADE,
    "tm_expire": None,
    "tm_revoke": None,
    "tm_last_use": "2026-02-11T10:02:00.000000Z",
}
AUDIT_ENTRY: Final[dict[str, Any]] = {
    "id": 41,
    "tm": MADE,
    "actor": "key:shop door",
    "identity": f"key:{ACCESSKEY['id']}",
    "source": "rest",
    "address": "203.0.113.7",
    "request_id": "req_EXAMPLEEXAMPLEEXAMPLEEXAMPL",
    "action": "updated",
    "kind": "extension",
    "object_id": "b1d7c2aa-0f35-4c0e-8a66-5d0c9b7e4f21",
    "customer_id": CUSTOMER,
    "changes": {"password": {"old": "[REDACTED]", "new": "[REDACTED]"}},
    "before": {"extension": "1001", "name": "Front desk", "password": "[REDACTED]"},
    "after": {"extension": "1001", "name": "Front desk", "password": "[REDACTED]"},
}
PERSON: Final[dict[str, Any]] = {
    "id": ACCESS_PATH["person_id"],
    "customer_id": CUSTOMER,
    "email": "pat@example.com",
    "name": "Pat",
    "roles": ["manager"],
    "status": "active",
    "password": "",
    "tm_create": MADE,
    "tm_update": None,
}
SESSION: Final[dict[str, Any]] = {
    "id": ACCESS_PATH["session_id"],
    "person_id": ACCESS_PATH["person_id"],
    "tm_create": MADE,
    "tm_refresh": "2026-02-11T10:02:00.000000Z",
    "tm_expire": "2026-03-13T09:30:00.123456Z",
    "address": "203.0.113.7",
    "user_agent": "Mozilla/5.0",
    "is_current": True,
}
ACCESS_ANSWERS: Final[dict[str, Any]] = {
    "CustomerManagerAccesskey": ACCESSKEY,
    "AuditPage": {"result": [AUDIT_ENTRY], "next_page_token": ""},
    "AccesskeyPage": {"result": [ACCESSKEY], "next_page_token": ""},
    "CustomerManagerPerson": PERSON,
    "PersonPage": {"result": [PERSON], "next_page_token": ""},
    "SignedIn": {
        "access_token": "eyJ…",
        "refresh_token": REFRESH_TOKEN,
        "token_type": "Bearer",
        "expires_in": 900,
    },
    "SignedOut": {"signed_out": True},
    "PasswordChanged": {"changed": True},
    "SessionPage": {"result": [SESSION], "next_page_token": ""},
    "SessionsEnded": {"ended": 1},
    "WhoAmI": {
        "kind": "person",
        "id": ACCESS_PATH["person_id"],
        "name": "Pat",
        "email": "pat@example.com",
        "customer_id": CUSTOMER,
        "roles": ["manager"],
        "scopes": None,
        "tm_expire": None,
    },
}
"""Shape → an answer."""
