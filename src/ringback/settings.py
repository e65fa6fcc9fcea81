"""Every knob, typed, read once: flag, then environment, then file, then default."""

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import URL

from ringback.kit.dsn import parse_dsn
from ringback.kit.errors import CannotStart
from ringback.sip.digest import Storage
from ringback.sip.names import fits, is_domain, sip_domain
from ringback.sip.tables import endpoint_columns


def _domain(text: str) -> str:
    if not is_domain(text):
        raise ValueError("must be a domain name of RFC 1123 labels, at most 253 characters")
    return text.lower()


def _short_domain(text: str) -> str:
    if not fits(_domain(text)):
        raise ValueError("is too long: <number>@<label>.<domain> must stay within 219 characters")
    return text.lower()


def _dsn(text: SecretStr) -> SecretStr:
    parse_dsn(text.get_secret_value())
    return text


def _address(text: str) -> str:
    host_and_port(text)
    return text


def _path(text: str) -> str:
    if not re.fullmatch(r"/[\w/.-]*", text):
        raise ValueError("must be a path that begins with /")
    return text


def host_and_port(text: str) -> tuple[str, int]:
    """`127.0.0.1:8080`, `[::1]:8080`; `:8080` is every address. `ValueError` otherwise."""
    host, colon, port = text.rpartition(":")
    is_number = port.isascii() and port.isdigit()
    if not colon or not is_number or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise ValueError("must be host:port")
    return host.strip("[]") or "0.0.0.0", int(port)


BaseDomain = Annotated[str, AfterValidator(_short_domain)]
Domain = Annotated[str, AfterValidator(lambda text: text and _domain(text))]
Dsn = Annotated[SecretStr, AfterValidator(_dsn)]
Address = Annotated[str, AfterValidator(_address)]


class Settings(BaseSettings):
    """The settings of one process (registrar 20)."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, env_ignore_empty=True, case_sensitive=False
    )

    ringback_home: Path = Field(Path("var"), description="where the embedded default keeps its state")
    database_dsn_bin: Dsn | None = Field(
        None, description="our own database, a Go DSN or a URL; none: SQLite in ringback_home"
    )
    database_dsn_asterisk: Dsn | None = Field(None, description="Asterisk's database; none: the same SQLite file")
    domain_name_extension: BaseDomain = Field("registrar.localhost", description="realms of extensions end in it")
    domain_name_trunk: BaseDomain = Field("trunk.localhost", description="realms of trunks end in it")
    domain_name_sip: Domain = Field(
        "", description="host of direct addresses; none: sip. + domain_name_extension without its first label"
    )
    rest_listen_address: Address = Field("127.0.0.1:8080", description="where REST listens")
    jwt_key: SecretStr | None = Field(None, description="HMAC key of VoIPbin's agent tokens; none: they are refused")
    prometheus_listen_address: Address = Field("127.0.0.1:2112", description="where metrics and health listen")
    prometheus_endpoint: Annotated[str, AfterValidator(_path)] = Field("/metrics", description="path of the metrics")
    secret_storage: Storage = Field(
        "digest", description="how passwords are kept: digest, or plaintext for an edge that computes digests itself"
    )
    rpc_read_password: bool = Field(
        False, description="with plaintext: whether reads over RPC show passwords, as some peers expect"
    )
    asterisk_digest: Literal["md5_cred", "password_digest"] = Field(
        "md5_cred",
        description="which columns of ps_auths carry the digest; password_digest needs Asterisk 20.12, 21.7, 22.2",
    )
    empty_password_on_put: Literal["keep", "refuse"] = Field(
        "keep", description="what an empty password in a PUT over RPC does"
    )
    direct_hash_bytes: Annotated[int, Field(ge=6, le=32)] = Field(
        6, description="random bytes of a new direct hash, 6 to 32"
    )
    direct_miss_limit: Annotated[int, Field(ge=1)] = Field(
        10, description="unknown hashes a minute that one source may ask for"
    )
    domain_short_label_enabled: bool = Field(
        False, description="new customers get a realm of 6 random characters instead of their id"
    )
    limits: Literal["local"] = Field("local", description="who says how many extensions and trunks a customer may have")
    limit_extension_default: Annotated[int, Field(ge=0)] = Field(
        0, description="extensions of a customer without a limit of their own; 0: any number"
    )
    limit_trunk_default: Annotated[int, Field(ge=0)] = Field(
        0, description="trunks of a customer without a limit of their own; 0: any number"
    )
    endpoint_defaults: str = Field(
        "allow=ulaw|alaw|g722,direct_media=no", description="further columns of a new ps_endpoints row: column=value,…"
    )
    contact_cache_ttl: Annotated[float, Field(ge=0, le=60)] = Field(
        15.0, description="seconds that a phone's contacts are cached, 0 to 60"
    )
    contact_poll_interval: Annotated[float, Field(ge=0.1, le=3600)] = Field(
        5.0, description="seconds between two looks for contacts that came or went"
    )
    reconcile_interval: Annotated[float, Field(ge=1, le=86400)] = Field(
        60.0, description="seconds between two repairs of the SIP tables"
    )
    drain_timeout: Annotated[float, Field(ge=0, le=3600)] = Field(
        10.0, description="seconds that requests in hand get at the end"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="what is logged, to stderr")
    log_format: Literal["json", "console"] = Field("json", description="for machines or for eyes")

    @field_validator("endpoint_defaults")
    @classmethod
    def _columns(cls, text: str) -> str:
        endpoint_columns(text)
        return text

    @model_validator(mode="after")
    def _both_or_neither(self) -> "Settings":
        if (self.database_dsn_bin is None) != (self.database_dsn_asterisk is None):
            raise ValueError("database_dsn_bin and database_dsn_asterisk: set both or neither")
        if f".{self.domain_name_extension}".endswith(f".{self.domain_name_trunk}"):
            raise ValueError("domain_name_trunk: must not be, or hold, domain_name_extension: realms would be the same")
        if self.rpc_read_password and self.secret_storage == "digest":  # noqa: S105
            raise ValueError("rpc_read_password: there is no password to read with secret_storage=digest")
        return self

    @property
    def sip_domain(self) -> str:
        return self.domain_name_sip or sip_domain(self.domain_name_extension)

    @property
    def endpoint_columns(self) -> Mapping[str, str]:
        return endpoint_columns(self.endpoint_defaults)

    @property
    def database_file(self) -> Path:
        """The SQLite file; `CannotStart` for an engine that is not served yet."""
        if self.database_dsn_bin is None or self.database_dsn_asterisk is None:
            return self.ringback_home / "ringback.db"
        urls = [parse_dsn(dsn.get_secret_value()) for dsn in (self.database_dsn_bin, self.database_dsn_asterisk)]
        return _one_sqlite_file(*urls)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings)


def _one_sqlite_file(own: URL, asterisk: URL) -> Path:
    for name, url in (("database_dsn_bin", own), ("database_dsn_asterisk", asterisk)):
        if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
            raise CannotStart(f"{name}: only a SQLite file is served so far, e.g. sqlite:///var/ringback.db")
    if own.database != asterisk.database:
        raise CannotStart("database_dsn_asterisk: must name the same SQLite file as database_dsn_bin")
    return Path(str(own.database))


class Knob(BaseModel):
    """One setting as `--help` shows it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    name: str
    flag: str
    variable: str
    default: str
    meaning: str


def knobs() -> list[Knob]:
    found = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, PydanticUndefined) else str(field.default)
        meaning = field.description or ""
        found.append(Knob(name=name, flag=f"--{name}", variable=name.upper(), default=default, meaning=meaning))
    return found


def load(flags: Mapping[str, Any], config: Path | None = None) -> Settings:
    """Settings from everywhere. `CannotStart` names the first unusable key, never its value."""
    from_file = _file(config) if config else {}
    env = {name.lower() for name, value in os.environ.items() if value}
    given = {name: value for name, value in from_file.items() if name not in env}
    given |= {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise CannotStart(_line(error)) from None


def _file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise CannotStart(f"{path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise CannotStart(f"{path} is not TOML: {error}") from None


def _line(error: ValidationError) -> str:
    faults = []
    for item in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in item["loc"])
        text = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        if item["type"] == "extra_forbidden":
            near = get_close_matches(key, Settings.model_fields, n=1)
            text = f"is not a setting; did you mean {near[0]}?" if near else "is not a setting"
        faults.append(f"{key}: {text}" if key else text)
    return "; ".join(faults)
