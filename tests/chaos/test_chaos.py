"""Everything is killed at random moments, under load: nothing is lost or left over, all serve again in seconds.

`make chaos SEED=… KILLS=…`; in `make test` the seed is another one each time, too, and is printed when it fails.
"""

import os
import secrets
import sys
from pathlib import Path

import pytest

from .storm import play

SEED = os.environ.get("CHAOS_SEED") or secrets.token_hex(4)
KILLS = int(os.environ.get("CHAOS_KILLS") or 20)
SHARES = {"mariadb": 0.4, "postgresql": 0.4, "two servers": 0.2}

pytestmark = [
    pytest.mark.process,
    # the peers' library leaves a socket to a broker that was killed to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.contract("registrar R-5, R-6, R-63, R-69")
@pytest.mark.parametrize("layout", SHARES)
async def test_nothing_is_lost_whatever_is_killed(layout: str, tmp_path: Path) -> None:
    kills = round(KILLS * SHARES[layout])
    sys.stdout.write(f"\nseed {SEED}, {layout}: {kills} kills\n")

    storm = await play(layout, SEED, kills, tmp_path)

    sys.stdout.write(f"{storm.report()}\n")
    assert sum(what.count(" and ") + 1 for what, _ in storm.served) == kills
