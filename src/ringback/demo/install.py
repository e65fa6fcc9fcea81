"""Finds an Asterisk on this machine, or fetches one from Debian into a cache folder."""

import fcntl
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ringback.demo.apt import Apt, AptFailed, Source, Tell, own_source, private_folder, unpack
from ringback.kit.errors import CannotStart

CACHE = Path(".cache/asterisk")
OLDEST = 16

# Debian sid has the newest; bullseye (Asterisk 16, MD5 digests only) when sid cannot be had.
SUITES: Mapping[str, tuple[str, ...]] = {
    "sid": ("asterisk", "base-files", "libsqliteodbc"),
    "bullseye": ("asterisk", "base-files", "libsqliteodbc", "odbcinst1debian2"),
}


class NoAsterisk(CannotStart):
    """No Asterisk >= 16 is installed, and none could be fetched; the text gives every reason."""


@dataclass(frozen=True, slots=True)
class Program:
    """An Asterisk that can be started: the command's first words, its version, and where its parts are."""

    command: tuple[str, ...]
    version: str
    modules: str
    data: str
    odbc_driver: str

    @property
    def major(self) -> int:
        """The first number of the version, e.g. 22."""
        return int(self.version.split(".")[0])


def obtain(cache: Path = CACHE, tell: Tell = print) -> Program:
    """An installed Asterisk >= 16, else the cached one, else one fetched now into `cache`.

    Blocking, about 12 s when it fetches. Says what it does, and before it downloads how large that is.
    Raises NoAsterisk."""
    why = "it is not installed"
    try:
        if found := installed():
            tell(f"Asterisk {found.version} is installed.")
            return found
    except NoAsterisk as error:
        why = str(error)
    if found := cached(cache):
        return found
    tell(
        f"No Asterisk to use here ({why}): fetching one from Debian into {cache}; nothing is installed on this machine."
    )
    return fetch(cache, tell)


def installed(root: Path = Path("/")) -> Program | None:
    """The machine's own Asterisk; None if there is none; NoAsterisk if it lacks what Ringback needs."""
    name = shutil.which("asterisk") or shutil.which("asterisk", path="/usr/sbin:/usr/local/sbin")
    if name is None:
        return None
    return _inspect((name,), root)


def cached(cache: Path = CACHE) -> Program | None:
    """What an earlier fetch has left, best suite first; None if there is nothing that starts."""
    for suite in SUITES:
        root = cache.absolute() / suite
        try:
            if root.is_dir():
                return _inspect(_unpacked(root), root)
        except NoAsterisk:
            continue
    return None


def fetch(cache: Path, tell: Tell) -> Program:
    """Download and unpack an Asterisk; an interrupted earlier fetch is thrown away. Raises NoAsterisk."""
    cache = cache.absolute()
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise NoAsterisk(
            f"{' and '.join(missing)} not found: install Asterisk {OLDEST} or newer with libsqliteodbc yourself"
        )
    with _alone(cache):
        if found := cached(cache):
            return found  # somebody else has just fetched it
        reasons = []
        for suite, packages in SUITES.items():
            try:
                return _fetch(cache, suite, packages, own_source(), tell)
            except (AptFailed, NoAsterisk, OSError) as error:
                reasons.append(str(error))
                tell(f"  not from {suite}: {error}")
    raise NoAsterisk("; ".join(reasons))


def _fetch(cache: Path, suite: str, packages: tuple[str, ...], source: Source, tell: Tell) -> Program:
    work = private_folder(cache)
    try:
        tell(f"  Debian {suite}: reading the package lists (about 11 MB)")
        apt = Apt.prepare(work / "apt", suite, source)
        apt.update()
        count, download, unpacked = apt.sizes(packages)
        tell(
            f"  Debian {suite}: downloading Asterisk and its libraries:"
            f" {count} packages, {download} ({unpacked} unpacked)"
        )
        files = apt.download(packages, _every_quarter(count, tell))
        tell(f"  unpacking {len(files)} packages")
        root = work / "root"
        root.mkdir()
        unpack(files, root)
        _inspect(_unpacked(root), root)  # does it start?
        final = cache / suite
        if final.exists():
            shutil.rmtree(final)
        root.rename(final)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    program = _inspect(_unpacked(final), final)
    tell(f"  Asterisk {program.version} is ready")
    return program


def _every_quarter(count: int, tell: Tell) -> "_Progress":
    return _Progress(count, tell)


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
def _alone(cache: Path) -> Iterator[None]:
    """One fetch at a time into one cache; leftovers of an interrupted one are removed."""
    cache.mkdir(parents=True, exist_ok=True)
    (cache / ".gitignore").write_text("*\n")
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in cache.glob(".fetch-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def _unpacked(root: Path) -> tuple[str, ...]:
    """How to start what was unpacked: by its own loader with its own libraries, so the host's libc does not matter."""
    loader = next(
        (file for where in ("lib", "usr/lib") for file in sorted(root.glob(f"{where}/*/ld-linux*.so.?"))), None
    )
    program = root / "usr/sbin/asterisk"
    if loader is None or not program.is_file():
        raise NoAsterisk(f"{root} holds no Asterisk")
    triple = loader.parent.name
    libraries = [root / "lib" / triple, root / "usr/lib" / triple, root / "usr/lib" / triple / "odbc", root / "usr/lib"]
    return (str(loader), "--library-path", ":".join(map(str, libraries)), str(program))


def _inspect(command: tuple[str, ...], root: Path) -> Program:
    done = subprocess.run([*command, "-V"], capture_output=True, text=True, check=False)
    version = re.match(r"Asterisk (?:certified/|certified-)?(\d+(?:\.\d+)*)", done.stdout)
    if version is None:
        raise NoAsterisk(f"asterisk -V said {(done.stdout or done.stderr).strip()[:100]!r}")
    if int(version[1].split(".")[0]) < OLDEST:
        raise NoAsterisk(f"Asterisk {version[1]} is older than {OLDEST}")
    driver = _first(
        root, "usr/lib/*/odbc/libsqlite3odbc.so", "usr/lib*/libsqlite3odbc.so", "usr/local/lib/libsqlite3odbc.so"
    )
    modules = _first(root, "usr/lib/*/asterisk/modules", "usr/lib*/asterisk/modules", "usr/local/lib/asterisk/modules")
    data = _first(root, "usr/share/asterisk", "var/lib/asterisk")
    if not driver:
        raise NoAsterisk(f"Asterisk {version[1]} has no SQLite driver for ODBC (package libsqliteodbc)")
    for needed in ("chan_pjsip.so", "res_config_odbc.so"):
        if not modules or not Path(modules, needed).is_file():
            raise NoAsterisk(f"Asterisk {version[1]} has no {needed}")
    return Program(command, version[1], modules, data, driver)


def _first(root: Path, *patterns: str) -> str:
    return next((str(path) for pattern in patterns for path in sorted(root.glob(pattern))), "")
