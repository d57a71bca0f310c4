"""The table of variations as C++: the one place where formulas stand is `kernels.variations`, so CUDA gets them there.

What is translated is the scalar subset of Python that those functions use: assignments, calls of each other,
arithmetic, comparisons and conditional expressions in float32, int32 and uint32. Anything else is an error that names
it. The text compiles as CUDA and as plain C++17 after `cuda/portable.cuh`.
"""

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from fractalvid.kernels.cpu.row_loops import scrambled
from fractalvid.kernels.variations import VARIATIONS

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.LShift: "<<", ast.RShift: ">>",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.USub: "-",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.And: "&&", ast.Or: "||",
}  # fmt: skip
_CASTS: dict[Any, str] = {np.float32: "float", np.int32: "int", np.uint32: "uint32"}
# Those of two numbers are what Python's are: of a number and NaN, the first.
_CALLS: dict[Any, str] = {
    np.sqrt: "square_root", np.rint: "nearest", np.floor: "floor_of",
    builtins.abs: "absolute", builtins.min: "smaller", builtins.max: "larger",
}  # fmt: skip
_TUPLES = {2: "Pair", 3: "Triple"}
_FIELDS = ("first", "second", "third")


class TranslationError(TypeError):
    """Python that has no translation."""


@cache
def variations_header() -> str:
    """C++ of the elementary functions, the hash of variations that draw, all variations, and how to call them."""
    written: dict[str, str] = {}
    _translate(_python(scrambled), written, "uint32")
    for row in VARIATIONS.values():
        _translate(_python(row.function), written, "float")
    rows = VARIATIONS.values()
    parts = [
        "// Generated from kernels/variations.py and kernels/compiled/elementary.py by kernels/cuda/translate.py.",
        "namespace table {",
        *written.values(),
        "}  // namespace table",
        "template <int NUMBER> struct Traits;",
        *(_traits(row) for row in rows),
    ]
    return "\n".join(parts) + "\n"


def _traits(row: Any) -> str:
    """A variation as a type, for the map of six coefficients, its own parameters, and a key of random numbers."""
    where = {letter: f"map[{i}]" for i, letter in enumerate("abcdef")}
    where |= {f"p{i + 1}": f"params[{i}]" for i in range(len(row.params))}
    # Eight numbers a walker, as in `fractalvid.kernels.cpu.row_loops`.
    where |= {f"u{i + 1}": f"table::scrambled(lane * 8u + {i + 1}u, key.first, key.second)" for i in range(row.draws)}
    arguments = "".join(f", {where[name]}" for name in row.arguments)
    return textwrap.dedent(f"""\
        template <> struct Traits<{row.number}> {{  // {row.name}
            static constexpr bool DRAWS = {"true" if row.draws else "false"};
            DEVICE static Point apply(float x, float y, const float* map, const float* params, Key key, uint32 lane) {{
                return table::{row.name}(x, y{arguments});
            }}
        }};""")


def _python(function: Any) -> Callable[..., Any]:
    """The Python function behind a jitted one."""
    plain: Callable[..., Any] = getattr(function, "py_func", function)
    return plain


def _translate(function: Callable[..., Any], written: dict[str, str], kind: str) -> None:
    """Add a function, and before it all that it calls, to `written`, by name. Its parameters are of type `kind`."""
    if function.__name__ in written:
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise TranslationError(f"{function.__name__} is no function")
    body = _Body(tree, function.__globals__)
    text = body.text(kind)
    for called in body.called:
        _translate(called, written, "float")
    written[function.__name__] = text


class _Body:
    """One function on its way to C++."""

    def __init__(self, tree: ast.FunctionDef, names: Mapping[str, Any]) -> None:
        self.tree = tree
        self.names = names
        self.known = {argument.arg for argument in tree.args.args}
        self.called: list[Callable[..., Any]] = []
        self.temporaries = 0

    def text(self, kind: str) -> str:
        parameters = ", ".join(f"{kind} {argument.arg}" for argument in self.tree.args.args)
        lines = [line for statement in self.tree.body for line in self.statement(statement)]
        inner = "\n".join(f"    {line}" for line in lines)
        return f"DEVICE auto {self.tree.name}({parameters}) {{\n{inner}\n}}"

    def statement(self, node: ast.stmt) -> Iterator[str]:
        match node:
            case ast.Expr(ast.Constant(str())):
                pass
            case ast.Return(ast.Tuple(elts=values)):
                yield f"return {self.tuple_of(values)};"
            case ast.Return(ast.expr() as value):
                yield f"return {self.expression(value)};"
            case ast.Assign([ast.Name(id=name)], value):
                yield self.assign(name, self.expression(value))
            case ast.Assign([ast.Tuple(elts=targets)], value):
                right = self.tuple_of(value.elts) if isinstance(value, ast.Tuple) else self.expression(value)
                self.temporaries += 1
                whole = f"both_{self.temporaries}"
                yield f"const auto {whole} = {right};"
                for target, field in zip(targets, _FIELDS, strict=False):
                    if not isinstance(target, ast.Name):
                        raise self.refused(node)
                    if target.id != "_":
                        yield self.assign(target.id, f"{whole}.{field}")
            case _:
                raise self.refused(node)

    def assign(self, name: str, value: str) -> str:
        declared = name in self.known
        self.known.add(name)
        return f"{name} = {value};" if declared else f"auto {name} = {value};"

    def tuple_of(self, values: list[ast.expr]) -> str:
        if len(values) not in _TUPLES:
            raise TranslationError(f"{self.tree.name}: a tuple of {len(values)}")
        inner = ", ".join(self.expression(value) for value in values)
        return f"{_TUPLES[len(values)].lower()}_of({inner})"

    def expression(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name) if name in self.known:
                return name
            case ast.Name(id=name) if isinstance(self.names.get(name), (np.float32, np.int32, np.uint32)):
                return _literal(self.names[name])
            case ast.BinOp(left, operator, right):
                return f"({self.expression(left)} {self.sign(operator)} {self.expression(right)})"
            case ast.UnaryOp(ast.USub(), value):
                return f"(-{self.expression(value)})"
            case ast.Compare(left, [operator], [right]):
                return f"({self.expression(left)} {self.sign(operator)} {self.expression(right)})"
            case ast.BoolOp(operator, values):
                return "(" + f" {self.sign(operator)} ".join(self.expression(value) for value in values) + ")"
            case ast.IfExp(test, body, orelse):
                return f"({self.expression(test)} ? {self.expression(body)} : {self.expression(orelse)})"
            case ast.Call(ast.Attribute(value, "view"), [kind], []):
                return self.seen_as(value, kind)
            case ast.Call(function, arguments, []):
                return self.call(self.meaning(function), arguments)
        raise self.refused(node)

    def seen_as(self, value: ast.expr, kind: ast.expr) -> str:
        """The bits of a number as one of another type."""
        reading = {np.float32: "float_of_bits", np.int32: "bits_of_float"}[self.meaning(kind)]
        return f"{reading}({self.expression(value)})"

    def call(self, function: Any, arguments: list[ast.expr]) -> str:
        if function in _CASTS:
            if isinstance(arguments[0], ast.Constant):
                return _literal(function(arguments[0].value))
            if isinstance(arguments[0], ast.UnaryOp) and isinstance(arguments[0].operand, ast.Constant):
                return f"(-{_literal(function(arguments[0].operand.value))})"
            return f"{_CASTS[function]}({self.expression(arguments[0])})"
        inner = ", ".join(self.expression(argument) for argument in arguments)
        if function in _CALLS:
            return f"{_CALLS[function]}({inner})"
        python = _python(function)
        if not inspect.isfunction(python):
            raise TranslationError(f"{self.tree.name}: {function!r} has no translation")
        self.called.append(python)
        return f"{python.__name__}({inner})"

    def meaning(self, node: ast.expr) -> Any:
        """What a name, or `np.` something, stands for."""
        match node:
            case ast.Name(id=name):
                return self.names.get(name, getattr(builtins, name, None))
            case ast.Attribute(ast.Name(id=module), name):
                return getattr(self.names.get(module), name, None)
        raise self.refused(node)

    def sign(self, operator: ast.AST) -> str:
        if type(operator) not in _OPERATORS:
            raise self.refused(operator)
        return _OPERATORS[type(operator)]

    def refused(self, node: ast.AST) -> TranslationError:
        line = getattr(node, "lineno", self.tree.lineno)
        return TranslationError(f"{self.tree.name}, line {line}: {type(node).__name__} has no translation")


def _literal(value: Any) -> str:
    """A constant with all its bits."""
    if isinstance(value, np.float32):
        text = f"{float(value):.9g}"
        return (text if {".", "e"} & set(text) else text + ".0") + "f"
    return f"{int(value)}u" if isinstance(value, np.uint32) else str(int(value))
