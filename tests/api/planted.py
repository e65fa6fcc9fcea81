"""A customer's pipeline through extensions that answer what a test wants, with values that must be read nowhere."""

import json
from functools import partial
from typing import Any, Final

import httpx

from ringback.kit.bus import Letter
from tests.world import World

ROOT: Final = "/v1.0/router"
MAIL: Final = "planted.person@mail.example"
CARD: Final = "4111 1111 1111 1111"
SSN: Final = "536-22-8726"
PHONE: Final = "+1 415 555 0136"
PII: Final = {MAIL, CARD, SSN, PHONE}
WORDS: Final = {"plantedmessage", "plantedmetadata", "plantedcontext", "plantedreply", "plantedmatch", "plantedtoken"}
"""What looks like nothing at all, and is still nobody's business."""
SUBJECTS: Final = {
    "pre": "beamline.ext.pre.planted.v1",
    "validator": "beamline.ext.validate.planted.v1",
    "provider": "beamline.provider.planted.v1",
    "post": "beamline.ext.post.planted.v1",
}
STAGES: Final = {"pre": "pre", "validators": "validator", "providers": "provider", "post": "post"}
SPOKEN: Final = " ".join(sorted(PII))
MESSAGE: Final = {
    "message_id": "m-1",
    "message_type": "chat",
    "payload": f"plantedmessage {SPOKEN}",
    "metadata": {"note": f"plantedmetadata {MAIL}"},
}
CONTEXT: Final = {"user": f"plantedcontext {MAIL}", "password": "plantedtoken", "deeper": {"card": CARD}}
FINE: Final[dict[str, Any]] = {
    "pre": {},
    "validator": {"status": "ok"},
    "provider": {
        "provider_id": "planted_provider",
        "output": f"plantedreply {SPOKEN}",
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        "metadata": {"model": "m", "finish_reason": "stop", "source": "s"},
    },
    "post": {},
}


class Plant:
    """Extensions of all four types that answer what a test wants, and a customer's policy through all of them."""

    def __init__(self, world: World, http: httpx.AsyncClient) -> None:
        self.replies: dict[str, Letter] = {}
        self.heal()
        self._world = world
        self._http = http

    def answer(self, type: str, reply: Any) -> None:
        """From now on."""
        self.replies[type] = Letter(json.dumps(reply).encode())

    def heal(self) -> None:
        """All of them answer well."""
        for type, reply in FINE.items():
            self.answer(type, reply)

    async def make(self, operator: httpx.AsyncClient) -> None:
        """The extensions, which no failure closes, and the policy."""
        for type, subject in SUBJECTS.items():
            asked = {"id": f"planted_{type}", "type": type, "subject": subject, "retry": 0}
            made = await operator.post(f"{ROOT}/extensions", json=asked)
            assert made.status_code == 201, made.text
            forced = await operator.post(f"{ROOT}/extensions/planted_{type}/breaker", json={"force": "closed"})
            assert forced.status_code == 200, forced.text
            await self._world.ringback.router.services.serve(type, subject, partial(self._serve, type))
        steps = {stage: [{"id": f"planted_{type}"}] for stage, type in STAGES.items()}
        asked = {"policy_id": "planted", "document": {"version": "1.0", **steps}}
        made = await self._http.post(f"{ROOT}/policies", json=asked)
        assert made.status_code == 201, made.text

    async def _serve(self, type: str, asked: Letter) -> Letter:
        return self.replies[type]

    async def ask(self, verb: str = "run", **more: Any) -> httpx.Response:
        sent = {"policy_id": "planted", "message": MESSAGE, "context": CONTEXT, **more}
        return await self._http.post(f"{ROOT}/pipelines:{verb}", json=sent)

    async def told(self, lines: Any) -> str:
        """All that was told of it: to those who read logs, metrics, events, the audit log, health or the database."""
        world, rows = self._world, self._world.everything()
        assert {"extension_audit_log", "router_policies", "registrar_outbox"} <= rows.keys()
        return "\n".join([*map(repr, lines), world.metrics(), repr(rows)])
