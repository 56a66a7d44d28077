"""Arrays as late kernels take them: where they lie and how long they are.

Numba passes a matrix as nine words. Of a C-contiguous one that its caller keeps alive three say it all: address, rows,
columns. A step of 3-4-2 at batch 1 takes 193 ns so, and 244 with all that numba passes.
"""

from __future__ import annotations

from typing import Any

from numba import TypingError, types
from numba.extending import lower_cast, models, register_model

from fastnn.compiler.numba_private import ir


class ThinArray(types.Array):  # type: ignore[misc]
    """A C-contiguous array that is borrowed; inside of the kernel an array like any other."""

    def __init__(self, dtype: Any, ndim: int, readonly: bool) -> None:
        mutable = "readonly" if readonly else "mutable"
        super().__init__(dtype, ndim, "C", readonly=readonly, name=f"thin array({dtype}, {ndim}d, {mutable})")

    def __repr__(self) -> str:
        return str(self.name)


def as_thin(kind: Any) -> Any:
    """The type that an argument of a type travels as."""
    fits = type(kind) is types.Array and kind.layout == "C" and kind.aligned and kind.ndim > 0
    if not fits or not isinstance(kind.dtype, types.Number):
        return kind
    return ThinArray(kind.dtype, kind.ndim, not kind.mutable)


def as_writable(kind: Any) -> Any:
    """The same, though it may have been read-only: of what is not written to."""
    return ThinArray(kind.dtype, kind.ndim, False) if isinstance(kind, ThinArray) else kind


def as_whole(kind: Any) -> Any:
    """The array type that is passed as that type."""
    return types.Array(kind.dtype, kind.ndim, "C", readonly=not kind.mutable) if isinstance(kind, ThinArray) else kind


@register_model(ThinArray)
class ThinModel(models.ArrayModel):  # type: ignore[misc]
    """An array's values, two of them as an argument."""

    def get_argument_type(self) -> Any:
        return self.get_member("data").get_argument_type(), self.get_member("shape").get_argument_type()

    def get_member(self, name: str) -> Any:
        return self.get_model(self.get_field_position(name))

    def as_argument(self, builder: Any, value: Any) -> Any:
        return tuple(
            self.get_member(name).as_argument(builder, self.get(builder, value, name)) for name in ("data", "shape")
        )

    def from_argument(self, builder: Any, value: Any) -> Any:
        data, shape = value
        size = ir.IntType(64)
        itemsize = size(self.fe_type.dtype.bitwidth // 8)
        strides = [itemsize]
        for extent in reversed(shape[1:]):
            strides.insert(0, builder.mul(strides[0], extent))
        count = builder.sdiv(builder.mul(strides[0], shape[0]), itemsize)
        struct = ir.Constant(self.get_value_type(), None)  # nobody's memory: counting references does nothing
        members = {"nitems": count, "itemsize": itemsize, "data": data}
        for name, member in members.items():
            struct = self.set(builder, struct, member, name)
        for name, values in (("shape", shape), ("strides", tuple(strides))):
            model = self.get_member(name)
            struct = self.set(builder, struct, model.from_argument(builder, values), name)
        return struct


@lower_cast(types.Array, ThinArray)  # type: ignore[untyped-decorator]
@lower_cast(ThinArray, types.Array)  # type: ignore[untyped-decorator]
@lower_cast(ThinArray, ThinArray)  # type: ignore[untyped-decorator]
def _same_value(context: Any, builder: Any, given: Any, wanted: Any, value: Any) -> Any:
    if (given.dtype, given.ndim, given.layout) != (wanted.dtype, wanted.ndim, "C"):
        raise TypingError(f"{given} is not {wanted}")
    return value
