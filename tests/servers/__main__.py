"""`python -m tests.servers`: see to it that the tests have their brokers and databases, and say what they are."""

import sys

from ringback.kit.errors import CannotStart

from .programs import ALL, obtained


def main() -> int:
    """Exit code 0 when all is there, 1 with one line when something cannot be had."""
    try:
        found = [f"{recipe.name} {obtained(recipe).version}" for recipe in ALL]
    except CannotStart as error:
        print(f"ringback: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{', '.join(found[:-1])} and {found[-1]} are here: nothing is missing.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
