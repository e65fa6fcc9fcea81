"""`python -m ringback.demo`: see to it that the demo and the SIP tests have what they need, and say what that is."""

import sys
from importlib.metadata import version

from ringback.demo.programs import ASTERISK_ON_SERVERS, KAMAILIO
from ringback.demo.show import require_softphone
from ringback.kit.errors import CannotStart
from ringback.terminal import say


def main() -> int:
    """Exit code 0 when all is there, 1 with one line when something cannot be had."""
    try:
        servers = [recipe.obtain(tell=_at_once) for recipe in (ASTERISK_ON_SERVERS, KAMAILIO)]
        require_softphone()
    except CannotStart as error:
        print(f"ringback: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    asterisk, kamailio = (server.version for server in servers)
    phones = version("pjsua2-python")
    say(f"Asterisk {asterisk}, Kamailio {kamailio} and softphones (pjsua2 {phones}) are here: nothing is missing.")
    return 0


def _at_once(line: str) -> None:
    say(line)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
