"""A diagnosis as JSON."""

from datetime import datetime
from uuid import UUID

import msgspec

from ringback.kit.checks import State
from ringback.registrar.diagnosis.model import Diagnosis


class DiagnosisCheck(msgspec.Struct, frozen=True):
    """One thing that was looked at: what was seen, and what to do about a problem."""

    name: str
    state: State
    seen: str
    do: str


class ExtensionDiagnosis(msgspec.Struct, frozen=True):
    """Why a phone does not work: `summary` is the most probable reason and what to do, `checks` all that was looked at.

    `ok` says whether no check found a problem; `unknown` ones could not be made.
    """

    extension_id: UUID
    endpoint_id: str
    as_of: datetime
    ok: bool
    summary: str
    checks: list[DiagnosisCheck]


def shown(diagnosis: Diagnosis) -> ExtensionDiagnosis:
    return ExtensionDiagnosis(
        extension_id=diagnosis.id,
        endpoint_id=diagnosis.endpoint_id,
        as_of=diagnosis.at,
        ok=diagnosis.problem is None,
        summary=diagnosis.summary,
        checks=[DiagnosisCheck(check.name, check.state, check.seen, check.do) for check in diagnosis.checks],
    )
