"""Tones as WAV files, and how much of a recording is a given tone: the proof that audio went through."""

import array
import math
import sys
import wave
from pathlib import Path

RATE = 8000  # samples per second, as in G.711


def write_tone(path: Path, hertz: int, seconds: float = 2.0) -> None:
    """Write a sine of that pitch at a third of full scale: 16 bit, mono, whole periods so that it loops."""
    periods = max(1, round(hertz * seconds))
    count = round(periods * RATE / hertz)
    samples = array.array("h", (int(10000 * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(count)))
    if sys.byteorder == "big":
        samples.byteswap()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def tone_share(path: Path, hertz: int) -> float:
    """The part of a recording's energy that lies at that pitch, 0.0 to 1.0; 0.0 for silence or no file.

    Only the loudest stretch (half a second) is looked at, a tenth of a second at a time, of which the purest counts:
    neither silence at the edges nor packets that came too late make a tone less pure, only other sounds do.
    """
    rate, samples = _read(path)
    stretch = _loudest(samples, rate // 2)
    windows = [stretch[at : at + rate // 10] for at in range(0, len(stretch), rate // 10)]
    return min(1.0, max(_share(window, hertz, rate) for window in windows)) if windows else 0.0


def _share(samples: "array.array[int]", hertz: int, rate: int) -> float:
    energy = math.fsum(sample * sample for sample in samples)
    return 2 * _goertzel(samples, hertz, rate) / len(samples) / energy if energy else 0.0


def _read(path: Path) -> tuple[int, "array.array[int]"]:
    samples = array.array("h")
    try:
        with wave.open(str(path), "rb") as file:
            rate, channels = file.getframerate(), file.getnchannels()
            data = file.readframes(file.getnframes())
    except (FileNotFoundError, EOFError, wave.Error):
        return RATE, samples
    samples.frombytes(data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return rate, samples[::channels]


def _loudest(samples: "array.array[int]", length: int) -> "array.array[int]":
    step = max(1, length // 4)
    starts = range(0, max(1, len(samples) - length + 1), step)
    return max((samples[at : at + length] for at in starts), key=lambda part: sum(abs(s) for s in part))


def _goertzel(samples: "array.array[int]", hertz: int, rate: int) -> float:
    """Goertzel's algorithm: the squared magnitude of one frequency."""
    factor = 2 * math.cos(2 * math.pi * hertz / rate)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + factor * last - before
    return before * before + last * last - factor * before * last
