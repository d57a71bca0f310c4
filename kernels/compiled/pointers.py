"""Plain pointers in compiled code: what an array or a view costs besides, they save.

Each view of an array that is made, handed on and dropped counts references by locked instructions, which wait until all
stores before them are done. In a loop over short rows that takes longer than the work. A pointer counts nothing, and so
keeps nothing alive: take pointers of arguments only, since the caller holds what it handed over.
"""

from typing import Any

from llvmlite.ir import PointerType
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from fractalvid.kernels.compiled.compile import subroutine

FLOAT32_POINTER = types.CPointer(types.float32)


def _at(typing_context: Any, base: Any, index: Any) -> Any:
    is_array = isinstance(base, types.Array)
    if is_array and base.layout != "C":
        raise TypingError(f"pointers are taken of C-contiguous arrays, not of {base}")
    signature = types.CPointer(base.dtype)(base, types.intp) if is_array else base(base, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, count = arguments
        if is_array:
            pointer = context.make_array(signature.args[0])(context, builder, pointer).data
        return cgutils.gep(builder, pointer, count)

    return signature, generate


at: Any = intrinsic(_at)
"""Pointer to an element: (base, index), `base` a pointer, or a C-contiguous array whose elements count through."""


def _distinct(typing_context: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        for argument in builder.function.args:
            if isinstance(argument.type, PointerType):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.none(), generate


distinct: Any = intrinsic(_distinct)
"""Said in a subroutine, by `distinct()`: what any pointer it takes reaches, is written by way of no other.

Loops over several pointers then need no checks before they start, nor a second, slow form of themselves for the case
that pointers overlap. That form keeps numbers in registers, of which the fast one needs all.
"""


@subroutine
def fill(row, n, value):
    """Set n numbers. Assignments to slices do it, too, but with checks whose compilation takes long."""
    for k in range(n):
        row[k] = value


@subroutine
def twice(row, n):
    """Repeat the first n numbers of a row."""
    for k in range(n):
        row[n + k] = row[k]
