"""`router-control registry purge`, on the database itself."""

import pytest

from ringback.kit.typist import user
from tests.cli.conftest import Shell

pytestmark = pytest.mark.long

LONG_AGO = "2025-01-05T10:00:00.000000Z"


def delete(shell: Shell, *ids: str) -> None:
    """Some extensions that were deleted long ago."""
    for id in ids:
        shell.router("extensions", "create", id, "--type", "pre", "--subject", f"beamline.ext.pre.{id}.v1")
        assert shell.router("extensions", "delete", id).code == 0
        shell.sql("UPDATE extensions SET deleted_at = ? WHERE id = ?", LONG_AGO, id)
    assert shell.router("registry", "reload").code == 0


@pytest.mark.contract("router R-6c, X-27")
def test_what_was_deleted_long_ago_goes_once_it_is_said_so(registry: Shell) -> None:
    delete(registry, "upper", "lower")
    registry.router("extensions", "delete", "pii_guard")
    registry.sql("UPDATE extensions SET deleted_at = ? WHERE id = 'pii_guard'", LONG_AGO)
    purge = ("registry", "purge", "--format", "json")

    would = registry.router(*purge, "--dry_run")
    assert (would.code, would.json) == (0, {"dry_run": True, "ids": ["lower", "upper"]})
    refused = registry.router("registry", "purge")
    assert (refused.code, "--force is required" in refused.err) == (2, True)
    assert len(registry.sql("SELECT id FROM extensions")) == 8
    assert registry.router(*purge, "--force", "--older_than", "9000").json == {"dry_run": False, "ids": []}

    gone = registry.router("registry", "purge", "--force")
    assert (gone.code, gone.out) == (0, "lower\nupper\n2 purged, deleted more than 30 days ago\n")
    assert len(registry.sql("SELECT id FROM extensions")) == 6
    entry = registry.router("audit", "list", "--id", "upper", "--limit", "1", "--format", "json").json[0]
    assert (entry["action"], entry["changed_by"], entry["source"]) == ("purged", f"cli:{user()}", "cli")
    assert registry.router("audit", "verify").code == 0
    assert registry.router("extensions", "restore", "upper").code == 3


@pytest.mark.parametrize("days", ["29", "29d", "soon", "-40", "30h", "99999", ""])
def test_a_month_is_the_least(shell: Shell, days: str) -> None:
    refused = shell.router("registry", "purge", "--older_than", days, "--force")

    assert (refused.code, "--older_than must be a number of days" in refused.err) == (2, True)
