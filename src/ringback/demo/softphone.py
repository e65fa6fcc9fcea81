"""One softphone in a process of its own: pjsua2 behind JSON lines on standard input and output."""

import contextlib
import json
import os
import select
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pjsua2 as pj  # type: ignore[import-untyped]

TRANSPORTS: Final = {
    "udp": pj.PJSIP_TRANSPORT_UDP,
    "tcp": pj.PJSIP_TRANSPORT_TCP,
    "tls": pj.PJSIP_TRANSPORT_TLS,
}
"""TLS believes any certificate: what is tried with it are servers of our own."""
Say = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Pending:
    """A report that waits until its recording is whole."""

    report: Mapping[str, object]
    recording: str
    since: float = field(default_factory=time.monotonic)

    def ready(self) -> bool:
        """The library closes files in another thread: only then does the header name the true size."""
        if not self.recording or time.monotonic() - self.since > 2:
            return True
        data = Path(self.recording)
        if not data.exists():
            return False
        with data.open("rb") as file:
            head = file.read(8)
        return int.from_bytes(head[4:8], "little") == data.stat().st_size - 8


class Conversation(pj.Call):  # type: ignore[misc]
    """One call: the tone goes out, what comes in is recorded."""

    def __init__(self, phone: "Softphone", call_id: int = pj.PJSUA_INVALID_ID, *, incoming: bool) -> None:
        super().__init__(phone.account, call_id)
        self.phone = phone
        self.incoming = incoming
        self.sent = self.received = self.lost = 0
        self.recorder: Any = None
        self.recording = ""

    def onCallState(self, prm: Any) -> None:
        """Tell the parent when the call is answered and when it has ended."""
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.phone.say({"event": "answered", "incoming": self.incoming})
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.recorder = None  # closes the WAV file
            self.phone.ended(self, info)

    def onCallMediaState(self, prm: Any) -> None:
        """Join the call to the tone and to the recorder."""
        info = self.getInfo()  # kept in a variable: the wrapper frees `info.media` with it
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                audio = self.getAudioMedia(index)
                self.phone.player.startTransmit(audio)
                if self.recorder is None:
                    self.recorder = pj.AudioMediaRecorder()
                    self.recording = self.phone.new_recording()
                    self.recorder.createRecorder(self.recording)
                audio.startTransmit(self.recorder)

    def onStreamDestroyed(self, prm: Any) -> None:
        """Keep the counts of the stream: they are gone once the call has ended."""
        try:
            rtcp = self.getStreamStat(prm.streamIdx).rtcp
        except pj.Error:
            return
        self.sent, self.received, self.lost = rtcp.txStat.pkt, rtcp.rxStat.pkt, rtcp.rxStat.loss


class Line(pj.Account):  # type: ignore[misc]
    """The account: reports registrations, answers every call at once."""

    def __init__(self, phone: "Softphone") -> None:
        super().__init__()
        self.phone = phone

    def onRegState(self, prm: Any) -> None:
        """Give the SIP status of the REGISTER that has just ended."""
        self.phone.registered = prm.code // 100 == 2 and prm.expiration > 0
        self.phone.say({"event": "registration", "status": int(prm.code), "reason": str(prm.reason)})

    def onIncomingCall(self, prm: Any) -> None:
        """Ring is said first, so that the parent can count calls that never got an answer."""
        call = Conversation(self.phone, prm.callId, incoming=True)
        self.phone.calls.append(call)
        info = call.getInfo()
        self.phone.say({"event": "ringing", "peer": str(info.remoteUri)})
        answer = pj.CallOpParam()
        answer.statusCode = self.phone.options["answer"]
        call.answer(answer)


class Softphone:
    """The endpoint, its one account, and the verbs that the parent may ask for."""

    def __init__(self, options: Mapping[str, Any], say: Say) -> None:
        self.options = options
        self.say = say
        self.calls: list[Conversation] = []
        self.pending: list[Pending] = []
        self.recorded = 0
        self.registered = False
        self.open = True
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        self.endpoint.libInit(_endpoint_config())
        self.endpoint.audDevManager().setNullDev()
        transport = pj.TransportConfig()
        transport.boundAddress = options["bind"]
        self.endpoint.transportCreate(TRANSPORTS[options["transport"]], transport)
        self.endpoint.libStart()
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(options["tone"])
        self.account = Line(self)
        self.account.create(_account_config(options))

    def obey(self, asked: Mapping[str, Any]) -> None:
        """Carry out one command; what comes of it is said as events."""
        verb = asked["do"]
        if verb == "register":
            self.account.setRegistration(True)
        elif verb == "unregister":
            self.account.setRegistration(False)
        elif verb == "call":
            call = Conversation(self, incoming=False)
            self.calls.append(call)
            call.makeCall(asked["uri"], pj.CallOpParam(True))
        elif verb == "hangup":
            self.endpoint.hangupAllCalls()
        elif verb == "close":
            self.open = False

    def ended(self, call: Conversation, info: Any) -> None:
        """Report an ended call once its recording is whole."""
        self.pending.append(
            Pending(
                recording=call.recording,
                report={
                    "event": "ended",
                    "incoming": call.incoming,
                    "status": int(info.lastStatusCode),
                    "reason": str(info.lastReason),
                    "peer": str(info.remoteUri),
                    "seconds": info.connectDuration.sec + info.connectDuration.msec / 1000,
                    "sent": call.sent,
                    "received": call.received,
                    "lost": call.lost,
                    "recording": call.recording,
                },
            )
        )

    def new_recording(self) -> str:
        """The path of the next call's WAV file: `<folder>/<name>-<n>.wav`, counted from 1."""
        self.recorded += 1
        path = Path(self.options["folder"]) / f"{self.options['name']}-{self.recorded}.wav"
        path.unlink(missing_ok=True)
        return str(path)

    def run(self, commands: int) -> None:
        """Serve SIP and the parent in turn, in one thread, until told to close or the parent has gone."""
        poll = select.poll()
        poll.register(commands, select.POLLIN | select.POLLHUP)
        waiting = b""
        while self.open:
            self.endpoint.libHandleEvents(10)
            self.calls = [call for call in self.calls if call.isActive()]  # never dropped inside a callback
            self._report()
            if not poll.poll(0):
                continue
            data = os.read(commands, 65536)
            if not data:
                return
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                self._try(json.loads(line))

    def _report(self) -> None:
        for one in [one for one in self.pending if one.ready()]:
            self.pending.remove(one)
            self.say(one.report)

    def _try(self, asked: Mapping[str, Any]) -> None:
        try:
            self.obey(asked)
        except pj.Error as error:
            self.say({"event": "failed", "verb": asked["do"], "reason": error.reason})

    def close(self) -> None:
        """Hang up and unregister (one second at most), then free everything in the order that pjsua2 needs."""
        self.endpoint.hangupAllCalls()
        if self.registered:
            self.account.setRegistration(False)
        until = time.monotonic() + 1
        while (self.calls or self.registered) and time.monotonic() < until:
            self.endpoint.libHandleEvents(10)
            self.calls = [call for call in self.calls if call.isActive()]
        self.calls.clear()
        self.account.shutdown()
        del self.player
        self.endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)


def _endpoint_config() -> Any:
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True  # callbacks come from libHandleEvents only
    config.uaConfig.userAgent = "Ringback demo phone"
    config.medConfig.noVad = True  # or silence suppression thins the packets that are counted
    config.medConfig.ecTailLen = 0
    return config


def _account_config(options: Mapping[str, Any]) -> Any:
    config = pj.AccountConfig()
    config.idUri = options["identity"]
    config.sipConfig.proxies.append(options["proxy"])
    config.regConfig.registerOnAdd = False
    config.regConfig.retryIntervalSec = 0
    config.regConfig.unregWaitMsec = 500
    config.natConfig.contactRewriteUse = 0
    config.natConfig.viaRewriteUse = 0
    config.natConfig.sdpNatRewriteUse = 0
    config.mediaConfig.transportConfig.boundAddress = options["bind"]
    if options["registrar"]:
        config.regConfig.registrarUri = options["registrar"]
        credential = pj.AuthCredInfo("digest", options["realm"], options["username"], 0, options["password"])
        config.sipConfig.authCreds.append(credential)
    return config


def main() -> None:
    """Read the options as the first line, then commands; write one JSON object a line."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the library prints there until it has its options

    def say(event: Mapping[str, object]) -> None:
        with contextlib.suppress(BrokenPipeError):  # the parent has gone: the loop sees that too, and ends
            out.write(json.dumps(event) + "\n")

    first = b""
    while not first.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return
        first += byte
    try:
        phone = Softphone(json.loads(first), say)
    except pj.Error as error:
        say({"event": "failed", "verb": "start", "reason": error.reason})
        sys.exit(1)
    say({"event": "ready"})
    phone.run(0)
    phone.close()
    say({"event": "closed"})


if __name__ == "__main__":
    main()
