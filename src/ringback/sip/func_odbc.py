"""What the dialplan asks of Ringback's own database, one indexed query a call: Asterisk's func_odbc.conf."""

from collections.abc import Mapping
from typing import Final

VIEWS: Final = (
    "ringback_extensions",
    "ringback_addresses",
    "ringback_trunks",
    "ringback_trunk_numbers",
    "ringback_ways_out",
    "ringback_direct_owners",
    "ringback_screens",
)
"""What it reads: there is nothing in them but what these queries give."""
KEYS: Final = ("endpoint", "hash", "trunk", "trunk", "endpoint", "hash", "customer")
"""The column that each is asked by."""

QUERIES: Final[Mapping[str, tuple[str, str]]] = {
    "NUMBER": (
        "NUMBER(<number>@<realm>): an extension.",
        "SELECT {verdict} FROM ringback_extensions x WHERE x.endpoint = '{first}'",
    ),
    "DIRECT": (
        "DIRECT(<hash>): for somebody who is nobody's.",
        "SELECT {verdict}, {screen} FROM ringback_addresses x {owner} WHERE x.hash = '{first}'",
    ),
    "PHONE_DIRECT": (
        "PHONE_DIRECT(<hash>,<endpoint>): for a phone.",
        "SELECT {both}, {screen} FROM ringback_addresses x {owner}, ringback_extensions y"
        " WHERE x.hash = '{first}' AND y.endpoint = '{second}'",
    ),
    "TRUNK_DIRECT": (
        "TRUNK_DIRECT(<hash>,<realm>): for a trunk.",
        "SELECT {both}, {screen} FROM ringback_addresses x {owner}, ringback_trunks y"
        " WHERE x.hash = '{first}' AND y.trunk = '{second}'",
    ),
    "TRUNK_NUMBER": (
        "TRUNK_NUMBER(<number in small letters>,<realm>): an extension of the trunk's customer.",
        "SELECT {verdict} FROM ringback_trunk_numbers x WHERE x.trunk = '{second}' AND x.number = '{first}'",
    ),
    "WAY_OUT": (
        "WAY_OUT(<endpoint>): the trunk that a phone calls out by.",
        "SELECT CASE x.status WHEN 'active' THEN x.trunk ELSE 'frozen' END FROM ringback_ways_out x"
        " WHERE x.endpoint = '{first}'",
    ),
}
WORDS: Final = {
    "verdict": "CASE x.status WHEN 'active' THEN x.endpoint ELSE 'frozen' END",
    "both": "CASE WHEN x.status = 'active' AND y.status = 'active' THEN x.endpoint ELSE 'frozen' END",
    "screen": "s.fails, s.deadline_ms, s.policy, o.customer, o.extension",
    "owner": "JOIN ringback_direct_owners o ON o.hash = x.hash LEFT JOIN ringback_screens s ON s.customer = o.customer",
    "first": "${SQL_ESC(${ARG1})}",
    "second": "${SQL_ESC(${ARG2})}",
}
HEAD: Final = """\
; Who rings. Written by `ringback sip asterisk-config`.
; Each function gives the endpoint, or the domain of a trunk, "frozen", or nothing for nobody. Those of direct addresses
; give five columns more: what the dialplan needs to ask the policy of the called customer, empty where there is none.
; The dialplan hands on nothing but letters, digits and + _ . - @, so no text of a caller's is SQL.
"""


def func_odbc_conf(section: str) -> str:
    """The functions RINGBACK_…, which ask the database of that section of res_odbc.conf."""
    return HEAD + "".join(
        f"\n; {comment}\n[{name}]\nprefix=RINGBACK\ndsn={section}\nreadsql={query.format_map(WORDS)}\n"
        for name, (comment, query) in QUERIES.items()
    )
