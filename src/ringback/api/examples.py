"""Texts and examples of the API's description: shown at /docs, executed by a test."""

from typing import Any, Final

from ringback.api.access_examples import ACCESS_ANSWERS, ACCESS_EXAMPLES, ACCESS_PATH
from ringback.api.bulk_examples import BULK_ANSWERS
from ringback.api.call_examples import CALL, CALL_ANSWERS
from ringback.api.customer_examples import CUSTOMER, CUSTOMER_ANSWERS, CUSTOMER_EVENTS, CUSTOMER_EXAMPLES
from ringback.api.events import EXAMPLE
from ringback.api.policy_examples import POLICY, POLICY_ANSWERS, POLICY_EXAMPLES
from ringback.api.router_examples import MADE, ROUTER_ANSWERS, ROUTER_EXAMPLES
from ringback.api.setup_examples import LINK, SETUP_ANSWERS, SETUP_EXAMPLES

ABOUT: Final = """\
Extensions, direct addresses and contacts of SIP phones; trunks to carriers and PBXes.

**Keys.** Send `Authorization: Bearer rb_…`. A customer's key reaches that customer's objects and no others; the
platform operator's key names the customer with `?customer_id=`.

**Passwords** are shown once, in the answer that set them, and are `""` ever after.

**Lists** are newest first. Send `next_page_token` of one page as `page_token` to get the next; it is `""` on the last.

**Errors** have one envelope: `reason` is for programs and stays, `details` names every faulty field of the request.

**Changes.** `PUT` and `PATCH` do the same: fields that are absent or null stay as they are. Every object has an `ETag`
for `If-Match` (412 when somebody was faster) and `If-None-Match`.

**Events** come as they happen over `/v1.0/events`, as server-sent events.

**Limits.** Answers say in `RateLimit` how many requests your key may send at once now. 429 with `Retry-After` is one
too many: nothing was done, and it may be sent again after so many seconds.

**Again.** No answer came? Send the same `POST` or `PATCH` once more under the `Idempotency-Key` that you chose for it:
for 24 hours it is done once, and answered as the first time (`Idempotent-Replay: true`, passwords as `""`). Another
request under that key is 422. One that comes while the first is running waits for it, at most two seconds: then it is
409, and may be sent again.
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
    "create_trunk": {
        "by username and password": {"domain_name": "carrier-a", "auth_types": ["basic"], "username": "pbx01"},
        "by address": {
            "domain_name": "carrier-b",
            "auth_types": ["ip"],
            "allowed_ips": ["203.0.113.7", "198.51.100.0/28", "2001:db8::/48"],
        },
        "with everything": {
            "domain_name": "carrier-c.example",
            "auth_types": ["basic", "ip"],
            "username": "pbx03",
            "password": "Sample-Pass-0004",
            "allowed_ips": ["203.0.113.9"],
            "name": "Carrier C",
            "detail": "the one with the good rates",
            "outbound": True,
        },
    },
    "put_trunk": {
        "a new name": {"name": "Carrier A, Frankfurt"},
        "another user, with a password made for you": {"username": "pbx02", "password_regenerate": True},
    },
    "patch_trunk": {
        "by address only": {"auth_types": ["ip"], "allowed_ips": ["203.0.113.8"]},
        "a password of your own": {"password": "Sample-Pass-0005"},
        "calls of phones go out by it": {"outbound": True},
    },
    "put_customer_domain": {"a short label": {"domain_label": "acme-3"}},
    **SETUP_EXAMPLES,
    **CUSTOMER_EXAMPLES,
    **ROUTER_EXAMPLES,
    **POLICY_EXAMPLES,
    **ACCESS_EXAMPLES,
}
"""Operation → title → body."""

PATH: Final = {
    "customer_id": CUSTOMER,
    "extension_id": "b1d7c2aa-0f35-4c0e-8a66-5d0c9b7e4f21",
    "contact_id": "5f2b7c0e9a1d4c3b8e6f7a0b1c2d3e4f",
    "call_id": CALL["id"],
    "trunk_id": "c8a1e0d2-91b4-4b6e-a3d5-7f2b6c1d9e04",
    "router_extension_id": "upper",
    "number_id": "1",
    "policy_id": POLICY,
    "token": LINK,
    **ACCESS_PATH,
}
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
ENTRY: Final[dict[str, Any]] = {
    "id": "0d5f0e5c-7d0e-4a53-9d3b-0f6f3a2c8b11",
    "event": "registered",
    "cause": "",
    "contact_id": CONTACT["id"],
    **{name: CONTACT[name] for name in ("uri", "transport", "user_agent", "via_addr", "via_port", "path")},
    "reg_server": "ast-1",
    "tm_create": "2026-02-11T09:30:05.000000Z",
}
TRUNK: Final[dict[str, Any]] = {
    "id": PATH["trunk_id"],
    "customer_id": CUSTOMER,
    "name": "Carrier A",
    "detail": "",
    "domain_name": "carrier-a",
    "realm": "carrier-a.trunk.example.com",
    "auth_types": ["basic", "ip"],
    "username": "pbx01",
    "password": "",
    "allowed_ips": ["203.0.113.7"],
    "tm_create": "2026-02-11T09:31:00.000001Z",
    "tm_update": None,
    "tm_delete": None,
}
DOMAIN: Final[dict[str, Any]] = {
    "customer_id": CUSTOMER,
    "domain_label": "acme",
    "realm": "acme.registrar.example.com",
    "tm_create": MADE,
    "tm_update": None,
}
DRIFT: Final[dict[str, Any]] = {
    "table": "registrar_sip_auths",
    "id": PATH["trunk_id"],
    "action": "correct",
    "state": "due",
    "customer_id": CUSTOMER,
    "object_id": PATH["trunk_id"],
    "columns": [{"column": "allowed_ips", "found": '["0.0.0.0/0"]', "wanted": '["203.0.113.7"]'}],
}
REFUSED: Final = {
    "name": "refusals",
    "state": "problem",
    "seen": "The phone was refused 12 times since 2026-02-11 09:02 UTC from 192.0.2.7 because its password is wrong",
    "do": "set the password again on the phone, or make a new one with 'registrar-control extension update"
    f" --id {PATH['extension_id']} --generate_password'",
}
ANSWERS: Final[dict[str, Any]] = {
    "RegistrarManagerExtension": EXTENSION,
    "ExtensionPage": {"result": [EXTENSION], "next_page_token": ""},
    "RegistrarManagerTrunk": TRUNK,
    "TrunkPage": {"result": [TRUNK], "next_page_token": ""},
    "CustomerDomain": DOMAIN,
    "Contacts": {"result": [CONTACT], "next_page_token": "", "registered": True, "as_of": "2026-02-11T09:30:05Z"},
    "ContactHistory": {
        "result": [ENTRY],
        "next_page_token": "",
        "last_seen": "2026-02-11T09:30:05Z",
        "address_changes": 0,
        "flaps_last_hour": 0,
    },
    "DriftReport": {
        "total": 1,
        "counts": [{**{name: DRIFT[name] for name in ("table", "action", "state")}, "rows": 1}],
        "unread": [],
        "result": [DRIFT],
    },
    "ExtensionDiagnosis": {
        "extension_id": PATH["extension_id"],
        "endpoint_id": "1001@acme.registrar.example.com",
        "as_of": "2026-02-11T09:30:05Z",
        "ok": False,
        "summary": f"{REFUSED['seen']}: {REFUSED['do']}.",
        "checks": [{"name": "customer", "state": "ok", "seen": "The customer is active", "do": ""}, REFUSED],
    },
    "EventStream": EXAMPLE,
    **SETUP_ANSWERS,
    **CALL_ANSWERS,
    **CUSTOMER_ANSWERS,
    **BULK_ANSWERS,
    **ROUTER_ANSWERS,
    **POLICY_ANSWERS,
    **ACCESS_ANSWERS,
}
"""Shape → an answer."""

EVENTS: Final[dict[str, Any]] = {
    **CUSTOMER_EVENTS,
    "ContactNews": {
        "id": PATH["contact_id"],
        "customer_id": CUSTOMER,
        "extension_id": PATH["extension_id"],
        "extension": "1001",
        "realm": DOMAIN["realm"],
        **{name: value for name, value in CONTACT.items() if name not in ("id", "expires_in")},
        "cause": "",
        "tm_event": "2026-02-11T09:30:05.000000Z",
    },
    "CallManagerCall": CALL,
    "ExtensionNews": NEWS,
    "TrunkNews": {name: value for name, value in TRUNK.items() if name != "password"},
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
