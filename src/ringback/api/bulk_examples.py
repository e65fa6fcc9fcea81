"""Examples of imports and exports, executed by a test like all others."""

from typing import Any, Final

EXTENSIONS_CSV: Final = """\
extension,name,password,direct
2001,"Doe, Jane",Sample-Pass-0006,yes
2002,Front desk,,no
"""
TRUNKS_CSV: Final = """\
domain_name;auth_types;username;allowed_ips
carrier-d;ip;;203.0.113.7 198.51.100.0/28
"""
UPLOADS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "import_extensions": {
        "application/json": {
            "two phones": [{"extension": "2001", "name": "Doe, Jane"}, {"extension": "2002", "direct": True}]
        },
        "text/csv": {"two phones": EXTENSIONS_CSV},
        "application/x-ndjson": {"two phones": '{"extension": "2001", "name": "Doe, Jane"}\n{"extension": "2002"}\n'},
    },
    "import_trunks": {
        "application/json": {
            "by address": [{"domain_name": "carrier-d", "auth_types": ["ip"], "allowed_ips": ["203.0.113.7"]}]
        },
        "text/csv": {"by address": TRUNKS_CSV},
        "application/x-ndjson": {
            "by password": '{"domain_name": "carrier-d", "auth_types": ["basic"], "username": "pbx04"}\n'
        },
    },
}
"""Operation → media type → title → body."""
EXTENSION_ROW: Final[dict[str, Any]] = {
    "extension": "2001",
    "username": "2001",
    "name": "Doe, Jane",
    "detail": "",
    "direct": True,
}
TRUNK_ROW: Final[dict[str, Any]] = {
    "domain_name": "carrier-d",
    "auth_types": ["ip"],
    "username": "",
    "allowed_ips": ["203.0.113.7", "198.51.100.0/28"],
    "name": "",
    "detail": "",
    "outbound": False,
}
BULK_ANSWERS: Final[dict[str, Any]] = {
    "ImportResult": {
        "import_id": "7d3f1c52-64a0-4f0e-9a55-2f0b8f4f5c11",
        "dry_run": False,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "skipped": 0,
        "failed": 0,
        "faults": [],
        "passwords": [
            {
                "line": 3,
                "id": "b1d7c2aa-0f35-4c0e-8a66-5d0c9b7e4f22",
                "name": "2002",
                "password": "pX3vQ8sT1mZ6kB9wR4yH7cJ2",
            }
        ],
    },
    "ExtensionRow": EXTENSION_ROW,
    "TrunkRow": TRUNK_ROW,
}
DOWNLOADS: Final = {
    "ExtensionRow": 'extension,username,name,detail,direct\r\n2001,2001,"Doe, Jane",,true\r\n',
    "TrunkRow": "domain_name,auth_types,username,allowed_ips,name,detail,outbound\r\n"
    "carrier-d,ip,,203.0.113.7 198.51.100.0/28,,,false\r\n",
}
"""Shape of a row → the file as CSV."""
