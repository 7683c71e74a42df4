"""Kernels: functions over arrays, compiled to machine code that is kept on disk and runs without its compiler.

In: plain functions in the part of Python that numba compiles. Out: the same, callable with arrays. To import numba and
let it load what it has compiled takes two thirds of a second and 130 MiB, more than all the rest of a small scan, so
numba is asked once: what it makes goes, stripped of all that ties it to Python, into the user's cache, keyed by its
source, the compiler and the processor; llvmlite alone loads it in milliseconds. A damaged file, or one that others may
write to, is made anew without a word, and where none can be written the kernel is compiled each time.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import llvmlite
import llvmlite.binding as llvm
import numpy as np

from forewarn.runtime.cache import cache_folder, checked, keep_checked

_Function = TypeVar("_Function", bound=Callable[..., Any])
_PARTS: list[Callable[..., Any]] = []
_ENTRY = "kernel"
_C_TYPES: dict[type, Any] = {int: ctypes.c_int64, float: ctypes.c_double, bool: ctypes.c_bool}
_MATHEMATICS = {"exp", "log", "pow", "sqrt", "rint", "floor", "fmod"}
"""Functions that every C library has; code that calls others, of numba or Python, would not run without them."""
_LOADED: list[Any] = []
"""The engines that own the code of kernels in use."""


def array(address: Any, shape: Any) -> Any:
    """In a kernel: the array of `shape` (one number or several) that an array argument stands for."""
    raise NotImplementedError(f"only a compiled kernel has an array of {shape} at {address}")


def part(function: _Function) -> _Function:
    """Mark a function that kernels call; outside of them it is what it was."""
    _PARTS.append(function)
    return function


class Kernel:
    """A compiled function; what it returns, it writes into its arguments.

    `types` says what each argument is: `int`, `float` and `bool` themselves, a dtype an array of it, C-contiguous, of
    which `function` gets the address (`array`).
    """

    def __init__(self, function: Callable[..., None], *types: type | np.dtype[Any]) -> None:
        self._function, self._types = function, types
        self._code: Callable[..., None] | None = None
        self._lock = Lock()

    def __call__(self, *arguments: Any) -> None:
        """Raises TypeError where an array is not of its dtype, or not C-contiguous."""
        code = self._code or self.load()
        code(*[_given(kind, argument) for kind, argument in zip(self._types, arguments, strict=True)])

    def load(self) -> Callable[..., None]:
        """Load the code, or compile it, unless that is done."""
        with self._lock:
            self._code = self._code or self._loaded()
            return self._code

    def _loaded(self) -> Callable[..., None]:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        cpu, features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        target = llvm.Target.from_default_triple().create_target_machine(
            cpu=cpu, features=features, opt=3, reloc="pic", codemodel="jitdefault", jit=True
        )
        file = self._file(f"{llvm.get_default_triple()} {cpu} {features}")
        code = checked(file)
        if code is None:
            code = self._compiled(target)
            keep_checked(file, code)
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        _LOADED.append(engine)
        c_types = [_C_TYPES[kind] if isinstance(kind, type) else ctypes.c_void_p for kind in self._types]
        return ctypes.CFUNCTYPE(None, *c_types)(engine.get_function_address(_ENTRY))

    def _file(self, machine: str) -> Path:
        """Where the code is kept: a name that says what it was made of, by what and for what."""
        digest = hashlib.sha256(f"{machine} {llvmlite.__version__} {version('numba')} {np.__version__}".encode())
        here = Path(__file__)
        for source in (here, *sorted(here.parents[1].rglob("*_kernel.py"))):
            digest.update(source.read_bytes())
        digest.update(f"{self._function.__module__}.{self._function.__name__} {self._types}".encode())
        return cache_folder() / "kernels" / f"{digest.hexdigest()[:32]}.o"

    def _compiled(self, target: llvm.TargetMachine) -> bytes:
        from numba import cfunc, from_dtype, types

        for one in (array, *_PARTS):
            _introduce(one)
        plain = {int: types.int64, float: types.float64, bool: types.boolean}
        given = [
            plain[kind] if isinstance(kind, type) else types.CPointer(from_dtype(np.dtype(kind)))
            for kind in self._types
        ]
        made = cfunc(types.void(*given), error_model="numpy")(self._function)
        module = llvm.parse_assembly(made.inspect_llvm())
        entry = module.get_function(made.native_name)
        # What cannot be called from outside is optimised as one, and the ways to Python's errors, never taken, go.
        for value in (*module.functions, *module.global_variables):
            if not value.is_declaration:
                value.linkage = "internal"
        entry.linkage, entry.name = "external", _ENTRY
        passes = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=3))
        passes.getModulePassManager().run(module, passes)
        named = {f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")}
        if missing := named - _MATHEMATICS:
            raise AssertionError(f"{self._function.__name__} would need {', '.join(sorted(missing))} of Python")
        return bytes(target.emit_object(module))


@cache
def _introduce(function: Callable[..., Any]) -> None:
    """Tell numba of a function that kernels call."""
    from numba import carray
    from numba.extending import overload, register_jitable

    if function is array:
        overload(array)(lambda address, shape: lambda address, shape: carray(address, shape))
    else:
        # Without what it takes to divide by 0 with an error of Python's, or to be called from there.
        register_jitable(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def kernel(*types: type | np.dtype[Any]) -> Callable[[Callable[..., None]], Kernel]:
    """A function as a `Kernel` whose arguments are of these types."""
    return lambda function: Kernel(function, *types)


def _given(kind: type | np.dtype[Any], argument: Any) -> Any:
    if isinstance(kind, type):
        return argument
    if argument.dtype != kind or not argument.flags.c_contiguous:
        raise TypeError(f"a kernel was given {argument.dtype}, strides {argument.strides}, in place of {kind}")
    return argument.ctypes.data
