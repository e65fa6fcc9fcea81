"""Examples of calls in the API's description."""

from typing import Any, Final

from ringback.api.customer_examples import CUSTOMER

CALL: Final[dict[str, Any]] = {
    "id": "3d2c9f60-6a0b-4a57-8f5e-2f6f2f0d7c11",
    "customer_id": CUSTOMER,
    "direction": "internal",
    "state": "ended",
    "from": "1001",
    "to": "1002",
    "from_extension_id": "b1d7c2aa-0f35-4c0e-8a66-5d0c9b7e4f21",
    "to_extension_id": "5a0c1c5e-62b4-4f0c-9a55-0d7d7b9e2c10",
    "trunk_id": None,
    "tm_start": "2026-02-11T09:30:05.100000Z",
    "tm_answer": "2026-02-11T09:30:09.250000Z",
    "tm_end": "2026-02-11T09:31:10.000000Z",
    "duration": 60.75,
    "hangup_cause": 16,
    "hangup_reason": "normal_clearing",
    "ended_by": "caller",
}
CALL_ANSWERS: Final[dict[str, Any]] = {
    "CallManagerCall": CALL,
    "CallPage": {"result": [CALL], "next_page_token": ""},
}
"""Shape → an answer."""
