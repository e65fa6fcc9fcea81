"""The knobs of the router: NATS, its registry, its workers."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from ringback.kit.dsn import parse_dsn
from ringback.spellings import BaseUrl, Dsn, EnvNames, Nats


class OfRouter(BaseSettings):
    """What of the settings is the router's alone (router 0)."""

    nats_address: Nats = Field(
        "", description="NATS, where the router tells its events: nats://host:port, with commas; none: in this process"
    )
    nats_user: str = Field("", description="who we are at NATS")
    nats_password: SecretStr = Field(SecretStr(""), description="password of nats_user")
    nats_credentials_file: Path | None = Field(None, description="the same as a file with a JWT and a seed")
    nats_tls_ca: Path | None = Field(None, description="certificates that NATS is trusted by, PEM; none: the machine's")
    nats_tls_cert: Path | None = Field(None, description="our certificate for NATS, PEM")
    nats_tls_key: Path | None = Field(None, description="its private key, PEM")
    database_listen_url: Dsn | None = Field(
        None, description="where the router listens to PostgreSQL, never through a pooler; none: database_dsn_bin"
    )
    node_id: Annotated[str, Field(max_length=255)] = Field(
        "", description="name of this node of the router, of its own where several share a host; none: the host's"
    )
    registry_reload_interval: Annotated[float, Field(ge=1, le=86400)] = Field(
        60.0, description="seconds between two whole loads of the router's registry"
    )
    health_flush_interval: Annotated[float, Field(ge=0.1, le=3600)] = Field(
        5.0, description="seconds between two writes of how router extensions do"
    )
    nats_anonymous_role: Literal["", "viewer"] = Field(
        "", description="what those may who ask over NATS without a key: viewer, read how extensions do; none: nothing"
    )
    metrics_customer_label: bool = Field(
        False, description="whether metrics of pipelines name the customer: the first 1000, then other"
    )
    environment: Annotated[str, Field(max_length=64)] = Field(
        "", description="what conditions of policies know as environment, such as production; none: it is not there"
    )
    openai_api_key: SecretStr = Field(
        SecretStr(""), description="key of the worker openai_gpt4: itself, env:NAME or file:NAME; none: it says so"
    )
    openai_base_url: BaseUrl = Field("https://api.openai.com/v1", description="where that worker asks")
    anthropic_api_key: SecretStr = Field(
        SecretStr(""), description="key of the worker anthropic_claude: itself, env:NAME or file:NAME; none: it says so"
    )
    anthropic_base_url: BaseUrl = Field("https://api.anthropic.com/v1", description="where that worker asks")
    secret_env_names: EnvNames = Field(
        "RINGBACK_SECRET_*,OPENAI_API_KEY,ANTHROPIC_API_KEY",
        description="environment variables that env:NAME may mean, with commas; * at the end: all that begin so",
    )

    @model_validator(mode="after")
    def _of_router(self) -> "OfRouter":
        if self.database_listen_url and parse_dsn(self.database_listen_url.get_secret_value()).get_backend_name() != (
            "postgresql"
        ):
            raise ValueError("database_listen_url: only PostgreSQL can be listened to: postgresql://…")
        if bool(self.nats_user) != bool(self.nats_password.get_secret_value()):
            raise ValueError("nats_user and nats_password: set both or neither")
        if self.nats_user and self.nats_credentials_file:
            raise ValueError("nats_user and nats_credentials_file: set one of them")
        if (self.nats_tls_cert is None) != (self.nats_tls_key is None):
            raise ValueError("nats_tls_cert and nats_tls_key: set both or neither")
        return self
