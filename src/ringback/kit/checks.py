"""One thing that was looked at: what was seen, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem", "unknown"]


@dataclass(frozen=True, slots=True)
class Check:
    """`seen` is a sentence without its full stop; `do` is what to do about it."""

    name: str
    state: State
    seen: str
    do: str = ""

    @property
    def sentence(self) -> str:
        return f"{self.seen}: {self.do}." if self.do else f"{self.seen}."


def ok(name: str, seen: str) -> Check:
    return Check(name, "ok", seen)


def warning(name: str, seen: str, do: str) -> Check:
    return Check(name, "warning", seen, do)


def problem(name: str, seen: str, do: str) -> Check:
    return Check(name, "problem", seen, do)


def unknown(name: str, seen: str, do: str = "") -> Check:
    return Check(name, "unknown", seen, do)
