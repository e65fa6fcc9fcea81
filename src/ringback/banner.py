"""What a start prints for the person who started it."""

import shlex
from pathlib import Path

from ringback.server import Started
from ringback.settings import Settings


def banner(started: Started, settings: Settings) -> str:
    """Where it runs; after a first start also both keys, this once, and three lines that paste as they are."""
    home = settings.ringback_home
    where = f"at {started.url}" if started.url else "without REST"
    lines = [f"Ringback is running {where} (metrics and health at {started.metrics_url})", ""]
    if started.keys is None:
        lines += [f"No keys.json in {home}: the keys made at the first start still work, wherever you keep them."]
    elif started.first:
        lines += [
            f"  customer demo   {started.keys.customer_key}",
            f"  operator        {started.keys.operator_key}",
            "",
            f"The keys are shown this once and kept in {home / 'keys.json'}. Try:",
            "",
            *(f"  {line}" for line in first_lines(started, settings)),
        ]
    else:
        lines += [f"The keys of the first start are in {home / 'keys.json'}."]
    return "\n".join([*lines, "", "Ctrl-C stops it."])


def first_lines(started: Started, settings: Settings) -> list[str]:
    """Create a phone by REST, look at it on the command line, ring two real ones."""
    assert started.keys is not None
    home = settings.ringback_home
    flag = "" if home == Path("var") else f" --ringback_home {shlex.quote(str(home))}"
    return [
        f"curl -s {started.url}/v1.0/extensions -H 'Authorization: Bearer {started.keys.customer_key}'"
        """ -H 'Content-Type: application/json' -d '{"extension": "1001", "direct": true}'""",
        f".venv/bin/registrar-control extension list{flag}",
        "make demo",
    ]
