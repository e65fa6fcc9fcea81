"""The house as data: its modules, their first sentences, the map that is made of them.

`.venv/bin/python -m tests.house > docs/map.md` rewrites the map.
"""

import ast
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "ringback"
MAP = ROOT / "docs" / "map.md"

INTRODUCTION = """\
# The map

Every room of the house and its one sentence: the first line of each module (`tests/house.py` writes this page,
a test keeps it true).

Where does a line belong? Asked in this order, the first yes wins:

1. Does it name a queue, an HTTP header, a Redis key? → `transports/`, `api/`
2. Does it say `ps_`, or know how Asterisk spells things? → `sip/`
3. Does it say SELECT, INSERT, a column? → the slice's `store.py`
4. Does it read a request or shape an answer? → the slice's `wire.py`, `rpc.py`, `rest.py`, `cli.py`
5. Does it decide something about the noun? → `model.py` if it needs only the noun, `service.py` if it needs the world
6. Would it be the same in a shop or a hospital? → `kit/`

One request takes four files, always the same: the door (`kit/rpc.py` or `api/gateway.py`), the slice's `rpc.py` or
`rest.py`, its `service.py`, its `store.py`. Underneath, never opened for a feature: `kit/uow.py`.
What they say to the world stands in [wire.md](wire.md), made and checked by a test like this page.
"""


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file of the house."""

    path: Path
    text: str
    first_line: str
    functions: tuple[tuple[str, int], ...]
    """The name of each function, and how many lines it has."""
    names: frozenset[str]
    """What the module defines or binds."""

    @classmethod
    def of(cls, path: Path) -> Self:
        """What is in the file; its tree, which is large, is not kept."""
        text = path.read_text()
        tree = ast.parse(text)
        nodes = list(ast.walk(tree))
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        return cls(
            path,
            text,
            (ast.get_docstring(tree) or "").partition("\n")[0],
            tuple((one.name, (one.end_lineno or 0) - one.lineno) for one in functions),
            frozenset(filter(None, map(_bound, nodes))),
        )

    @property
    def name(self) -> str:
        """`registrar/extensions/store.py`"""
        return str(self.path.relative_to(SOURCE))

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())


def _bound(node: ast.AST) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.arg):
        return node.arg
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else ""


@cache
def modules(under: Path = SOURCE) -> list[Module]:
    found = sorted(under.rglob("*.py"), key=lambda path: (path.parent, path.name != "__init__.py", path.name))
    return [Module.of(path) for path in found]


def the_map() -> str:
    """The page, whole."""
    lines = [INTRODUCTION]
    for module in modules():
        folder, _, file = module.name.rpartition("/")
        if folder.endswith("versions"):
            continue
        if file == "__init__.py":
            lines.append(f"\n## {folder or 'ringback'}/\n\n{module.first_line}\n" if folder else "\n## ringback/\n")
        else:
            lines.append(f"- `{module.name}` {module.first_line}")
    return "\n".join(lines).replace("\n\n\n", "\n\n").strip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(the_map())
