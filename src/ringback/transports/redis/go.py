"""What VoIPbin's Go service calls our objects in Redis (registrar 16)."""

from uuid import UUID


def of_extension(id: UUID, customer_id: UUID, number: str, endpoint_id: str) -> list[str]:
    return [
        f"registrar:extension:{id}",
        f"registrar:extension_endpoint_id:{endpoint_id}",
        f"registrar:customer_id_extension:{customer_id}:{number}",
    ]


def of_trunk(id: UUID, domain_name: str) -> list[str]:
    return [f"registrar:trunk:{id}", f"registrar:trunk_domain_name:{domain_name}"]


def of_endpoint(id: str) -> list[str]:
    return [f"ast_{kind}:{id}" for kind in ("contacts", "endpoint", "auth", "aor")]
