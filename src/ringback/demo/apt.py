"""Debian packages unpacked into a folder, by the machine's own apt and mirror, without root and without changing it."""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringback.kit.errors import CannotStart

Tell = Callable[[str], None]

ETC = Path("/etc/apt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class AptFailed(CannotStart):
    """The packages cannot be had; the text says why, in one line, without naming the mirror."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where packages come from: one archive's address, and the keyring that its signature is checked with."""

    uri: str
    keyring: str = ""

    def __repr__(self) -> str:
        return "Source(…)"  # the address may carry a password


def sources(texts: Iterable[str]) -> Iterator[tuple[str, Source]]:
    """(suite, source) for every `deb` entry in apt's source files, in the one-line form and in deb822."""
    for text in texts:
        one_line = re.compile(r"^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)", re.MULTILINE)
        for options, uri, suite in one_line.findall(text):
            keyring = re.search(r"signed-by=(/\S+)", options, re.IGNORECASE)
            yield suite, Source(uri, keyring[1] if keyring else "")
        for fields in map(_fields, re.split(r"\n\s*\n", text)):
            if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
                continue
            signed = fields.get("signed-by", "")
            for suite in fields.get("suites", "").split():
                for uri in fields.get("uris", "").split():
                    yield suite, Source(uri, signed if signed.startswith("/") else "")


def _fields(paragraph: str) -> Mapping[str, str]:
    lines = [line for line in paragraph.splitlines() if not line.startswith("#")]
    found = re.findall(r"^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)", "\n".join(lines), re.MULTILINE)
    return {name.lower(): value.strip() for name, value in found}


def own_source(etc: Path = ETC, release: Path = Path("/etc/os-release")) -> Source:
    """The archive that this machine's own Debian comes from (its main one, not security or third parties')."""
    files = [
        etc / "sources.list",
        *sorted(etc.glob("sources.list.d/*.list")),
        *sorted(etc.glob("sources.list.d/*.sources")),
    ]
    texts = [file.read_text(errors="replace") for file in files if file.is_file() and os.access(file, os.R_OK)]
    codename = re.search(r"^VERSION_CODENAME=\"?(\w+)", release.read_text() if release.is_file() else "", re.MULTILINE)
    own = {"stable", "testing", "unstable", "sid", codename[1] if codename else "stable"}
    for suite, source in sources(texts):
        if suite in own:
            return source if source.keyring or not KEYRING.is_file() else Source(source.uri, str(KEYRING))
    raise AptFailed("no Debian archive is named in /etc/apt")


@dataclass(frozen=True, slots=True)
class Apt:
    """apt with every folder of its own, so that it reads and writes nothing of the machine's package state."""

    folder: Path
    suite: str

    @classmethod
    def prepare(cls, folder: Path, suite: str, source: Source) -> "Apt":
        """Write a private apt configuration into a folder that only we can read."""
        folder.mkdir(mode=0o700, parents=True)
        for name in ("lists/partial", "archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        signed = f"[signed-by={source.keyring}] " if source.keyring else ""
        (folder / "sources.list").write_text(f"deb {signed}{source.uri} {suite} main\n")
        (folder / "apt.conf").write_text(_configuration(folder))
        return cls(folder, suite)

    def update(self) -> None:
        """Fetch and verify the package lists. Raises AptFailed."""
        self._run("update")

    def sizes(self, packages: Iterable[str]) -> tuple[int, str, str]:
        """How many packages that means, and what apt calls their size to download and unpacked."""
        text = self._run("install", "--assume-no", *packages, good=(0, 1))
        count = re.search(r"(\d+) newly installed", text)
        need = re.search(r"Need to get ([\d.,]+ \w+)", text)
        after = re.search(r"After this operation, ([\d.,]+ \w+)", text)
        if not (count and need and after):
            raise AptFailed(f"Debian {self.suite} cannot install {' '.join(packages)}")
        return int(count[1]), need[1], after[1]

    def download(self, packages: Iterable[str], seen: Callable[[int], None]) -> list[Path]:
        """Download the packages with all they depend on, verified; `seen` hears how many have been begun."""
        command = [*self._command(), "install", "--download-only", "--yes", *packages]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment()
        ) as process:
            assert process.stdout is not None
            tail: list[str] = []
            try:
                for line in process.stdout:
                    tail = [*tail[-20:], line]
                    if got := re.match(r"Get:(\d+) ", line):
                        seen(int(got[1]))
            except BaseException:
                process.terminate()  # or leaving here would wait for the whole download
                raise
        if process.returncode:
            raise AptFailed(f"Debian {self.suite}: {_why(''.join(tail))}")
        return sorted((self.folder / "archives").glob("*.deb"))

    def _command(self) -> list[str]:
        return ["apt-get", "-c", str(self.folder / "apt.conf"), "-q"]

    def _run(self, *arguments: str, good: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            [*self._command(), *arguments], capture_output=True, text=True, env=_environment(), check=False
        )
        if done.returncode not in good:
            raise AptFailed(f"Debian {self.suite}: {_why(done.stderr or done.stdout)}")
        return done.stdout


def unpack(packages: Iterable[Path], root: Path) -> None:
    """Unpack packages over each other into a folder; their scripts do not run."""
    for package in packages:
        done = subprocess.run(["dpkg-deb", "-x", str(package), str(root)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise AptFailed(f"{package.name} does not unpack: {done.stderr.strip()[-200:]}")


def private_folder(parent: Path) -> Path:
    """A new folder beside the final one, so that a rename makes it complete in one step."""
    return Path(tempfile.mkdtemp(prefix=".fetch-", dir=parent))


def _environment() -> Mapping[str, str]:
    return {**{k: v for k, v in os.environ.items() if k != "APT_CONFIG"}, "LC_ALL": "C"}


def _why(text: str) -> str:
    errors = [line for line in text.splitlines() if line.startswith("E:")] or text.splitlines() or ["no reason given"]
    return re.sub(r"\w+://\S+", "the mirror", errors[0])[:200]


def _configuration(folder: Path) -> str:
    return f"""\
// Hooks and extra indexes of the machine's own apt are none of ours; its proxy and credentials stay.
#clear APT::Update;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large;
#clear Acquire::IndexTargets::deb::Contents-deb;
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::State::lists "{folder}/lists";
Dir::Cache "{folder}";
Dir::Cache::archives "{folder}/archives";
Debug::NoLocking "true";
Acquire::Languages "none";
Acquire::Retries "2";
// Mirrors kept as they were on a day have an expired date; signatures are checked all the same.
Acquire::Check-Valid-Until "false";
Acquire::AllowInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
APT::Install-Recommends "false";
APT::Sandbox::User "";
"""
