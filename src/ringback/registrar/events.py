"""Who speaks in every event of this service, whichever program wrote it."""

from typing import Final

PUBLISHER: Final = "registrar-manager"
