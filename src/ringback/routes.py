"""Every route of the product: what its services answer over RPC and over REST."""

from collections.abc import Iterator
from typing import Final

from ringback.api import events as events_rest
from ringback.api.call import Route
from ringback.calls.records import rest as calls_rest
from ringback.customers import rest as customers_rest
from ringback.customers import rpc as customers_rpc
from ringback.customers.audit import rest as changes_rest
from ringback.customers.keys import rest as keys_rest
from ringback.customers.model import PUBLISHER as CUSTOMERS
from ringback.customers.people import auth_rest, sessions_rest
from ringback.customers.people import rest as people_rest
from ringback.kit.routing import Routes
from ringback.kit.rpc import Answer
from ringback.registrar.contacts import rest as contacts_rest
from ringback.registrar.contacts import rpc as contacts_rpc
from ringback.registrar.diagnosis import rest as diagnosis_rest
from ringback.registrar.directs import rpc as directs_rpc
from ringback.registrar.drift import rest as drift_rest
from ringback.registrar.extensions import rest as extensions_rest
from ringback.registrar.extensions import rpc as extensions_rpc
from ringback.registrar.imports import rest as imports_rest
from ringback.registrar.realms import rest as realms_rest
from ringback.registrar.realms import rpc as realms_rpc
from ringback.registrar.setups import rest as setups_rest
from ringback.registrar.trunks import rest as trunks_rest
from ringback.registrar.trunks import rpc as trunks_rpc
from ringback.router.audit import rest as audit_rest
from ringback.router.extensions import history as revisions_rest
from ringback.router.extensions import rest as router_rest
from ringback.router.extensions import running as running_rest
from ringback.router.nodes import rest as nodes_rest
from ringback.router.pipelines import rest as pipelines_rest
from ringback.router.policies import rest as policies_rest
from ringback.router.writing import PUBLISHER as ROUTER
from ringback.settings import Settings

RPC: Final[Routes[Answer]] = Routes(
    extensions_rpc.routes,
    trunks_rpc.routes,
    contacts_rpc.routes,
    directs_rpc.routes,
    realms_rpc.routes,
)
CUSTOMER_RPC: Final[Routes[Answer]] = customers_rpc.routes
REGISTRAR_REST: Final[Routes[Route]] = Routes(
    extensions_rest.routes,
    contacts_rest.routes,
    diagnosis_rest.routes,
    trunks_rest.routes,
    realms_rest.routes,
    imports_rest.routes,
    drift_rest.routes,
    setups_rest.routes,
    calls_rest.routes,
)
ROUTER_REST: Final[Routes[Route]] = Routes(
    router_rest.routes,
    policies_rest.routes,
    revisions_rest.routes,
    audit_rest.routes,
    running_rest.routes,
    nodes_rest.routes,
    pipelines_rest.routes,
)
CUSTOMER_REST: Final[Routes[Route]] = customers_rest.routes
ACCESS_REST: Final[Routes[Route]] = Routes(
    changes_rest.routes, keys_rest.routes, people_rest.routes, auth_rest.routes, sessions_rest.routes
)
EVENTS_REST: Final[Routes[Route]] = Routes(events_rest.routes)
REST: Final[Routes[Route]] = Routes(REGISTRAR_REST, CUSTOMER_REST, ROUTER_REST, ACCESS_REST, EVENTS_REST)


def tables_of(settings: Settings) -> Iterator[Routes[Route]]:
    """What is asked of the registrar is answered by every process, but by a router alone; of others where they are."""
    if settings.has_registrar:
        yield REGISTRAR_REST
    if settings.runs(CUSTOMERS):
        yield CUSTOMER_REST
    if settings.runs(ROUTER):
        yield ROUTER_REST
    yield ACCESS_REST
    yield EVENTS_REST
