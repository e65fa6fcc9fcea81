"""Finds a server on this machine, or fetches one from Debian into a cache folder."""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from ringback.demo.apt import Apt, AptFailed, Source, Tell, own_source, private_folder, unpack
from ringback.kit.errors import CannotStart

CACHE = Path(".cache")


class Unusable(CannotStart):
    """A server is too old, lacks something, or cannot be fetched; the text gives every reason."""


class Program(Protocol):
    """A server that can be started."""

    @property
    def command(self) -> tuple[str, ...]:
        """The first words of its command line."""

    @property
    def version(self) -> str:
        """What it says of itself, e.g. 22.10.1."""


P_co = TypeVar("P_co", bound=Program, covariant=True)


class Inspect(Protocol[P_co]):
    """Looks whether a server can be used: its command, and the root of the file system that its parts are in."""

    def __call__(self, command: tuple[str, ...], root: Path) -> P_co:
        """The program. Raises Unusable."""


@dataclass(frozen=True, slots=True, eq=False)
class Recipe(Generic[P_co]):
    """One kind of server: how to know it, where Debian has it, best suite first, and what to do without apt.

    `libraries` are folders of libraries of its own, below the usual one. `places` are patterns of where its program
    is, from the root of the file system, when that is not `usr/sbin`."""

    name: str
    program: str
    inspect: Inspect[P_co]
    suites: Mapping[str, tuple[str, ...]]
    libraries: tuple[str, ...]
    otherwise: str
    places: tuple[str, ...] = ()

    def obtain(self, cache: Path = CACHE, tell: Tell = print) -> P_co:
        """An installed one, else the cached one, else one fetched now into a folder of `cache`.

        Blocking, some seconds when it fetches. Says what it does, and before it downloads how large that is.
        Raises Unusable."""
        folder = cache / self.program
        why = "it is not installed"
        try:
            if found := self.installed():
                tell(f"{self.name} {found.version} is installed.")
                return found
        except Unusable as error:
            why = str(error)
        if found := self.cached(folder):
            return found
        tell(
            f"No {self.name} to use here ({why}): fetching one from Debian into {folder};"
            " nothing is installed on this machine."
        )
        return self.fetch(folder, tell)

    def installed(self, root: Path = Path("/")) -> P_co | None:
        """The machine's own; None if there is none; Unusable if it lacks what Ringback needs."""
        name = shutil.which(self.program) or shutil.which(self.program, path="/usr/sbin:/usr/local/sbin")
        name = name or first(root, *self.places)
        return self.inspect((name,), root) if name else None

    def cached(self, folder: Path) -> P_co | None:
        """What an earlier fetch has left, best suite first; None if there is nothing that starts."""
        for suite in self.suites:
            root = folder.absolute() / suite
            try:
                if root.is_dir():
                    return self._unpacked(root)
            except Unusable:
                continue
        return None

    def fetch(self, folder: Path, tell: Tell) -> P_co:
        """Download and unpack one; an interrupted earlier fetch is thrown away. Raises Unusable."""
        folder = folder.absolute()
        if missing := [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]:
            raise Unusable(f"{' and '.join(missing)} not found: {self.otherwise}")
        with _alone(folder):
            if found := self.cached(folder):
                return found  # somebody else has just fetched it
            reasons = []
            for suite, packages in self.suites.items():
                try:
                    return self._fetch(folder, suite, packages, own_source(), tell)
                except (AptFailed, Unusable, OSError) as error:
                    reasons.append(str(error))
                    tell(f"  not from {suite}: {error}")
        raise Unusable("; ".join(reasons))

    def _fetch(self, folder: Path, suite: str, packages: tuple[str, ...], source: Source, tell: Tell) -> P_co:
        work = private_folder(folder)
        try:
            tell(f"  Debian {suite}: reading the package lists (about 10 MB)")
            apt = Apt.prepare(work / "apt", suite, source)
            apt.update()
            count, download, unpacked = apt.sizes(packages)
            tell(
                f"  Debian {suite}: downloading {self.name} and its libraries:"
                f" {count} packages, {download} ({unpacked} unpacked)"
            )
            files = apt.download(packages, _Progress(count, tell))
            tell(f"  unpacking {len(files)} packages")
            root = work / "root"
            root.mkdir()
            unpack(files, root)
            self._unpacked(root)  # does it start?
            final = folder / suite
            if final.exists():
                shutil.rmtree(final)
            root.rename(final)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        program = self._unpacked(final)
        tell(f"  {self.name} {program.version} is ready")
        return program

    def _unpacked(self, root: Path) -> P_co:
        """Started by its own loader with its own libraries, so the host's libc does not matter. Raises Unusable."""
        loader = next(
            (file for where in ("lib", "usr/lib") for file in sorted(root.glob(f"{where}/*/ld-linux*.so.?"))), None
        )
        program = first(root, *(self.places or (f"usr/sbin/{self.program}",)))
        if loader is None or not program:
            raise Unusable(f"{root} holds no {self.name}")
        usual = root / "usr/lib" / loader.parent.name
        libraries = [root / "lib" / loader.parent.name, usual, *(usual / name for name in self.libraries)]
        path = ":".join(map(str, (*libraries, root / "usr/lib")))
        return self.inspect((str(loader), "--library-path", path, program), root)


class _Progress:
    """Tells when a quarter, a half, three quarters of the packages have been begun."""

    def __init__(self, count: int, tell: Tell) -> None:
        self.count, self.tell, self.told = count, tell, 0

    def __call__(self, number: int) -> None:
        quarters = min(3, 4 * number // max(1, self.count))
        if quarters > self.told:
            self.told = quarters
            self.tell(f"  {25 * quarters} %")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One fetch at a time into one folder; leftovers of an interrupted one are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(".fetch-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def said(command: tuple[str, ...], flag: str) -> str:
    """What a program prints when asked for its version; empty if it cannot be started."""
    done = subprocess.run([*command, flag], capture_output=True, text=True, check=False)
    return done.stdout or done.stderr


def first(root: Path, *patterns: str) -> str:
    """The first path below `root` that one of the patterns matches, in their order; empty if none does."""
    return next((str(path) for pattern in patterns for path in sorted(root.glob(pattern))), "")
