"""The phones of the bench are phones: a real edge lets them in, they come and go, and a real Asterisk rings them."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.child import child

from .conftest import Edge, World

pytestmark = [pytest.mark.sip, pytest.mark.process, pytest.mark.asyncio(loop_scope="session")]


async def test_they_register_are_rung_and_leave(edge: Edge, world: World, tmp_path: Path) -> None:
    made = [await world.create(f"299{number}", direct=True) for number in (1, 2)]
    (tmp_path / "phones").write_bytes(b"\n".join(map(msgspec.json.encode, made)))
    how = {"at": edge.kamailio.at, "of": [0, 2], "rate": 10.0, "seconds": 0.2}

    async with child("bench.softphones", phones=str(tmp_path / "phones")) as phones:

        async def came(what: str, **more: Any) -> Any:
            (found,) = await phones.ask(going_on=[{"what": what, **how, **more}])
            return found["came"]

        assert await came("refresh") == {"200": 2}
        assert [len(await world.contacts(one, fresh=True)) for one in made] == [1, 1]
        assert await came("call") == {"200": 2}
        assert await came("change", seconds=0.4) == {"200": 4}  # each comes, then leaves
        assert [len(await world.contacts(one, fresh=True)) for one in made] == [0, 0]
        assert await came("call") == {"480": 2}

    for one in made:
        await world.delete(one)
