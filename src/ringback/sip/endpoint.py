"""What Asterisk is told of a phone account: the columns of its rows, as a pure function of it."""

from typing import Any, Final, Literal

import msgspec

from ringback.sip.digest import Kept
from ringback.sip.tables import MANAGED

AsteriskDigest = Literal["md5_cred", "password_digest"]
MAX_CONTACTS: Final = 3


class Endpoint(msgspec.Struct, frozen=True):
    """What Asterisk must know of a phone account; `id` names endpoint, AOR and auth alike."""

    id: str
    username: str
    realm: str
    kept: Kept


def auth_columns(endpoint: Endpoint, form: AsteriskDigest) -> dict[str, str | None]:
    """Our columns of `ps_auths` (registrar 13.3); unused ones are NULL, which '' is not to Asterisk."""
    columns: dict[str, str | None] = dict.fromkeys(MANAGED["ps_auths"])
    columns |= {"username": endpoint.username, "realm": endpoint.realm, "auth_type": "md5"}
    password, ha1 = endpoint.kept.password, endpoint.kept.ha1
    if password is not None:
        return columns | {"auth_type": "userpass", "password": password.reveal()}
    if ha1 is None or form == "md5_cred":
        return columns | {"md5_cred": ha1.md5 if ha1 else None}
    return columns | {
        "password_digest": f"MD5:{ha1.md5},SHA-256:{ha1.sha256}",
        "supported_algorithms_uas": "SHA-256,MD5",
        "supported_algorithms_uac": "SHA-256,MD5",
    }


def rows_of(endpoint: Endpoint, form: AsteriskDigest) -> dict[str, dict[str, Any]]:
    """Table → our columns of its row: the whole truth about what Asterisk is told."""
    return {table: columns_of(table, endpoint, form) for table in MANAGED}


def columns_of(table: str, endpoint: Endpoint, form: AsteriskDigest) -> dict[str, Any]:
    """Our columns of its row in one of the tables of `MANAGED`."""
    if table == "ps_aors":
        return {"max_contacts": MAX_CONTACTS, "remove_existing": "yes"}
    if table == "ps_auths":
        return auth_columns(endpoint, form)
    return {"aors": endpoint.id, "auth": endpoint.id}
