"""Where each command begins: all that it is made of is loaded, and never looked through for garbage."""

import gc
from types import ModuleType


def ringback() -> None:
    _loaded().main()


def registrar_control() -> None:
    _loaded().registrar_control()


def router_control() -> None:
    _loaded().router_control()


def registrar_manager() -> None:
    _loaded().registrar_manager()


def router_manager() -> None:
    _loaded().router_manager()


def _loaded() -> ModuleType:
    """To look for garbage takes a fifth of the time of loading, and finds none."""
    gc.disable()
    from ringback import cli

    gc.freeze()
    gc.enable()
    return cli
