"""One small fault at a time is put into a module, and its tests must see it; `python -m tests.faults` tells which not.

Each fault is tried in a process of its own, where the module is made of the changed code before anybody imports it.
"""

import ast
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any, Final

LONGEST: Final = 30
"""Seconds that the tests of one fault may take; one that makes them go on for ever is seen."""
ALONE: Final = (
    "-x", "-c", os.devnull, "--rootdir", ".", "--noconftest", "-p", "no:cacheprovider", "-W", "ignore",
    "--assert", "plain",
)  # fmt: skip
"""Such tests need nothing that others share, and it takes longer to import than they do."""
OTHERS: Final[dict[type, type]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.BitOr: ast.BitAnd,
}  # fmt: skip
"""What stands in the place of an operator."""
Change = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Watched:
    """A module, and the tests that must see each fault of it but the harmless ones: what they do is the same."""

    module: str
    tests: str
    harmless: frozenset[str] = frozenset()


SAME_BREAKER: Final = frozenset(
    {
        "self._until = 0.0 → nothing",  # it is read while open alone, and set before
        "0.0 → 1.0 in self._until = 0.0",
        "0 → 1 in self._era = self._given = 0",  # numbers that only must grow
        "1 → 2 in self._given += 1",
        "0 → 1 in if not self._grains or self._grains[-1][0] != grain:",  # more memory, the same counts
    }
)
SAME_RIGHTS: Final = frozenset(  # an admin is a manager, and a manager may what a viewer may
    {
        "{VIEWER, MANAGER, OPERATOR, AUDITOR} → {VIEWER, MANAGER, OPERATOR, AUDITOR, ADMIN}",
        "{MANAGER, OPERATOR} → {MANAGER, OPERATOR, ADMIN}",
        "{MANAGER} → {MANAGER, ADMIN}",
        "{MANAGER} → {MANAGER, VIEWER}",
    }
)
WATCHED: Final = {
    "breaker": Watched("ringback.router.invoking.breaker", "tests/router/invoking/test_breaker.py", SAME_BREAKER),
    "merge": Watched("ringback.kit.merging", "tests/kit/test_merging.py"),
    "when": Watched("ringback.router.pipelines.conditions", "tests/router/pipelines/test_conditions.py"),
    "rights": Watched("ringback.customers.rights", "tests/api/test_rights.py", SAME_RIGHTS),
}


def changes(tree: ast.Module) -> Iterator[tuple[ast.AST, Change]]:
    """Every fault of a tree: where it is, and what puts it there. Types say nothing at run time, so they stay."""
    names = {one.id: one for node in ast.walk(tree) if isinstance(node, ast.Set) for one in node.elts
             if isinstance(one, ast.Name)}  # fmt: skip
    for node in _running(tree):
        yield from ((node, change) for change in _of_operators(node))
        yield from ((node, change) for change in _of_values(node, names))
        for body in (getattr(node, name, None) for name in ("body", "orelse")):
            statements: list[Any] = body if isinstance(body, list) else []
            for number, one in enumerate(statements):
                if _does_something(one):
                    yield one, _setting(statements, number, ast.Pass())


def _running(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list") or _is_type(node):
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.AST):
                yield from _running(one)


def _is_type(node: ast.AST) -> bool:
    subscripted = node.value if isinstance(node, ast.Subscript) else None
    return isinstance(subscripted, ast.Name) and subscripted.id in ("Literal", "Callable", "tuple")


def _does_something(statement: ast.AST) -> bool:
    if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__slots__":
        return False
    is_call = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    return is_call or isinstance(statement, ast.Assign | ast.AugAssign | ast.Raise | ast.Return)


def _of_operators(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for number, one in enumerate(node.ops):
            yield _setting(node.ops, number, OTHERS[type(one)]())
    elif isinstance(node, ast.BoolOp | ast.BinOp | ast.AugAssign) and type(node.op) in OTHERS:
        yield _putting(node, "op", OTHERS[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _putting(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        yield _putting(node, "test", ast.UnaryOp(ast.Not(), node.test))


def _of_values(node: ast.AST, names: dict[str, ast.Name]) -> Iterator[Change]:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield _putting(node, "value", not node.value if isinstance(node.value, bool) else node.value + 1)
    elif isinstance(node, ast.Set):
        for number in range(len(node.elts)):
            yield _putting(node, "elts", [*node.elts[:number], *node.elts[number + 1 :]])
        there = [one.id for one in node.elts if isinstance(one, ast.Name)]
        for name in sorted(names.keys() - set(there)) if len(there) == len(node.elts) else ():
            yield _putting(node, "elts", [*node.elts, names[name]])


def _setting(within: list[Any], number: int, to: ast.AST) -> Change:
    return lambda: within.__setitem__(number, to)


def _putting(node: ast.AST, name: str, to: object) -> Change:
    return lambda: setattr(node, name, to)


def unseen(watched: Watched) -> list[str]:
    """The faults that the tests do not see: the line, and there what was and what is instead."""
    found = find_spec(watched.module)
    assert found
    assert found.origin
    text = Path(found.origin).read_text()
    lines = ["", *text.splitlines()]
    _warm()
    assert _passes(watched, ast.parse(text)), f"{watched.tests} fails without any fault"
    survivors = []
    for number in range(sum(1 for _ in changes(ast.parse(text)))):
        tree = ast.parse(text)
        node, change = list(changes(tree))[number]
        before = ast.unparse(node)
        change()
        ast.fix_missing_locations(tree)
        after = ast.unparse(node)
        where = f" in {lines[node.lineno].strip()}" if isinstance(node, ast.Constant) else ""
        told = f"{before} → {after if after != before else 'nothing'}{where}"
        if told not in watched.harmless and _passes(watched, tree):
            survivors.append(told)
    return survivors


def _warm() -> None:
    """What all tests need and no fault is put into, imported once."""
    import hypothesis  # noqa: F401
    import msgspec  # noqa: F401
    import pytest  # noqa: F401
    import sqlalchemy  # noqa: F401
    import structlog  # noqa: F401

    gc.freeze()  # a test run looks for garbage several times, and in each process anew


def _passes(watched: Watched, tree: ast.Module) -> bool:
    """Whether the tests are content with it."""
    if child := os.fork():
        return os.waitpid(child, 0)[1] == 0
    signal.alarm(LONGEST)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    code = 1
    try:
        code = _tested(watched, tree)
    finally:
        os._exit(1 if code else 0)


def _tested(watched: Watched, tree: ast.Module) -> int:
    import pytest
    from hypothesis import settings

    settings.register_profile("same", derandomize=True, database=None)
    settings.load_profile("same")  # what is seen today is seen tomorrow
    spec = find_spec(watched.module)
    assert spec
    assert spec.origin
    sys.modules[watched.module] = module = module_from_spec(spec)
    exec(compile(tree, spec.origin, "exec"), vars(module))
    return int(pytest.main([*ALONE, watched.tests]))


if __name__ == "__main__":
    for name in sys.argv[1:] or WATCHED:
        for survivor in unseen(WATCHED[name]):
            sys.stdout.write(f"{name}: {survivor}\n")
            sys.stdout.flush()
