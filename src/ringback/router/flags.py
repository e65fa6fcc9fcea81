"""Flags that several commands of `router-control` have, and what a request says of them."""

import re
from typing import Annotated

import typer

from ringback.kit.errors import Fault, ValidationFailed
from ringback.router.extensions.model import tag_of

File = Annotated[
    str | None,
    typer.Option("--file", help="its fields as JSON or YAML, - is standard input; flags go over it", metavar="FILE"),
]
Revision = Annotated[str | None, typer.Option("--if_revision", help="only if it is at this revision")]
Force = Annotated[bool, typer.Option("--force", help="even if policies name it, or require it")]
Wait = Annotated[
    int | None,
    typer.Option(
        "--wait", help="answer when all nodes serve it, or after so many milliseconds", metavar="MS", min=1, max=10_000
    ),
]


def expected_tag(if_revision: str | None) -> str | None:
    """`If-Match` of a revision."""
    if if_revision is not None and not re.fullmatch("[0-9]{1,18}", if_revision):
        raise ValidationFailed(Fault("if_revision", "must be a number"))
    return None if if_revision is None else tag_of(int(if_revision))


def waiting(wait: int | None) -> dict[str, str]:
    """The query of a change that is to be served by all nodes, or for so many milliseconds not."""
    return {} if wait is None else {"wait": "applied", "timeout_ms": str(wait)}
