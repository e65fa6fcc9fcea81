"""Requests whose faults have the names of their rules (router 3)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from ringback.kit.errors import Fault
from ringback.kit.reading import Asked


class Ruled(Asked, frozen=True, kw_only=True):
    """A request; `required` names the rule that it breaks without a field, where that is no `wrong_type`."""

    required: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @classmethod
    def ruled(cls, fault: Fault) -> Fault:
        if fault.rule:
            return fault
        if fault.description == "is required":
            return fault._replace(rule=cls.required.get(fault.field, "wrong_type"))
        return fault._replace(rule="unknown_field" if fault.description.startswith("is not a field") else "wrong_type")
