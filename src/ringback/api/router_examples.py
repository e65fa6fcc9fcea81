"""Examples of the router's part of the API: shown at /docs, executed by a test."""

from typing import Any, Final

MADE: Final = "2026-02-11T09:30:00.123456Z"
MESSAGE: Final = {
    "message_id": "m-1",
    "message_type": "chat",
    "payload": "  Where is my PARCEL?",
    "metadata": {"channel": "web"},
}
ROUTER_EXAMPLES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "create_router_extension": {
        "the least": {"id": "strip_html", "type": "pre", "subject": "beamline.ext.pre.strip_html.v1"},
        "with everything": {
            "id": "tone_check",
            "type": "validator",
            "subject": "beamline.ext.validate.tone_check.v2",
            "timeout_ms": 250,
            "retry": 2,
            "enabled": False,
            "share_subject": False,
            "config": {"threshold": 0.8, "api_key": "env:RINGBACK_SECRET_TONE"},
            "metadata": {"owner": "trust", "tags": ["tone"], "description": "Refuses angry texts"},
            "comment": "first try",
        },
    },
    "put_router_extension": {
        "another subject and more time": {"subject": "beamline.ext.pre.upper.v2", "timeout_ms": 400},
        "a whole new config": {"config": {"language": "en"}},
    },
    "patch_router_extension": {
        "one key of the config": {"config": {"language": "de"}, "comment": "as asked"},
        "another owner": {"metadata": {"owner": "voice"}},
    },
    "run_pipeline": {
        "a text": {"policy_id": "support_en", "message": {"payload": "Hello"}},
        "with everything": {
            "policy_id": "support_en",
            "message": MESSAGE,
            "context": {"conversation_id": "c-17", "language": "en"},
            "deadline_ms": 30000,
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        },
    },
    "dry_run_pipeline": {
        "a policy": {"policy_id": "support_en", "message": {"payload": "Hello"}},
        "a document, and the real provider": {
            "policy": {"pre": [{"id": "normalize_text"}], "providers": [{"id": "mock_provider"}]},
            "message": MESSAGE,
            "provider": "real",
        },
    },
    "force_router_breaker": {
        "nobody calls it": {"force": "open", "comment": "until the vendor is back"},
        "it goes by itself again": {"force": "none"},
    },
    "rollback_router_extension": {"to the first": {"to_revision": 1, "comment": "too slow"}},
}
"""Operation → title → body."""

ROUTER_EXTENSION: Final[dict[str, Any]] = {
    "id": "upper",
    "type": "pre",
    "subject": "beamline.ext.pre.upper.v1",
    "timeout_ms": 100,
    "retry": 0,
    "enabled": True,
    "share_subject": False,
    "version": "v1",
    "config": {"language": "en"},
    "metadata": {"owner": "voice"},
    "breaker_override": None,
    "revision": 1,
    "created_at": MADE,
    "created_by": "key:ops",
    "updated_at": MADE,
    "updated_by": "key:ops",
    "deleted_at": None,
    "health": {"status": "healthy", "health_score": 99.2},
    "breaker": {"state": "closed"},
    "warnings": [],
}
DOCUMENT: Final[dict[str, Any]] = {
    name: value for name, value in ROUTER_EXTENSION.items() if name not in ("version", "health", "breaker", "warnings")
}
ROUTER_REVISION: Final[dict[str, Any]] = {
    "revision": 1,
    "registry_revision": 17,
    "action": "created",
    "document": DOCUMENT,
    "checksum": "7d793037a0760186574b0282f2f435e77d793037a0760186574b0282f2f435e7",
    "comment": None,
    "created_at": MADE,
    "created_by": "key:ops",
}
ROUTER_AUDIT: Final[dict[str, Any]] = {
    "id": 41,
    "entity": "extension",
    "extension_id": "upper",
    "action": "updated",
    "changed_by": "key:ops",
    "source": "rest",
    "request_id": "req_IFBEGRCFIZDUQSKKJNGE2TSPKA",
    "registry_revision": 17,
    "old_values": {"timeout_ms": 100},
    "new_values": {"timeout_ms": 400},
    "changes": {"timeout_ms": {"old": 100, "new": 400}},
    "timestamp": MADE,
    "prev_hash": "0" * 64,
    "hash": "9e107d9d372bb6826bd81d3542a419d69e107d9d372bb6826bd81d3542a419d6",
}
ROUTER_HEALTH: Final[dict[str, Any]] = {
    "extension_id": "upper",
    "status": "healthy",
    "basis": "window",
    "health_score": 99.2,
    "success_count": 992,
    "failure_count": 8,
    "avg_latency_ms": 12.5,
    "last_latency_ms": 11.0,
    "last_success": "2026-02-11T09:30:04.000000Z",
    "last_failure": None,
    "circuit_breaker_state": "closed",
    "window": {
        "seconds": 300,
        "success_count": 120,
        "failure_count": 1,
        "success_rate": 0.992,
        "p50_latency_ms": 11.0,
        "p95_latency_ms": 19.0,
        "p99_latency_ms": 42.0,
        "latency_samples": 121,
    },
    "nodes": [
        {
            "node_id": "node-1",
            "success_count": 992,
            "failure_count": 8,
            "last_latency_ms": 11.0,
            "circuit_breaker_state": "closed",
        }
    ],
}
LOWER: Final[dict[str, Any]] = {**MESSAGE, "payload": "where is my parcel?"}
DECISION: Final = {"provider_id": "mock_provider", "reason": "only", "priority": 1}
EXECUTED: Final[list[dict[str, Any]]] = [
    {"type": type, "id": id, "status": "ok", "reason": None, "latency_ms": 1.25, "attempts": 1, "revision": 1}
    for type, id in (("pre", "normalize_text"), ("provider", "mock_provider"))
]
PIPELINE_RESULT: Final[dict[str, Any]] = {
    "message": LOWER,
    "reply": {
        "provider_id": "mock_provider",
        "output": "where is my parcel?",
        "usage": {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8},
        "metadata": {},
    },
    "decision": DECISION,
    "executed_extensions": EXECUTED,
    "request_id": "req_IFBEGRCFIZDUQSKKJNGE2TSPKA",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
}
PIPELINE_TRIAL: Final[dict[str, Any]] = {
    "decision": DECISION,
    "executed_extensions": EXECUTED[:1],
    "final_payload": LOWER,
    "blocked_by": None,
    "provider_selected": "mock_provider",
    "post_processors_executed": [],
    "steps": [
        {
            "stage": "pre",
            "id": "normalize_text",
            "type": "pre",
            "status": "ok",
            "latency_ms": 1.25,
            "attempts": 1,
            "matched": True,
            "config": {"lowercase": True, "trim_whitespace": True},
            "input": MESSAGE,
            "output": LOWER,
            "diff": [{"op": "replace", "path": "/payload", "value": "where is my parcel?"}],
            "would_block": False,
            "error": None,
        }
    ],
    "error": None,
    "request_id": "req_IFBEGRCFIZDUQSKKJNGE2TSPKA",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
}
ROUTER_ANSWERS: Final[dict[str, Any]] = {
    "PipelineResult": PIPELINE_RESULT,
    "PipelineTrial": PIPELINE_TRIAL,
    "RouterExtensionRecord": ROUTER_EXTENSION,
    "RouterExtensionPage": {"result": [ROUTER_EXTENSION], "next_page_token": ""},
    "RouterExtensionHealth": ROUTER_HEALTH,
    "RouterBreakerPage": {
        "result": [
            {
                "extension_id": "upper",
                "state": "open",
                "reason": "consecutive",
                "opened_at": MADE,
                "failure_count": 5,
                "error_rate": 1.0,
                "breaker_override": None,
                "nodes": [{"node_id": "node-1", "state": "open", "reason": "consecutive", "opened_at": MADE}],
            }
        ]
    },
    "RouterHealthPage": {"result": [ROUTER_HEALTH]},
    "RouterRevision": ROUTER_REVISION,
    "RouterRevisionPage": {"result": [ROUTER_REVISION], "next_page_token": ""},
    "RouterDiff": {"patch": [{"op": "replace", "path": "/timeout_ms", "value": 400}]},
    "RouterAuditPage": {"result": [ROUTER_AUDIT], "next_page_token": ""},
    "RouterAuditVerdict": {"ok": True, "checked": 41, "first_bad": None, "head": 41},
    "RouterReloaded": {"ok": True, "revision": 17, "changed": 1, "rejected": [], "error": None},
    "RouterStats": {
        "node_id": "node-1",
        "last_reload": 1770802200123,
        "load_count": 3,
        "error_count": 0,
        "total_extensions": 7,
        "enabled_extensions": 6,
        "revision": 17,
        "checksum": "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592",
        "hits": 1200,
        "misses": 3,
        "source": "database",
        "degraded": False,
        "snapshot_age_s": None,
    },
    "RouterNodePage": {
        "result": [
            {
                "node_id": "node-1",
                "applied_revision": 17,
                "checksum": "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592",
                "source": "database",
                "nack": [],
                "last_seen": MADE,
                "stale": False,
            }
        ]
    },
    "RouterEffective": {
        "node_id": "node-1",
        "revision": 17,
        "checksum": "5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592",
        "extensions": [DOCUMENT],
        "policies": [],
    },
}
"""Shape → an answer."""
