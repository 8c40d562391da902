"""Mutants of a module: one operator, constant, condition or result changed in a function.

Messages and annotations have none, nor have functions that emit a kernel: those take an `Emitter`,
and their tests are the engines'.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mutant:
    """The `index`-th change of a module.

    function: its name and line, as of its code object. text: of the line that is changed.
    """

    module: str
    index: int
    function: str
    at: int
    line: int
    change: str
    text: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.change}, in `{self.text}`"


def mutants(module: str, source: str) -> list[Mutant]:
    """All mutants of a module's source."""
    found = []
    lines = source.splitlines()
    for index, (function, node) in enumerate(_sites(ast.parse(source))):
        changed = copy.deepcopy(node)
        _change(changed)
        change = f"{_words(node)} -> {_words(changed)}"
        at = min([function.lineno, *(d.lineno for d in function.decorator_list)])
        text = lines[node.lineno - 1].strip()
        found.append(Mutant(module, index, function.name, at, node.lineno, change, text))
    return found


def code_of(mutant: Mutant, source: str, file: str) -> CodeType:
    """The code of the function with the mutant in it."""
    tree = ast.parse(source)
    _, node = list(_sites(tree))[mutant.index]
    _change(node)
    return _find(compile(ast.fix_missing_locations(tree), file, "exec"), mutant)


def _words(node: ast.expr | ast.stmt) -> str:
    text = ast.unparse(node.test if isinstance(node, ast.If) else node)
    return f"if {text}" if isinstance(node, ast.If) else text


def _find(code: CodeType, mutant: Mutant) -> CodeType:
    waiting = [code]
    while waiting:
        found = waiting.pop()
        if (found.co_name, found.co_firstlineno) == (mutant.function, mutant.at):
            return found
        waiting += [c for c in found.co_consts if isinstance(c, CodeType)]
    raise ValueError(f"{mutant}: no code")


def _sites(tree: ast.Module) -> Iterator[tuple[Function, ast.expr | ast.stmt]]:
    """Functions that are not within others, and what can be changed in each."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, Function):
            if not _emits(node):
                for statement in node.body:
                    for found in _below(statement):
                        yield node, found
        elif isinstance(node, ast.Module | ast.ClassDef | ast.If | ast.Try):
            waiting += list(ast.iter_child_nodes(node))


def _emits(function: Function) -> bool:
    arguments = [*function.args.args, *function.args.kwonlyargs]
    return any(a.annotation and "Emitter" in ast.unparse(a.annotation) for a in arguments)


def _below(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert):
        return
    if isinstance(node, ast.expr | ast.stmt) and _can_change(node):
        yield node
    skipped = getattr(node, "annotation", None), getattr(node, "returns", None)
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from _below(child)


def _can_change(node: ast.expr | ast.stmt) -> bool:
    match node:
        case ast.Compare() | ast.BoolOp() | ast.If() | ast.IfExp():
            return True
        case ast.BinOp() | ast.AugAssign():
            return type(node.op) in OPERATORS
        case ast.Constant():
            return isinstance(node.value, int | float)
        case ast.Return():
            return node.value is not None and not _is_none(node.value)
    return False


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _change(node: ast.expr | ast.stmt) -> None:
    match node:
        case ast.Compare():
            node.ops[0] = COMPARISONS[type(node.ops[0])]()
        case ast.BoolOp():
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        case ast.If() | ast.IfExp():
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.BinOp() | ast.AugAssign():
            node.op = OPERATORS[type(node.op)]()
        case ast.Constant(value=bool()):
            node.value = not node.value
        case ast.Constant(value=int() | float() as value):
            node.value = value + 1
        case ast.Return():
            node.value = ast.Constant(None)
