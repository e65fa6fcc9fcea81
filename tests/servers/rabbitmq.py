"""A RabbitMQ of our own: one node that nobody finds by name, without plugins, asked in Erlang."""

import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from .programs import RABBITMQ
from .server import HOST, NotYet, Server, ServerFailed, free_port

NODE = "rabbit@localhost"
KINDS: Mapping[str, str] = {
    "queues": "rabbit_amqqueue:info_all(V, [name, durable, auto_delete, exclusive, arguments, type, policy,"
    " messages_ready, messages_unacknowledged, messages, consumers, state])",
    "exchanges": "rabbit_exchange:info_all(V, [name, type, durable, auto_delete, internal, arguments])",
    "bindings": "rabbit_binding:info_all(V, [source_name, destination_name, destination_kind, routing_key, arguments])",
    "consumers": "rabbit_amqqueue:consumers_all(V)",
    "connections": "[I || I <- rabbit_networking:connection_info_all([pid, name, user, vhost, state, channels, timeout,"
    " client_properties]), proplists:get_value(vhost, I) =:= V]",
    "channels": "[I || I <- rabbit_channel:info_all([pid, connection, vhost, number, prefetch_count, consumer_count,"
    " messages_unacknowledged, confirm]), proplists:get_value(vhost, I) =:= V]",
}
TO_JSON = """\
T = fun T({resource, _, _, N}) -> N;
        T(P) when is_pid(P) -> list_to_binary(pid_to_list(P));
        T([]) -> [];
        T({arguments, []}) -> #{};
        T([{_, _} | _] = L) -> maps:from_list([{K, T(if K =:= arguments -> {K, W}; true -> W end)} || {K, W} <- L]);
        T([{_, _, _} | _] = L) -> maps:from_list([{K, T(W)} || {K, _, W} <- L]);
        T(L) when is_list(L) -> [T(W) || W <- L];
        T({_, L}) when is_list(L) -> T(L);
        T(W) when is_tuple(W) -> T(tuple_to_list(W));
        T(W) -> W end,
"""


class RabbitMq(Server):
    """A running RabbitMQ with one user, who may do anything; `url()` is its virtual host `/`."""

    recipe = RABBITMQ

    def __init__(self) -> None:
        super().__init__()
        self._control = free_port()

    def url(self, vhost: str = "/") -> str:
        """amqp://user:password@host:port/vhost"""
        return f"amqp://{self.USER}:{self.password}@{self.address}/{quote(vhost, safe='')}"

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """The name of a new virtual host; deleted afterwards with the connections to it."""
        name = f"t{uuid4().hex[:12]}"
        self.make_vhost(name)
        try:
            yield name
        finally:
            self.evaluate(f'rabbit_vhost:delete(<<"{name}">>, <<"test">>), ok.')

    def make_vhost(self, name: str) -> None:
        """A new virtual host that stays."""
        everything = '<<".*">>, <<".*">>, <<".*">>'
        self.evaluate(
            f'ok = rabbit_vhost:add(<<"{name}">>, <<"test">>), ok = rabbit_auth_backend_internal:set_permissions('
            f'<<"{self.USER}">>, <<"{name}">>, {everything}, <<"test">>), ok.'
        )

    def listed(self, kind: str, vhost: str = "/") -> list[dict[str, Any]]:
        """`queues`, `exchanges`, `bindings`, `consumers`, `connections` or `channels` of a virtual host, with what is
        known of each; tables (`arguments`) are dicts, process ids text."""
        answer = self.folder / f"answer-{uuid4().hex}"
        self.evaluate(
            f'V = <<"{vhost}">>, {TO_JSON} ok = file:write_file("{answer}", rabbit_json:encode(T({KINDS[kind]}))), ok.'
        )
        found: list[dict[str, Any]] = json.loads(answer.read_bytes())
        answer.unlink()
        return found

    def close_connections(self, vhost: str = "/", reason: str = "closed by an operator") -> int:
        """Close them all, as an operator does (320 CONNECTION_FORCED); how many there were."""
        pids = [connection["pid"] for connection in self.listed("connections", vhost)]
        for pid in pids:
            self.evaluate(f'rabbit_networking:close_connection(list_to_pid("{pid}"), "{reason}"), ok.')
        return len(pids)

    def settle(self) -> None:
        """Make what was declared safe from a kill: RabbitMQ answers a declaration some milliseconds before it is."""
        self.evaluate("dumped = mnesia:dump_log(), ok.")

    def evaluate(self, text: str) -> str:
        """What the node answers to Erlang expressions (`… , … .`), as Erlang prints it. Raises ServerFailed."""
        call = self.program.part("usr/lib/erlang/erts-*/bin/erl_call")
        name = f"n{uuid4().hex}"  # its usual one may be known there still, from the call before
        words = ("-address", f"{HOST}:{self._control}", "-h", name, "-c", self.password, "-e")
        done = subprocess.run(
            [*self.program.beside(call), *words],
            input=f"{text}\n",
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not done.stdout.startswith("{ok, "):
            raise ServerFailed(f"RabbitMQ said {(done.stdout or done.stderr).strip()[-500:]}")
        return done.stdout.removeprefix("{ok, ").removesuffix("}")

    def environment(self) -> Mapping[str, str]:
        erlang = self.program.path.parents[2]
        home = self.program.part("usr/lib/rabbitmq/lib/rabbitmq_server-*")
        return {
            **super().environment(),
            "ROOTDIR": str(erlang),
            "BINDIR": str(self._helpers),
            "EMU": "beam",
            "PROGNAME": "erl",
            "ERL_LIBS": str(self.folder / "libraries"),
            "RABBITMQ_HOME": str(home),
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_PLUGINS_DIR": str(self.folder / "libraries"),
            "RABBITMQ_LOGS": "-",
            "SYS_PREFIX": str(self.folder),  # of all that would be in /etc/rabbitmq and /var/lib/rabbitmq
        }

    @property
    def _helpers(self) -> str:
        """The folder of the programs that Erlang starts by itself."""
        folder = self.program.path.parent
        if not self.program.unpacked:
            return str(folder)
        return str(self.program.wrapped(folder / "erl_child_setup", folder / "inet_gethost"))

    def prepare(self) -> None:
        settings = {
            "listeners.tcp.1": self.address,
            "loopback_users": "none",
            "default_user": self.USER,
            "default_pass": self.password,
            "num_acceptors.tcp": 2,
            "disk_free_limit.absolute": "1MB",
            "log.console": "true",
            "log.console.level": "info",
        }
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        etc = self.folder / "etc/rabbitmq"
        etc.mkdir(parents=True)
        (etc / "rabbitmq.conf").write_text(text)
        (etc / "enabled_plugins").write_text("[].\n")
        libraries = self.folder / "libraries"
        libraries.mkdir()
        for found in self.program.part("usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins").iterdir():
            if found.name.startswith("rabbitmq_prelaunch") or not found.name.startswith("rabbitmq_"):
                (libraries / found.name).symlink_to(found)  # without its plugins it starts in half the time

    def command(self) -> tuple[str, ...]:
        machine = "-W w -S 2:2 -sbwt none -sbwtdcpu none -sbwtdio none --"
        places = ("-root", str(self.program.path.parents[2]), "-bindir", self._helpers, "-progname", "erl", "--")
        boot = f"-home {self.folder} -- -noshell -noinput -boot start_sasl -s rabbit boot"
        # a node that knows no other: it listens on a port of its own and asks no epmd for anybody's
        node = f"-sname {NODE} -setcookie {self.password} -start_epmd false -erl_epmd_port {self._control}"
        kernel = "-kernel inet_dist_use_interface {127,0,0,1} -kernel prevent_overlapping_partitions false"
        logs = "-syslog logger [] -syslog syslog_error_logger false"
        watchers = "-os_mon start_memsup false -os_mon start_cpu_sup false -os_mon start_disksup false"
        words = " ".join((boot, node, kernel, logs, watchers)).split()
        return (*self.program.command, *machine.split(), *places, *words)

    def ready(self) -> None:
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as client:
                client.sendall(b"AMQP\x00\x00\x09\x01")
                if client.recv(1) != b"\x01":  # the frame of its Connection.Start
                    raise NotYet
        except OSError as error:
            raise NotYet from error
