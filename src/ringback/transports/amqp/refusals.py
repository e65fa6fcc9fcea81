"""What goes wrong at a broker: it is away, or it says no."""

import re
import ssl
from collections.abc import Iterator
from typing import Final

from pika.adapters.utils import connection_workflow as workflow
from pika.exceptions import (
    ChannelClosed,
    ChannelClosedByBroker,
    ConnectionClosed,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

REFUSALS: Final = {
    403: "may not be used",
    405: "is somebody else's alone",
    406: "is declared differently by somebody else",
}
"""Why a broker closes a channel when it will not have what was asked for; all else passes by itself."""
FULL: Final = re.compile(r"connection limit \(\d+\) is reached")


class Away(Exception):
    """The connection or the channel has gone. What was asked on it may have been done or not."""


class Refused(Exception):
    """The broker says no, and will go on saying it until somebody changes something. No secret is in the text.

    `setting` leads there, where it is not that of the role.
    """

    setting = ""


def of_channel(what: str, reason: BaseException) -> Exception:
    """Why something that was asked of a channel was not done; `what` begins the sentence of a refusal."""
    if isinstance(reason, ChannelClosedByBroker) and reason.reply_code in REFUSALS:
        _, _, words = reason.reply_text.partition(" - ")
        return Refused(f"{what} {REFUSALS[reason.reply_code]}: {words or reason.reply_text}")
    return Away(text_of(reason))


def of_connection(error: BaseException) -> Exception:
    """Why there is no connection."""
    causes = list(_causes(error))
    for cause in causes:
        words = str(cause)
        if isinstance(cause, ProbableAuthenticationError) and "(403)" in words:
            return Refused("the broker does not know the user, or the password is another")
        if isinstance(cause, ProbableAccessDeniedError) and "(530)" in words and not FULL.search(words):
            return Refused("the broker has no such virtual host, or the user may not use it")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Refused(f"the broker's certificate is not trusted: {cause.verify_message}")
    return Away(text_of(causes[-1]))


def text_of(reason: BaseException) -> str:
    """A reason in a few words."""
    if isinstance(reason, ChannelClosed | ConnectionClosed):
        return str(reason.reply_text)
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return str(reason) or type(reason).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what caused it, the cause last."""
    yield error
    if isinstance(error, workflow.AMQPConnectionWorkflowFailed):
        for inner in error.exceptions:
            yield from _causes(inner)
    elif isinstance(error, workflow.AMQPConnectorPhaseErrorBase):
        yield from _causes(error.exception)
    else:
        for inner in error.args:
            if isinstance(inner, BaseException):
                yield from _causes(inner)
