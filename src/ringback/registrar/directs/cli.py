"""`registrar-control direct …`."""

from ringback import terminal
from ringback.answers import AsForm, Form
from ringback.registrar.extensions import service
from ringback.registrar.extensions.cli import show
from ringback.registrar.extensions.wire import ChangeExtension
from ringback.registrar.flags import Id, one
from ringback.settings import Settings
from ringback.sip.names import direct_uri
from ringback.terminal import do, with_settings

app = terminal.new_app("Public addresses that ring an extension.")


@app.command()
@with_settings
def enable(settings: Settings, id: Id = None, format: AsForm = Form.TABLE) -> None:
    """Give an extension a direct address."""
    _change(settings, id, format, ChangeExtension(direct=True), "Direct address enabled")


@app.command()
@with_settings
def disable(settings: Settings, id: Id = None, format: AsForm = Form.TABLE) -> None:
    """Take an extension's direct address away; it never comes back."""
    _change(settings, id, format, ChangeExtension(direct=False), "Direct address disabled")


@app.command()
@with_settings
def regenerate(settings: Settings, id: Id = None, format: AsForm = Form.TABLE) -> None:
    """Give an extension a new direct address; the old one is refused at once."""
    _change(settings, id, format, ChangeExtension(direct_regenerate=True), "Direct address regenerated")


def _change(settings: Settings, id: str | None, format: Form, asked: ChangeExtension, title: str) -> None:
    which = one(id, "Extension id")
    changed = do(settings, lambda uow: service.change(uow, which, asked, of=None), writes=True)
    show(changed, format, title)
    if format is Form.TABLE and changed.extension.direct:
        terminal.say(direct_uri(changed.extension.direct_hash, settings.sip_domain))
