"""Machine code that calls its own copies of what it calls.

Numba optimises a function that others call twice: for itself, and again in each of its callers. The copies may round
differently, since LLVM chooses anew what it fuses. While a process has both, its linker takes the first; a process that
reads a caller from the disk cache has the caller's copy alone. So the first use of a machine would draw other pixels
than all later ones. Copies that nobody else sees are called whoever else has some.
"""

from typing import Any, cast

from llvmlite.binding import Linkage
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

_OURS = "10fractalvid"
"""What mangled names of this package hold."""


class _OwnCopies(cast(Any, JITCodeLibrary)):  # type: ignore[misc]
    def _optimize_final_module(self) -> None:
        super()._optimize_final_module()
        for function in self._final_module.functions:
            if function.linkage == Linkage.linkonce_odr and _OURS in function.name:
                function.linkage = Linkage.internal


class OwnCopies(cast(Any, Compiler)):  # type: ignore[misc]
    """Numba's compiler, as `njit(pipeline_class=OwnCopies)` takes it."""

    def define_pipelines(self) -> Any:
        """Those of Numba, whose result goes into a library of this kind."""
        if self.state.library is None:
            self.state.library = _OwnCopies(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
            self.state.library.enable_object_caching()
        return super().define_pipelines()
