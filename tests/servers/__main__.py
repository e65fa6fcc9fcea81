"""`python -m tests.servers`: see to it that the tests have their brokers and databases, and say what they are."""

import argparse
import sys

from ringback.kit.errors import CannotStart

from .programs import ALL, obtained
from .server import ServerFailed

ABOUT = """\
RabbitMQ, MariaDB, PostgreSQL and Redis, of this machine or unpacked from Debian's packages into .cache.
Without --stay: fetch what is missing, and say what is there (make services)."""
STAY = """\
start them on loopback (make try-servers), each on a free port with data of its own and the databases bin_manager and
asterisk; print the settings that lead to them, and keep them up until Ctrl-C, SIGTERM or SIGHUP; nothing is left"""


def main() -> int:
    """Exit code 0 when all is there, 1 with one line when something cannot be had."""
    parser = argparse.ArgumentParser("python -m tests.servers", description=ABOUT)
    parser.add_argument("--stay", action="store_true", help=STAY)
    try:
        if parser.parse_args().stay:
            from .stay import stay  # their drivers take time to import

            stay(say)
            return 0
        found = [f"{recipe.name} {obtained(recipe).version}" for recipe in ALL]
    except (CannotStart, ServerFailed) as error:
        print(f"ringback: {error}", file=sys.stderr)  # noqa: T201
        return 1
    say(f"{', '.join(found[:-1])} and {found[-1]} are here: nothing is missing.")
    return 0


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
