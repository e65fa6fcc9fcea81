"""`router-control` over REST: which server, with which key, and whatever it is that answers."""

import base64
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from ringback.api.client import Address, Asked, Client, NobodyAnswers
from ringback.kit.secret import Secret
from tests.certificates import certificate
from tests.cli.conftest import QUIET, Ran, Shell, served

pytestmark = pytest.mark.long

KEY: Final = "rb_sample-key-0001"
LIST: Final = ("extensions", "list")
HTML: Final = b"<html>Welcome</html>"


class Stranger:
    """A server that says the same to everybody, and keeps what it was asked."""

    def __init__(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.heard: list[tuple[str, dict[str, str]]] = []
        heard = self.heard

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                heard.append((self.path, dict(self.headers.items())))
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def listening(self) -> Iterator["Stranger"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


@pytest.fixture
def remote(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell with a key in its environment, and no server in its home."""
    for name in ("RINGBACK_URL", "http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RINGBACK_KEY", KEY)
    return replace(shell, way=())


def told(ran: Ran) -> tuple[int, str]:
    """The exit code and the one line; neither holds the key."""
    assert (ran.out, ran.err.count("\n"), KEY in ran.err) == ("", 1, False), ran
    return ran.code, ran.err.removeprefix("router-control: ").rstrip("\n")


def refusal(reason: str, status: str, message: str = "So it is.", **more: Any) -> bytes:
    return msgspec.json.encode({"error": {"status": status, "reason": reason, "message": message, **more}})


STRANGE: Final[dict[str, tuple[Any, int, str]]] = {
    "html": ((200, HTML), 1, "is no Ringback: it sent no JSON object"),
    "a list": ((200, b"[]"), 1, "is no Ringback: it sent no JSON object"),
    "something else": ((200, b"{}"), 1, "is no Ringback: it sent no list"),
    "the same page": ((200, b'{"result": [], "next_page_token": "x"}'), 1, "is no Ringback: its pages have no end"),
    "deep": ((200, b"[" * 100_000), 1, "is no Ringback: it sent no JSON object"),
    "not found": ((404, HTML), 1, "is no Ringback: it said 404 in its own way"),
    "sign in": ((401, HTML), 5, "is no Ringback: it said 401 in its own way"),
    "behind a proxy": ((503, HTML), 6, "is no Ringback: it said 503 in its own way"),
    "old": ((404, refusal("ROUTE_NOT_FOUND", "NOT_FOUND")), 1, "does not know this operation"),
    "unavailable": ((503, refusal("DATABASE_UNAVAILABLE", "UNAVAILABLE")), 6, "So it is."),
    "denied": ((403, refusal("PERMISSION_DENIED", "PERMISSION_DENIED")), 5, "So it is."),
    "unknown key": ((401, refusal("X", "UNAUTHENTICATED")), 5, "So it is. (RINGBACK_KEY)"),
    "a new status": ((418, refusal("TEAPOT", "TEAPOT")), 1, "So it is."),
    "failed": (
        (500, refusal("INTERNAL", "INTERNAL"), {"x-request-id": "r-7"}),
        1, "So it is. (its log has it as request r-7)",
    ),
    "in colours": ((500, refusal("INTERNAL", "INTERNAL", "\x1b[31mred\n")), 1, "\ufffd[31mred"),
    "faults": (
        (400, refusal("VALIDATION_FAILED", "INVALID_ARGUMENT", details=[
            {"field": "config.x", "description": "is bad", "rule": "r"}, {"field": "retry", "description": "is worse"},
        ])),
        2, "So it is. --config_json.x is bad; --retry is worse",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", STRANGE)
def test_whatever_answers_is_one_line_and_an_exit_code(remote: Shell, kind: str) -> None:
    answer, code, line = STRANGE[kind]
    with Stranger(*answer).listening() as stranger:
        ran = remote.router(*LIST, "--url", stranger.url)

    assert told(ran)[0] == code
    assert line in told(ran)[1]
    assert stranger.heard[0][1]["Authorization"] == f"Bearer {KEY}"


def test_nobody_there_says_what_to_do(remote: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"

    code, line = told(remote.router(*LIST, "--url", url))

    assert code == 6
    whatever = "start it ('ringback up'), name another one (--url), or use --local"
    assert line == f"nobody answers at {url} (Connection refused): {whatever}"


def test_silence_ends_in_time_and_leaves_a_doubt(remote: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(Address.parse(f"http://127.0.0.1:{silent.getsockname()[1]}", "--url"), Secret(KEY), "here")
        with pytest.raises(NobodyAnswers, match=r"does not answer within 0\.1 s; whether it has done it"):
            client.ask(Asked("POST", "/v1.0/router/extensions", body=b"{}", patience=0.1))
        with pytest.raises(NobodyAnswers, match=r"does not answer within 0\.1 s$"):
            client.ask(Asked("GET", "/v1.0/router/stats", patience=0.1))


def test_an_answer_that_breaks_off_is_none(remote: Shell) -> None:
    broken = Stranger(200, b'{"result"', {"content-length": "100"})
    with broken.listening():
        code, line = told(remote.router(*LIST, "--url", broken.url))

    assert (code, "IncompleteRead" in line) == (6, True)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_told_and_the_key_stays_here(remote: Shell, status: int) -> None:
    with Stranger(200, b"{}").listening() as elsewhere:
        here = Stranger(status, headers={"location": f"{elsewhere.url}/v1.0/router/extensions"})
        with here.listening():
            code, line = told(remote.router(*LIST, "--url", here.url))

    assert (code, f"leads to {elsewhere.url}/" in line) == (1, True)
    assert elsewhere.heard == []


def test_a_proxy_is_for_other_machines(remote: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    with Stranger(503, HTML).listening() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        away = told(remote.router(*LIST, "--url", "http://ringback.example:8080/in/front/"))
        with served(remote.home) as keys:
            here = remote.router(*LIST, "--url", keys.url, "--key_file", str(remote.home / "keys.json"), *QUIET)

    assert (away[0], [path for path, _ in proxy.heard]) == (
        6, ["http://ringback.example:8080/in/front/v1.0/router/extensions?page_size=100"],
    )  # fmt: skip
    assert here.code == 0, here


def test_https_wants_a_certificate_that_is_trusted(
    remote: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path, "ringback")
    chain, secret = (base64.b64encode(file.read_bytes()).decode() for file in files)
    monkeypatch.delenv("RINGBACK_KEY")
    with served(remote.home, ssl_cert_base64=chain, ssl_privkey_base64=secret) as keys:
        untrusted = remote.router(*LIST, *QUIET)
        plain = remote.router(*LIST, "--url", keys.url.replace("https:", "http:"), *QUIET)
        monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
        trusted = remote.router(*LIST, *QUIET)
    with Stranger(200).listening() as stranger:
        monkeypatch.setenv("RINGBACK_KEY", KEY)
        no_tls = remote.router(*LIST, "--url", stranger.url.replace("http:", "https:"), *QUIET)

    assert (told(untrusted)[0], "self-signed certificate): SSL_CERT_FILE names" in told(untrusted)[1]) == (1, True)
    assert (told(plain)[0], "wants an access key" in told(plain)[1]) == (2, True)
    assert (trusted.code, "pii_guard" in trusted.out) == (0, True), trusted
    assert (told(no_tls)[0], "does not speak TLS" in told(no_tls)[1]) == (1, True)


@pytest.mark.contract("router R-11a")
def test_the_key_decides(remote: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A customer's reads records and writes none; the operator's is taken by itself for the server that made it."""
    with served(remote.home) as keys:
        monkeypatch.setenv("RINGBACK_KEY", keys.customer_key)
        read = remote.router(*LIST, *QUIET)
        written = remote.router("extensions", "disable", "pii_guard", *QUIET)
        (tmp_path / "key").write_text(f"{keys.operator_key}\n")
        by_file = remote.router("extensions", "disable", "pii_guard", "--key_file", str(tmp_path / "key"), *QUIET)
        monkeypatch.setenv("RINGBACK_KEY", "rb_" + "x" * 43)
        unknown = remote.router(*LIST, *QUIET)
        monkeypatch.delenv("RINGBACK_KEY")
        by_home = remote.router(*LIST, *QUIET)
        by_name = remote.router("--url", keys.url.replace("127.0.0.1", "localhost"), *LIST, *QUIET)
        monkeypatch.setenv("RINGBACK_URL", "http://127.0.0.1:1")
        elsewhere = remote.router(*LIST, *QUIET)
        back = remote.router(*LIST, "--url", keys.url, *QUIET)

    assert (read.code, told(written)[0]) == (0, 5)
    assert by_file.code == 0, by_file
    assert told(unknown) == (5, "The access key is not valid. (RINGBACK_KEY)")
    assert [ran.code for ran in (by_home, by_name, back)] == [0, 0, 0]
    assert told(elsewhere) == (2, "http://127.0.0.1:1 wants an access key: RINGBACK_KEY, or a file of it (--key_file)")


WRONG: Final = [
    (("--url", "ftp://here"), "--url: must be http://host:port"),
    (("--url", "127.0.0.1:8080"), "--url: must be http://host:port"),
    (("--url", "http://"), "--url: must be http://host:port"),
    (("--url", "http://here:99999"), "--url: must be http://host:port"),
    (("--url", "http://op:Sample-Pass-0001@here"), "without a user"),
    (("--url", "http://:Sample-Pass-0001@here"), "without a user"),
    (("--url", "http://here/?x=1"), "without a user or a query"),
    (("--url", "http://here/a b"), "--url: must be http://host:port"),
    (("--url", f"http://{'a' * 64}"), "--url: must be http://host:port"),
    (("--url", "http://here", "--local"), "--local: goes to the database itself"),
    (("--url", "http://here", "--key_file", "none"), "--key_file: none cannot be read"),
    (("--url", "http://here", "--key_file", "two"), "--key_file two: is no access key"),
    (("--url", "http://here", "--key_file", "broken"), "--key_file: broken is neither a key nor a keys.json"),
    ((), "no Ringback has been started in"),
]


def test_what_cannot_be_a_server_or_a_key_is_a_usage_error(remote: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(remote.home)
    Path("two").write_text(f"{KEY}\n{KEY}\n")
    Path("broken").write_text(f'{{"operator_key": "{KEY}"')
    for words, line in WRONG:
        ran = remote.router(*LIST, *words)
        assert (told(ran)[0], line in told(ran)[1], "Sample-Pass" in ran.err) == (2, True, False), (words, ran)
    for value in ("two words", "\udcff", "ключ"):
        monkeypatch.setenv("RINGBACK_KEY", value)
        assert told(remote.router(*LIST, "--url", "http://here")) == (2, "RINGBACK_KEY: is no access key")
