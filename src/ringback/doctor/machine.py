"""What the machine has for a Ringback: settings, home, room on its disk, ports, certificates."""

import asyncio
import base64
import errno
import http.client
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509

from ringback.api.listen import certificate
from ringback.doctor.given import Given
from ringback.kit.checks import Check, ok, problem, warning
from ringback.kit.errors import CannotStart
from ringback.server import SOCKET
from ringback.settings import Settings
from ringback.spellings import host_and_port

SECRET: Final = ("ringback.db", "ringback.db-wal", "ringback.db-shm", "keys.json")
LITTLE: Final = 1 << 30
"""Bytes below which the disk is soon full."""
NONE: Final = 200 << 20
SOON: Final = timedelta(days=21)
PATIENCE: Final = 3.0
NO_RINGBACK: Final = (OSError, http.client.HTTPException, msgspec.DecodeError, ValueError, KeyError)
"""What comes of asking somebody else, or nobody."""
TAKEN: Final = os.strerror(errno.EADDRINUSE).lower()


async def settings(given: Given) -> list[Check]:
    """Which there are, and from where."""
    if given.settings is None:
        return [problem("settings", f"The settings cannot be used ({given.wrong})", "correct them; --help lists all")]
    return [ok("settings", f"Read: {given.told}")]


async def home(given: Given) -> list[Check]:
    """Where the embedded default keeps its state, and its keys: for its owner's eyes alone."""
    assert given.settings
    folder = given.settings.ringback_home
    if not folder.is_dir():
        if not given.settings.is_embedded:
            return [ok("home", f"There is no {folder}, and on servers none is needed")]
        return [
            problem("home", f"There is no folder {folder}", "'ringback up' makes it, or name it by --ringback_home")
        ]
    if not given.may_use(folder):
        return [problem("home", f"{folder} cannot be written to by this user", f"give it to them: chown {folder}")]
    if closed := [str(folder / name) for name in SECRET if not given.may_write(folder / name)]:
        return [problem("home", f"{', '.join(closed)} cannot be written to by this user", "give it to them: chown")]
    return list(_modes(folder)) or [ok("home", f"{folder} can be written to, and its secrets are its owner's alone")]


def _modes(folder: Path) -> Iterator[Check]:
    if folder.stat().st_mode & 0o002:
        yield problem("home", f"Everybody may write to {folder}", f"chmod o-w {folder}")
    for file in (folder / name for name in SECRET):
        if file.exists() and file.stat().st_mode & 0o007:
            yield problem("home", f"Everybody may read or write {file}, which holds secrets", f"chmod o= {file}")


async def disk(given: Given) -> list[Check]:
    """Room for the database."""
    assert given.settings
    folder = next(
        place
        for place in (given.settings.ringback_home.absolute(), *given.settings.ringback_home.absolute().parents)
        if place.is_dir()
    )
    free = given.free(folder)
    seen = f"{free >> 20} MiB are free on the disk of {folder}"
    if free < NONE:
        return [problem("disk", seen, "make room: without it nothing can be written, and Asterisk loses contacts")]
    return [warning("disk", seen, "make room soon") if free < LITTLE else ok("disk", seen)]


async def running(given: Given) -> list[Check]:
    """Whether a Ringback is there: at the socket of its home, or where its metrics are."""
    assert given.settings
    folder, address = given.settings.ringback_home, given.settings.prometheus_listen_address
    host, port = host_and_port(address)
    if given.settings.is_embedded and given.answers(folder / SOCKET):
        return [ok("running", f"A Ringback runs on {folder}")]
    if port:
        with suppress(*NO_RINGBACK):
            await asyncio.to_thread(_ask, host, port, False)
            return [ok("running", f"A Ringback runs, and has its metrics at {address}")]
    if given.settings.is_embedded:
        seen = f"No Ringback runs on {folder}: nobody serves REST, tells events or follows what Asterisk tells"
        return [warning("running", seen, "start it: 'ringback up'")]
    if port:
        seen = f"No Ringback runs here: nobody answers at {address} (prometheus_listen_address)"
        return [warning("running", seen, "start it, or ask on the machine where it runs")]
    return []


async def ports(given: Given) -> list[Check]:
    """Each is free, or a Ringback is there already."""
    assert given.settings
    names = ("rest_listen_address", "prometheus_listen_address")
    used = [(name, getattr(given.settings, name)) for name in names if getattr(given.settings, name)]
    is_tls = {"rest_listen_address": given.settings.ssl_cert_base64 is not None}
    return [await _port(name, address, is_tls.get(name, False)) for name, address in used]


async def _port(name: str, address: str, is_tls: bool) -> Check:
    host, port = host_and_port(address)
    why = _why_taken(host, port)
    if why is None:
        return ok("ports", f"{address} ({name}) is free: no Ringback runs there")
    try:
        ready, told = await asyncio.to_thread(_ask, host, port, is_tls)
    except NO_RINGBACK:
        seen = f"{address} ({name}) cannot be used ({why})"
        if why != TAKEN:
            return problem("ports", seen, f"set {name} to an address of this machine, and a port that we may use")
        return problem("ports", f"{seen}, and no Ringback is there", f"end it, or set {name} to another address")
    if not ready:
        return problem("ports", f"The Ringback at {address} ({name}) is not ready ({told})", "see the lines below")
    return ok("ports", f"{address} ({name}) is that of a running Ringback, which is ready")


def _why_taken(host: str, port: int) -> str | None:
    """Tried without listening."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return None


def _ask(host: str, port: int, is_tls: bool) -> tuple[bool, str]:
    """What the Ringback there says of itself; `KeyError` and others where it is none."""
    there = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    context = ssl._create_unverified_context() if is_tls else None  # noqa: S323 it is asked about itself, no secret
    connection = (
        http.client.HTTPSConnection(there, port, timeout=PATIENCE, context=context)
        if context
        else http.client.HTTPConnection(there, port, timeout=PATIENCE)
    )
    try:
        connection.request("GET", "/ready")
        found = msgspec.json.decode(connection.getresponse().read(1 << 16))
        checks = found["checks"]
    except TypeError as error:
        raise ValueError("no object") from error
    finally:
        connection.close()
    return bool(found["ready"]), ", ".join(f"{name}: {state}" for name, state in checks.items() if state != "ok")


async def certificates(given: Given) -> list[Check]:
    """Those of REST and of NATS, and how long they are good."""
    assert given.settings
    found = list(_chains(given.settings))
    try:
        certificate(given.settings)
    except CannotStart as error:
        return [problem("certificate", str(error), "set both to a certificate and its key, PEM in base64")]
    return [_end(given, name, pem) for name, pem in found] or [ok("certificate", "REST has no certificate: it is HTTP")]


def _chains(of: Settings) -> Iterator[tuple[str, bytes]]:
    if of.ssl_cert_base64:
        yield "ssl_cert_base64", base64.b64decode("".join(of.ssl_cert_base64.get_secret_value().split()))
    if of.nats_tls_cert:
        yield "nats_tls_cert", of.nats_tls_cert.read_bytes()


def _end(given: Given, name: str, pem: bytes) -> Check:
    end = min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(pem))
    seen = f"The certificate of {name} ends on {end:%Y-%m-%d}"
    if end <= given.now():
        return problem("certificate", seen.replace("ends", "ended"), f"renew it, and set {name}")
    return (
        warning("certificate", seen, f"renew it soon, and set {name}")
        if end < given.now() + SOON
        else ok("certificate", seen)
    )
