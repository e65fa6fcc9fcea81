"""A browser at a WebSocket: it takes one call, plays a tone by DTLS-SRTP and records what it hears."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer, MediaRecorder

from ringback.demo.tones import write_tone

from .digest import Line
from .party import Message

OTHERS: Final = re.compile(r"a=fingerprint:sha-(?:384|512) .*\r\n")
"""Fingerprints that no browser sends."""


@asynccontextmanager
async def talking(line: Line, tone: int, recording: Path) -> AsyncIterator[None]:
    """Answer the next call; what is heard while inside is in the file afterwards."""
    played = recording.with_suffix(".tone.wav")
    write_tone(played, tone)
    asked = await asyncio.to_thread(_next, line, "INVITE")
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    recorder = MediaRecorder(str(recording))
    peer.add_listener("track", recorder.addTrack)
    voice = MediaPlayer(str(played), loop=True).audio
    assert voice
    peer.addTrack(voice)
    try:
        await peer.setRemoteDescription(RTCSessionDescription(asked.text.partition("\r\n\r\n")[2], "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        _answer(line, asked, OTHERS.sub("", peer.localDescription.sdp))
        await asyncio.to_thread(_next, line, "ACK")
        await recorder.start()
        yield
        await recorder.stop()
    finally:
        await peer.close()


def hung_up(line: Line) -> None:
    """Comes back when the other side has ended the call."""
    _answer(line, _next(line, "BYE"))


def _next(line: Line, method: str) -> Message:
    while (message := Message(line.recv(65535).decode())).method != method:
        pass
    return message


def _answer(line: Line, asked: Message, sdp: str = "") -> None:
    kept = [f"{name}: {value}" for name in ("Via", "From", "Call-ID", "CSeq") for value in asked.all(name)]
    to = asked.all("To")[0]
    kept += [f"To: {to}" if ";tag=" in to else f"To: {to};tag=browser"]
    if sdp:
        kept += ["Contact: <sip:browser@browser.invalid;transport=ws>", "Content-Type: application/sdp"]
    line.send("\r\n".join(["SIP/2.0 200 OK", *kept, f"Content-Length: {len(sdp)}", "", sdp]).encode())
