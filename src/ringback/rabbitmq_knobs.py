"""The knobs of RabbitMQ beside its address: who we are there, and TLS, as NATS has them (router 0)."""

from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from ringback.kit.secret import Secret
from ringback.spellings import Amqp


class OfRabbitMq(BaseSettings):
    """Where the broker is. What its URL may say is also settings of their own."""

    rabbitmq_address: Amqp | None = Field(
        None, description="the broker that carries requests and events, amqp://…; none: a socket in ringback_home"
    )
    rabbitmq_user: str = Field("", description="who we are at RabbitMQ, where its address does not say so")
    rabbitmq_password: SecretStr = Field(SecretStr(""), description="password of rabbitmq_user")
    rabbitmq_tls_ca: Path | None = Field(
        None, description="certificates that RabbitMQ is trusted by, PEM; none: the machine's"
    )
    rabbitmq_tls_cert: Path | None = Field(None, description="our certificate for RabbitMQ, PEM")
    rabbitmq_tls_key: Path | None = Field(None, description="its private key, PEM")

    @model_validator(mode="after")
    def _of_rabbitmq(self) -> "OfRabbitMq":
        if bool(self.rabbitmq_user) != bool(self.rabbitmq_password.get_secret_value()):
            raise ValueError("rabbitmq_user and rabbitmq_password: set both or neither")
        if (self.rabbitmq_tls_cert is None) != (self.rabbitmq_tls_key is None):
            raise ValueError("rabbitmq_tls_cert and rabbitmq_tls_key: set both or neither")
        given = self.rabbitmq_address.get_secret_value() if self.rabbitmq_address else ""
        if self.rabbitmq_user and "@" in urlsplit(given).netloc:
            raise ValueError("rabbitmq_user: rabbitmq_address says already who we are")
        return self

    @property
    def rabbitmq_url(self) -> Secret | None:
        """The address with all that the others add; with one of the files there is TLS."""
        files = {
            "cacertfile": self.rabbitmq_tls_ca,
            "certfile": self.rabbitmq_tls_cert,
            "keyfile": self.rabbitmq_tls_key,
        }
        named = {name: str(file) for name, file in files.items() if file}
        if self.rabbitmq_address is None:
            return None
        text = self.rabbitmq_address.get_secret_value()
        if not (named or self.rabbitmq_user):
            return Secret(text)
        url = urlsplit(text)
        if self.rabbitmq_user:
            password = self.rabbitmq_password.get_secret_value()
            url = url._replace(netloc=f"{quote(self.rabbitmq_user, '')}:{quote(password, '')}@{url.netloc}")
        if named:
            query = {**dict(parse_qsl(url.query, keep_blank_values=True)), **named}
            url = url._replace(scheme="amqps", query=urlencode(query))
        return Secret(url.geturl())
