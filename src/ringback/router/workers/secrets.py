"""Secrets that are named and not said: `env:NAME` and `file:NAME`, looked up in this process (router S-7)."""

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringback.kit.secret import Secret
from ringback.router.secrets import is_reference

FOLDER: Final = "secrets"
LONGEST: Final = 65_536


class NoSecret(Exception):
    """A reference leads nowhere; the text says why, and names nothing but the reference."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """`names` are those of environment variables that may be meant; one that ends in `*` is how several begin."""

    environment: Mapping[str, str]
    home: Path
    names: Sequence[str]

    def found(self, text: str) -> Secret:
        """What a reference means; any other text is the secret itself. `NoSecret`."""
        if not text.startswith(("env:", "file:")):
            return Secret(text)
        if not is_reference(text):
            raise NoSecret("it is not the name of one")
        kind, _, name = text.partition(":")
        value = (self._variable if kind == "env" else self._file)(name).strip()
        if not value:
            raise NoSecret(f"{text} is empty")
        return Secret(value)

    def _variable(self, name: str) -> str:
        if not any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in self.names):
            raise NoSecret(f"env:{name} is not among secret_env_names")
        try:
            return self.environment[name]
        except KeyError:
            raise NoSecret(f"env:{name} is not set") from None

    def _file(self, name: str) -> str:
        """A plain file right inside the folder; neither of them may be a link."""
        try:
            folder = os.open(self.home / FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            finally:
                os.close(folder)
            with open(file, "rb") as opened:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise NoSecret(f"file:{name} is no plain file")
                return opened.read(LONGEST).decode()
        except (OSError, UnicodeDecodeError):
            raise NoSecret(f"file:{name} cannot be read") from None
