"""QR codes: a text that a camera reads, as a picture for pages and as blocks for terminals."""

from io import BytesIO
from typing import Final

import segno

BLOCKS: Final = (" ▄", "▀█")
"""What stands for a light module above, or not, and one below, or not."""
MASK: Final = 3
"""Any mask can be read; to find the prettiest takes six times as long, and the service serves nobody meanwhile."""


def svg(text: str) -> str:
    """An SVG element of its own, black on white, with the quiet zone that readers want."""
    out = BytesIO()
    look = {"scale": 4, "light": "#fff", "dark": "#000", "svgclass": None, "lineclass": None}
    segno.make_qr(text, mask=MASK).save(out, kind="svg", xmldecl=False, nl=False, **look)
    return out.getvalue().decode()


def blocks(text: str) -> str:
    """Lines of half blocks for letters that are light on dark: each character is two modules, one above the other."""
    rows = [[not is_dark for is_dark in row] for row in segno.make_qr(text, mask=MASK).matrix_iter()]
    rows += [[True] * len(rows[0])] * (len(rows) % 2)
    pairs = zip(rows[::2], rows[1::2], strict=True)
    lines = ("".join(BLOCKS[above][below] for above, below in zip(*pair, strict=True)) for pair in pairs)
    return "\n".join(lines)
