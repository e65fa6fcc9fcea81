"""`ringback sip kamailio-config`: what it writes, for whose eyes, and what it refuses."""

from pathlib import Path

from ringback.sip.kamailio import secret_in

from .conftest import Shell

FLAGS = ("--bind=192.0.2.5", "--asterisk=192.0.2.7:5062")


def command(shell: Shell, out: Path | None, *flags: str) -> tuple[int, str]:
    """Its exit code, and all that it said."""
    ran = shell.ringback("sip", "kamailio-config", *([f"--out={out}"] if out else []), *flags)
    return ran.code, ran.out + ran.err


def test_the_secret_is_its_owners_alone_is_told_nobody_and_stays(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "kamailio.cfg"

    code, first = command(shell, tmp_path, *FLAGS, "--log_level=debug")
    secret = secret_in(file.read_text())
    assert (code, file.stat().st_mode & 0o777) == (0, 0o600)
    assert secret is not None
    file.chmod(0o644)
    again = command(shell, tmp_path, *FLAGS)
    assert file.stat().st_mode & 0o777 == 0o600
    refused = command(shell, tmp_path, *FLAGS, "--workers=2")
    file.chmod(0o644)
    forced = command(shell, tmp_path, *FLAGS, "--workers=2", "--force")

    assert again[1].splitlines()[0] == f"0 files written to {tmp_path} (2 were so already)"
    assert refused == (2, f"ringback: {tmp_path} has files that differ: kamailio.cfg; --force replaces them\n")
    assert (forced[0], secret_in(file.read_text()), file.stat().st_mode & 0o777) == (0, secret, 0o600)
    assert not [text for text in (first, again[1], refused[1], forced[1]) if secret.reveal() in text]
    command(shell, tmp_path / "other", *FLAGS)
    assert secret_in((tmp_path / "other/kamailio.cfg").read_text()) not in (secret, None)


def test_a_file_of_somebody_elses_is_left_alone_unless_forced(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "kamailio.cfg"
    file.write_text("# mine\n")

    refused = command(shell, tmp_path, *FLAGS)
    assert refused == (2, f"ringback: {tmp_path} has files that differ: kamailio.cfg; --force replaces them\n")
    assert file.read_text() == "# mine\n"

    assert command(shell, tmp_path, *FLAGS, "--force")[0] == 0
    assert secret_in(file.read_text()) is not None
    file.unlink()
    file.mkdir()
    assert command(shell, tmp_path, *FLAGS) == (2, f"ringback: {tmp_path} cannot be used: is a directory\n")


def test_every_faulty_flag_is_named_at_once_and_nothing_is_written(shell: Shell, tmp_path: Path) -> None:
    def named(text: str) -> list[str]:
        return [flag for flag in ("bind", "asterisk", "database", "modules") if f"--{flag} must" in text]

    code, text = command(
        shell, tmp_path / "etc", "--bind=0.0.0.0", "--asterisk=voice:5062", '--database=a"b', "--modules=a|b"
    )
    assert (code, named(text)) == (2, ["bind", "asterisk", "database", "modules"])
    code, text = command(shell, tmp_path / "etc")
    assert (code, named(text)) == (2, ["bind", "asterisk"])
    code, text = command(shell, tmp_path / "etc", *FLAGS, "--database=/srv/CALL_SECRET/x.db", "--modules=lib")
    assert (code, named(text)) == (2, ["database", "modules"])
    odd = ("127.0.0.1:5062", "192.0.2.5:5060", "192.0.2.7", "0.0.0.0:5062", "192.0.2.7:٥٠٦٢", "255.255.255.255:5062")
    for asterisk in odd:
        code, text = command(shell, tmp_path / "etc", "--bind=192.0.2.5", f"--asterisk={asterisk}")
        assert (code, named(text)) == (2, ["asterisk"])
    for more in (["--tls_port=5060"], ["--wss_port=8443"], ["--tls_cert=/etc/a.pem", "--tls_key=/etc/a|b"]):
        code, text = command(shell, tmp_path / "etc", *FLAGS, *more)
        assert (code, "--tls_" in text) == (2, True), more
    spoilt = {
        "--external_address=edge.example": "external_address",
        "--inner_port=5060": "inner_port",
        "--name=a b": "name",
        "--edge_listen_address=0.0.0.0:4574": "edge_listen_address",
        "--edge_listen_address=voip.example:4574": "edge_listen_address",
    }
    for one, flag in spoilt.items():
        code, text = command(shell, tmp_path / "etc", *FLAGS, "--external_address=198.51.100.7", one)
        assert (code, f"--{flag} must" in text) == (2, True), one
    assert command(shell, None, *FLAGS) == (
        2,
        "ringback: One or more fields are invalid. --out is required\n",
    )
    assert not (tmp_path / "etc").exists()


def test_it_warns_that_no_password_is_proved_without_digests(shell: Shell, tmp_path: Path) -> None:
    code, text = command(shell, tmp_path, *FLAGS, "--secret_storage=plaintext")

    assert (code, "warning: secret_storage=plaintext keeps no digests" in text) == (0, True)
    code, text = command(shell, tmp_path, *FLAGS)
    assert (code, "warning" in text) == (0, False)


def test_the_help_says_whom_it_serves(shell: Shell) -> None:
    code, text = command(shell, None, "--help")

    words = " ".join(text.split())
    assert code == 0
    assert "With secret_storage=plaintext only trunks known by their address get in" in words
