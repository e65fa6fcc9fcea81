"""What the realms of live extensions and trunks tell: whose they are, and the base domains that a start must name."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from alembic import op
from sqlalchemy import text

from ringback.migrations.ddl import columns_of
from ringback.migrations.foreign import DOMAINS, EXTENSIONS, OTHER_NAME, TRUNKS, Row, Rows, key_of
from ringback.sip import names

SERVED: Final = "ps_endpoints"


def of_customers(rows: Rows) -> Iterator[Row]:
    """The realm of each customer of live extensions of whom none is written down: the one of their first extension."""
    told = {row["customer_id"] for row in rows[DOMAINS]}
    first: dict[object, Row] = {}
    for row in _live(rows[EXTENSIONS], "customer_id", "realm", "tm_create"):
        if row["customer_id"] not in told:
            before = first.setdefault(row["customer_id"], row)
            if row["tm_create"] < before["tm_create"]:
                first[row["customer_id"]] = row
    for customer, row in first.items():
        realm = row["realm"].lower()
        same = {"customer_id": customer, "realm": realm, "domain_label": realm.partition(".")[0]}
        yield {**same, "tm_create": row["tm_create"], "tm_update": None}


def scattered(rows: Rows) -> Iterator[str]:
    """Customers without a realm of which only one can be meant, and realms of more than one customer."""
    told = {row["customer_id"] for row in rows[DOMAINS]}
    realms: dict[object, set[str]] = defaultdict(set)
    owners: dict[str, set[str]] = defaultdict(set)
    for row in (*rows[DOMAINS], *_live(rows[EXTENSIONS], "customer_id", "realm")):
        if row["realm"]:
            realms[row["customer_id"]].add(row["realm"].lower())
            owners[row["realm"].lower()].add(str(row["customer_id"]))
    for customer, several in realms.items():
        if len(several) > 1 and customer not in told:
            yield f"{EXTENSIONS}: customer_id {customer} has more than one realm: {', '.join(sorted(several))}"
    for realm, customers in owners.items():
        if len(customers) > 1:
            yield f"{EXTENSIONS}: realm {realm} of more than one customer: {', '.join(sorted(customers))}"


def served_otherwise(extensions: list[Row]) -> Iterator[str]:
    """Live extensions that Asterisk knows by another name than theirs, and by that alone."""
    if "id" not in columns_of(SERVED):
        return
    there = text(f"SELECT id FROM {SERVED} WHERE id IN (:other, :own)")  # noqa: S608
    for row in extensions:
        other, own = row.get(OTHER_NAME), row["endpoint_id"]
        if other and op.get_bind().execute(there, {"other": other, "own": own}).scalars().all() == [other]:
            yield f"{EXTENSIONS}: row {row['id']}: {SERVED} has it as {other}, its extension and realm say {own}"


def bases(rows: Rows) -> tuple[dict[str, str], list[str]]:
    """The base domains by the names of their settings, and what of the realms says otherwise."""
    phones = [*_of(EXTENSIONS, rows, "realm"), *_of(DOMAINS, rows, "realm")]
    trunks = _of(TRUNKS, rows, "realm", "domain_name")
    found: dict[str, str] = {}
    faults: list[str] = []
    kinds = (
        ("domain_name_extension", phones, "<label>", _behind_label),
        ("domain_name_trunk", trunks, "<domain_name>", _behind_domain),
    )
    for setting, live, form, behind in kinds:
        ends: dict[str, list[str]] = defaultdict(list)
        for place, row in live:
            suffix = behind(row)
            if suffix and names.is_domain(row["realm"]):
                ends[suffix].append(place)
            else:
                faults.append(f"{place}: its realm is not {form}.<domain>")
        if len(ends) > 1:
            said = "; ".join(f"{suffix} ({len(of)} of them, {of[0]})" for suffix, of in sorted(ends.items()))
            faults.append(f"{setting} can be only one of what realms end in: {said}")
        faults += [f"{setting} cannot be {suffix}: it is too long" for suffix in ends if not names.fits(suffix)]
        found |= dict.fromkeys([setting], *ends) if len(ends) == 1 else {}
    return found, faults


def _behind_label(row: Row) -> str:
    return str(row["realm"]).lower().partition(".")[2]


def _behind_domain(row: Row) -> str:
    realm, start = str(row["realm"]).lower(), f"{row['domain_name']}.".lower()
    return realm.removeprefix(start) if realm.startswith(start) else ""


def _of(table: str, rows: Rows, *needed: str) -> list[tuple[str, Row]]:
    """Live rows and where they stand."""
    return [(f"{table}: row {row[key_of(table)]}", row) for row in _live(rows[table], *needed)]


def _live(rows: list[Row], *needed: str) -> Iterator[Row]:
    """Live rows that say all of it; the others are named elsewhere."""
    return (row for row in rows if row.get("tm_delete") is None and all(row[name] for name in needed))
