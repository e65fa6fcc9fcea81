"""Reads QR codes as a camera would: out of the picture of an SVG, or out of the letters of a terminal."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

import zxingcpp

SCALE = 4
SVG = "{http://www.w3.org/2000/svg}"


def in_svg(text: str) -> str:
    """What the picture says: its dark lines are drawn by `M`, `m` and `h`, as the writer of it does."""
    root = ElementTree.fromstring(text)
    size = int(root.attrib["width"]) // SCALE
    _, lines = root.iter(f"{SVG}path")
    light = [[True] * size for _ in range(size)]
    x, y = 0, 0.0
    for step, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", lines.attrib["d"]):
        if step == "h":
            light[int(y)][x : x + int(first)] = [False] * int(first)
            x += int(first)
        else:
            x, y = (int(first), float(second)) if step == "M" else (x + int(first), y + float(second))
    return _read(light)


def on_terminal(text: str) -> str:
    """What the half blocks within a text say, on a dark ground."""
    lines = [line for line in text.splitlines() if line.startswith("█") and set(line) <= set("█▀▄ ")]
    upper = [[letter in "█▀" for letter in line] for line in lines]
    lower = [[letter in "█▄" for letter in line] for line in lines]
    return _read([row for pair in zip(upper, lower, strict=True) for row in pair])


def _read(light: Sequence[Sequence[bool]]) -> str:
    rows = [bytes(255 * one for one in row for _ in range(SCALE)) for row in light for _ in range(SCALE)]
    picture = memoryview(b"".join(rows)).cast("B", shape=[len(rows), len(rows[0])])
    (found,) = zxingcpp.read_barcodes(picture, zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    return str(found.text)
