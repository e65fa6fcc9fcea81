"""Settings: flag, then environment, then file, then default."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.kit.dsn import parse_dsn
from ringback.kit.errors import CannotStart
from ringback.knobs import knobs, load


@pytest.mark.contract("registrar R-80")
def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ringback.toml"
    file.write_text("direct_hash_bytes = 7\n")

    assert load({}).direct_hash_bytes == 6
    assert load({}, file).direct_hash_bytes == 7
    monkeypatch.setenv("DIRECT_HASH_BYTES", "8")
    assert load({}, file).direct_hash_bytes == 8
    assert load({"direct_hash_bytes": "9"}, file).direct_hash_bytes == 9


def test_every_setting_has_a_flag_a_variable_and_a_meaning() -> None:
    for knob in knobs():
        assert (knob.flag, knob.variable) == (f"--{knob.name}", knob.name.upper())
        assert knob.meaning


@pytest.mark.contract("registrar R-80")
@given(st.text(min_size=1, alphabet=st.characters(codec="ascii", exclude_categories=["Cc", "Zs"])))
def test_a_go_dsn_and_a_url_name_the_same_database(password: str) -> None:
    go = parse_dsn(f"bin:{password}@tcp(db.example.com:3307)/bin_manager?parseTime=true")
    url = parse_dsn(f"mysql://bin:{quote(password, safe='')}@db.example.com:3307/bin_manager")

    assert go == url
    assert go.password == password


@pytest.mark.contract("registrar R-80")
def test_a_go_dsn_has_the_usual_port_when_it_names_none() -> None:
    assert parse_dsn("u:p@tcp(127.0.0.1)/asterisk") == parse_dsn("mysql://u:p@127.0.0.1/asterisk")
    assert parse_dsn("u@tcp([::1]:3306)/x").host == "::1"


@pytest.mark.contract("registrar R-53, R-81")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("domain_name_extension", "not a domain"),
        ("domain_name_extension", "-x.example.com"),
        ("domain_name_extension", "a" * 63 + "." + "b" * 63),
        ("domain_name_trunk", ""),
        ("rest_listen_address", "8080"),
        ("direct_hash_bytes", "5"),
        ("direct_hash_bytes", "many"),
        ("contact_cache_ttl", "61"),
        ("endpoint_defaults", "allow"),
        ("endpoint_defaults", "nonsense=1"),
        ("endpoint_defaults", "auth=x"),
        ("secret_storage", "clear"),
        ("asterisk_ami", "ringback:Sample-Pass-0001@127.0.0.1"),
        ("asterisk_ami", "ami://ringback:Sample-Pass-0001@a,ami://ringback:Sample-Pass-0001@a:5038"),
        ("log_level", "loud"),
        ("database_dsn_bin", "mysql://u:Sample-Pass-0001@h/db"),
    ],
)
def test_an_unusable_value_ends_the_start_with_the_name_of_its_key(name: str, value: str) -> None:
    with pytest.raises(CannotStart) as refused:
        load({name: value})

    assert name in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "Sample-Pass" not in str(refused.value)


def test_an_unknown_key_of_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ringback.toml"
    for text, reason in (("nonsense = 1", "nonsense: is not a setting"), ("=", "is not TOML")):
        file.write_text(text)
        with pytest.raises(CannotStart, match=reason):
            load({}, file)
    with pytest.raises(CannotStart, match="cannot be read"):
        load({}, tmp_path / "missing.toml")


def test_the_sip_domain_follows_from_the_extensions_domain() -> None:
    assert load({}).sip_domain == "sip.localhost"
    assert load({"domain_name_extension": "registrar.example.com"}).sip_domain == "sip.example.com"
    assert load({"domain_name_sip": "Pub.example.com"}).sip_domain == "pub.example.com"


def test_secrets_are_not_in_the_settings_text() -> None:
    dsns = dict.fromkeys(("database_dsn_bin", "database_dsn_asterisk"), "mysql://u:Sample-Pass-0002@h/x")
    text = repr(load({"jwt_key": "Sample-Pass-0001", **dsns}))

    assert "Sample-Pass" not in text


@pytest.mark.parametrize(
    ("name", "value"), [("drain_timeout", "inf"), ("reconcile_interval", "1e-9"), ("reconcile_interval", "inf")]
)
def test_times_without_an_end_are_refused(name: str, value: str) -> None:
    with pytest.raises(CannotStart, match=name):
        load({name: value})


def test_letters_beyond_ascii_are_in_no_domain() -> None:
    with pytest.raises(CannotStart, match="domain_name_extension"):
        load({"domain_name_extension": "reg\u017f.example.com"})


def test_the_environment_is_read_in_either_letter_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ringback.toml"
    file.write_text('log_level = "error"\n')
    monkeypatch.setenv("log_level", "debug")

    assert load({}, file).log_level == "debug"


def test_a_misspelt_key_is_told_what_it_may_have_meant(tmp_path: Path) -> None:
    file = tmp_path / "ringback.toml"
    file.write_text('rest_listen = "127.0.0.1:8080"\n')

    with pytest.raises(CannotStart, match="rest_listen: is not a setting; did you mean rest_listen_address"):
        load({}, file)


@pytest.mark.contract("registrar R-53")
@pytest.mark.parametrize("base", ["sip.example.com", "a.sip.example.com", "A.SIP.example.com"])
def test_realms_of_extensions_and_of_trunks_cannot_be_the_same(base: str) -> None:
    with pytest.raises(CannotStart, match="domain_name_trunk"):
        load({"domain_name_extension": base, "domain_name_trunk": "sip.example.com"})

    load({"domain_name_extension": "asip.example.com", "domain_name_trunk": "sip.example.com"})
    load({"domain_name_extension": "sip.example.com", "domain_name_trunk": "trunk.sip.example.com"})
