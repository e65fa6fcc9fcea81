"""The settings of services that run alone on servers, where nothing is guessed."""

from pydantic import Field, field_validator

from ringback.settings import RouterSettings, Settings
from ringback.spellings import Address, AddressOrNone, Amqp, BaseDomain, Dsn, Services, names_in


class DaemonSettings(Settings):
    """The settings of a service that runs alone on servers: nothing of them is guessed."""

    services: Services = Field(
        "registrar-manager,call-manager,api-manager",
        description="what this process runs: some of registrar-manager, call-manager, customer-manager, api-manager",
    )
    database_dsn_bin: Dsn = Field(description="our own database, a Go DSN or a URL")
    database_dsn_asterisk: Dsn = Field(description="Asterisk's database, a Go DSN or a URL")
    rabbitmq_address: Amqp = Field(
        description="the broker that carries requests and events, amqp://user:password@host:port/vhost"
    )
    domain_name_extension: BaseDomain = Field(description="realms of extensions end in it")
    domain_name_trunk: BaseDomain = Field(description="realms of trunks end in it")
    rest_listen_address: AddressOrNone = Field("", description="where REST listens; empty: nowhere")
    prometheus_listen_address: Address = Field(":2112", description="where metrics and health listen")


class RouterDaemonSettings(RouterSettings):
    """The settings of a router that runs alone on servers: nothing of them is guessed."""

    services: Services = Field(
        "router-manager,api-manager", description="what this process runs: router-manager, with or without api-manager"
    )
    database_dsn_bin: Dsn = Field(description="our own database, a Go DSN or a URL")
    prometheus_listen_address: Address = Field(":2112", description="where metrics and health listen")

    @field_validator("services")
    @classmethod
    def _alone(cls, text: str) -> str:
        if "router-manager" not in (names := names_in(text)) or set(names) - {"router-manager", "api-manager"}:
            raise ValueError("must be router-manager, with or without api-manager")
        return text
