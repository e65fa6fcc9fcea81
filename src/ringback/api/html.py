"""Pages for browsers, which may load nothing from anywhere else."""

from functools import cache
from typing import Final

import jinja2

OWN_ONLY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
STILL: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Of a page without scripts, which asks one thing of us."""


def page(name: str, /, **values: object) -> str:
    """The page of that name, with values that are escaped."""
    return _template(name).render(values)


@cache
def _template(name: str) -> jinja2.Template:
    loader = jinja2.PackageLoader("ringback", "api/pages")
    return jinja2.Environment(loader=loader, autoescape=True).get_template(name)
