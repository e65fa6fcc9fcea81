"""Examples of policies in the API's description, executed by a test."""

from typing import Any, Final

from ringback.api.router_examples import MADE

POLICY: Final = "support_en"
DOCUMENT: Final[dict[str, Any]] = {
    "version": "1.0",
    "pre": [{"id": "normalize_text", "mode": "required", "config": {"collapse_whitespace": True}}],
    "validators": [{"id": "pii_guard", "on_fail": "block"}],
    "providers": [{"name": "openai_gpt4", "weight": 70}, {"name": "anthropic_claude", "weight": 30}],
    "fallbacks": [{"when": {"status": ["timeout", "unavailable"]}, "to": "mock_provider"}],
    "post": [{"id": "mask_sensitive_data", "mode": "required", "config": {"mask_patterns": ["email"]}}],
    "sticky": "context.conversation_id",
    "deadline_ms": 92000,
}
POLICY_EXAMPLES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "create_router_policy": {
        "checks, a provider, and one to fall back to": {"policy_id": POLICY, "document": DOCUMENT},
        "before each call to a direct address": {
            "policy_id": "screen_calls",
            "purpose": "direct_call",
            "document": {"validators": [{"id": "pii_guard", "on_fail": "warn"}], "deadline_ms": 300},
        },
    },
    "put_router_policy": {
        "a whole new document": {"document": {"validators": [{"id": "pii_guard"}], "providers": []}},
        "not for now": {"enabled": False},
    },
    "patch_router_policy": {
        "more time": {"document": {"deadline_ms": 120000}},
        "no fallbacks": {"document": {"fallbacks": None}},
    },
}
"""Operation → title → body."""
RECORD: Final[dict[str, Any]] = {
    "customer_id": "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713",
    "policy_id": POLICY,
    "purpose": None,
    "enabled": True,
    "document": DOCUMENT,
    "deadline_ms": 92000,
    "revision": 1,
    "created_at": MADE,
    "created_by": "key:app",
    "updated_at": MADE,
    "updated_by": "key:app",
    "warnings": [],
}
POLICY_ANSWERS: Final[dict[str, Any]] = {
    "RouterPolicyRecord": RECORD,
    "RouterPolicyPage": {"result": [RECORD], "next_page_token": ""},
}
"""Shape → an answer."""
