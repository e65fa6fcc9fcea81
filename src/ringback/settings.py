"""Every knob of a process, typed; `knobs.py` reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import URL

from ringback.kit.dsn import one_sqlite_file, parse_dsn
from ringback.rabbitmq_knobs import OfRabbitMq
from ringback.router_knobs import OfRouter
from ringback.sip.digest import Storage
from ringback.sip.names import sip_domain
from ringback.sip.tables import endpoint_columns
from ringback.spellings import (
    SERVICES,
    Address,
    AddressOrNone,
    Ami,
    AmqpName,
    BaseDomain,
    Count,
    Domain,
    Dsn,
    EndpointColumns,
    HttpPath,
    Networks,
    Port,
    PublicUrl,
    Redis,
    Services,
    Transport,
    names_in,
    url_at,
)


class Settings(OfRouter, OfRabbitMq):
    """The settings of one process (registrar 20)."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, env_ignore_empty=True, case_sensitive=False
    )

    service: ClassVar[str] = "registrar-manager"
    """Who says what stands in the log."""

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
    services: Services = Field(
        "all",
        description=f"what this process runs: all, or some of {', '.join(SERVICES)}",
    )
    rabbit_queue_listen: AmqpName = Field("bin-manager.registrar-manager.request", description="the queue of requests")
    rabbit_queue_event: AmqpName = Field(
        "bin-manager.registrar-manager.event", description="the exchange of our events"
    )
    rabbit_queue_subscribe: AmqpName = Field(
        "bin-manager.registrar-manager.subscribe", description="the queue of events of others"
    )
    event_output: Literal["fanout"] = Field("fanout", description="to which kind of exchange events go")
    event_intake: Literal["fanout"] = Field("fanout", description="from which kind of exchange events come")
    delay_exchange: Literal["off"] = Field("off", description="whether retries wait in the broker")
    rpc_prefetch: Annotated[int, Field(ge=2, le=10_000)] = Field(
        32, description="requests of the queue that are in hand at once"
    )
    event_prefetch: Annotated[int, Field(ge=1, le=10_000)] = Field(
        10, description="events of others that are in hand at once"
    )
    redis_address: Redis = Field(
        SecretStr(""), description="host:port or URL of what instances share besides the database; none: nothing"
    )
    redis_password: SecretStr = Field(SecretStr(""), description="password of Redis, unless redis_address has it")
    redis_database: Annotated[int, Field(ge=0, le=65535)] = Field(
        0, description="number of the Redis database; VoIPbin uses 1"
    )
    database_pool_size: Annotated[int, Field(ge=5, le=1000)] = Field(
        10, description="connections to a database server at most"
    )
    database_timeout: Annotated[float, Field(gt=0, le=60)] = Field(
        2.0, description="seconds that a database server may take to let us in, or to give us a lock"
    )
    rest_listen_address: AddressOrNone = Field("127.0.0.1:8080", description="where REST listens; empty: nowhere")
    rest_if_match: Literal["optional", "required"] = Field(
        "optional", description="whether a change or an end of an object must name its state by If-Match"
    )
    rest_rate_limit: Count = Field(
        200, description="requests a second that one access key may send to REST; 0: any number"
    )
    rest_rate_burst: Annotated[int, Field(ge=1)] = Field(
        400, description="requests that one access key may send at once; at most a minute of rest_rate_limit"
    )
    rest_failure_limit: Count = Field(
        60, description="refused credentials a minute that one address may send to REST; 0: any number"
    )
    public_url: PublicUrl = Field("", description="what links to REST begin with; none: rest_listen_address")
    sip_public_host: Domain = Field("", description="SIP server that phones are told; none: their realm")
    sip_public_port: Port = Field(0, description="its port; 0: what DNS says, or the transport's own")
    sip_public_transport: Transport = Field("udp", description="how phones reach it: udp, tcp or tls")
    agi_listen_address: AddressOrNone = Field(
        "", description="where Asterisk asks who rings (FastAGI): an address that it alone reaches; empty: nowhere"
    )
    screen_listen_address: AddressOrNone = Field(
        "",
        description="where Asterisk has policies run for calls to direct addresses (HTTP), which it alone reaches; "
        "empty: nowhere",
    )
    edge_listen_address: AddressOrNone = Field(
        "",
        description="UDP address where Kamailio edges tell of phones at once, which they alone reach; empty: nowhere",
    )
    ssl_cert_base64: SecretStr | None = Field(None, description="certificate chain of REST, PEM in base64; none: HTTP")
    ssl_privkey_base64: SecretStr | None = Field(None, description="private key of REST, PEM in base64")
    jwt_key: SecretStr | None = Field(None, description="HMAC key of VoIPbin's agent tokens; none: they are refused")
    trusted_proxies: Networks = Field(
        "", description="CIDRs whose X-Forwarded-For is believed, with commas; none: nobody's"
    )
    prometheus_listen_address: Address = Field("127.0.0.1:2112", description="where metrics and health listen")
    prometheus_endpoint: HttpPath = Field("/metrics", description="path of the metrics")
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
    limits: Literal["local", "billing"] = Field(
        "local",
        description="who says how many extensions and trunks a customer may have: our database or billing-manager",
    )
    limit_extension_default: Count = Field(
        0, description="extensions of a customer without a limit of their own; 0: any number"
    )
    limit_trunk_default: Count = Field(
        0, description="trunks of a customer without a limit of their own; 0: any number"
    )
    endpoint_defaults: EndpointColumns = Field(
        "allow=ulaw|alaw|g722,direct_media=no,rewrite_contact=yes,rtp_symmetric=yes",
        description="further columns of a new ps_endpoints row: column=value,…",
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
    asterisk_ami: Ami = Field(
        SecretStr(""),
        description="Asterisks that tell us at once: ami://user:password@host:5038, with commas; none: we look",
    )
    audit_keep_days: Annotated[int, Field(ge=0, le=36500)] = Field(
        0, description="days that entries of the audit log are kept; 0: for ever"
    )
    contact_history_keep_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        30, description="days that it is kept when each phone came and went"
    )
    call_keep_days: Annotated[int, Field(ge=0, le=36500)] = Field(
        90, description="days that records of calls are kept; 0: for ever"
    )
    drain_timeout: Annotated[float, Field(ge=0, le=3600)] = Field(
        10.0, description="seconds that requests in hand get at the end"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="what is logged, to stderr")
    log_format: Literal["json", "console"] = Field("json", description="for machines or for eyes")

    @model_validator(mode="after")
    def _both_or_neither(self) -> "Settings":
        if self.has_registrar and (self.database_dsn_bin is None) != (self.database_dsn_asterisk is None):
            raise ValueError("database_dsn_bin and database_dsn_asterisk: set both or neither")
        if f".{self.domain_name_extension}".endswith(f".{self.domain_name_trunk}"):
            raise ValueError("domain_name_trunk: must not be, or hold, domain_name_extension: realms would be the same")
        if (self.ssl_cert_base64 is None) != (self.ssl_privkey_base64 is None):
            raise ValueError("ssl_cert_base64 and ssl_privkey_base64: set both or neither")
        if self.rest_rate_limit and self.rest_rate_burst > 60 * self.rest_rate_limit:
            raise ValueError("rest_rate_burst: must not be more than a minute of rest_rate_limit")
        if self.limits == "billing" and self.rabbitmq_address is None:
            raise ValueError("limits: billing-manager is asked over RabbitMQ: set rabbitmq_address")
        if self.rpc_read_password and self.secret_storage == "digest":  # noqa: S105
            raise ValueError("rpc_read_password: there is no password to read with secret_storage=digest")
        return self

    @property
    def sip_domain(self) -> str:
        return self.domain_name_sip or sip_domain(self.domain_name_extension)

    @property
    def link_base(self) -> str:
        """What links to REST begin with, without a slash at the end; nothing where nobody says how we are reached."""
        return self.public_url or url_at(self.rest_listen_address, "https" if self.ssl_cert_base64 else "http")

    @property
    def endpoint_columns(self) -> Mapping[str, str]:
        return endpoint_columns(self.endpoint_defaults)

    @property
    def databases(self) -> tuple[URL, URL]:
        """Where our own tables are, and where Asterisk's: without DSNs both in one SQLite file.

        A router alone has nothing to do with Asterisk's.
        """
        own = self.database_dsn_bin
        asterisk = self.database_dsn_asterisk if self.has_registrar else own
        if own is None or asterisk is None:
            file = URL.create("sqlite", database=str(self.ringback_home / "ringback.db"))
            return file, file
        return parse_dsn(own.get_secret_value()), parse_dsn(asterisk.get_secret_value())

    @property
    def is_embedded(self) -> bool:
        """Whether the databases are a file of this machine."""
        return all(url.get_backend_name() == "sqlite" for url in self.databases)

    @property
    def database_file(self) -> Path:
        """The SQLite file; `CannotStart` where there is none."""
        return one_sqlite_file(*self.databases)

    @property
    def has_registrar(self) -> bool:
        """Whether this process has to do with the registrar's objects: every one but a router's alone."""
        return self.runs("registrar-manager") or not self.runs("router-manager")

    def runs(self, service: str) -> bool:
        """Whether this process runs that service."""
        return not {"all", service}.isdisjoint(names_in(self.services))

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


class RouterSettings(Settings):
    """The settings of what works on our own database and has nothing to do with Asterisk's."""

    service: ClassVar[str] = "router-manager"

    @property
    def has_registrar(self) -> bool:
        return False
