"""The types of the rows for editors and type checkers: generated from the table, compared here.

``python tests/test_stubs.py`` writes the stub anew after a row was added.
"""

from pathlib import Path

import tinygrad_edu as tg
from tinygrad_edu.core.op import REQUIRED, Op

STUB = Path(tg.__file__).parent / "ops" / "__init__.pyi"
HEAD = '''\
"""Types of the rows, generated from the table by tests/test_stubs.py: do not edit."""

from collections.abc import Sequence
from typing import Any

from tinygrad_edu.core.tensor import Tensor
from tinygrad_edu.ops.order import Ranked

'''


def signature(row: Op) -> str:
    """Return the parameters of a call, in NumPy's order up to a keyword that is refused."""
    parts, positional = [], True
    order = [name for name in row.order if name.lstrip("*") in (*row.arguments, *row.params)]
    for place, name in enumerate(order):
        if positional and row.order[place] != name:
            parts.append("*")
            positional = False
        plain = name.lstrip("*")
        several = row.variadic and name == plain and plain in row.arguments
        kind = "Sequence[Any]" if several else "Any"
        required = plain in row.arguments and plain not in row.optional
        required = required or (plain in row.params and row.params[plain] is REQUIRED)
        default = "" if required or name != plain else f" = {row.params.get(plain)!r}"
        parts.append(f"{name}: {kind}{default}")
    return ", ".join(parts)


def function(name: str, row: Op) -> str:
    """Return the stub of one name of a row."""
    lists = {
        "array_split": "list[Tensor]",
        "broadcast_arrays": "tuple[Tensor, ...]",
        "chunk": "list[Tensor]",
        "divmod": "tuple[Tensor, ...]",
        "dsplit": "list[Tensor]",
        "eigh": "tuple[Tensor, Tensor]",
        "frexp": "tuple[Tensor, Tensor]",
        "gradient": "Any",
        "hsplit": "list[Tensor]",
        "ix_": "tuple[Tensor, ...]",
        "kthvalue": "Ranked",
        "lstm_cell": "tuple[Tensor, Tensor]",
        "lstsq": "tuple[Tensor, Tensor, Tensor, Tensor]",
        "meshgrid": "tuple[Tensor, ...]",
        "modf": "tuple[Tensor, ...]",
        "nonzero": "tuple[Tensor, ...]",
        "qr": "Any",
        "slogdet": "tuple[Tensor, Tensor]",
        "split": "list[Tensor]",
        "std_mean": "tuple[Tensor, Tensor]",
        "svd": "Any",
        "topk": "Ranked",
        "unbind": "tuple[Tensor, ...]",
        "var_mean": "tuple[Tensor, Tensor]",
        "vsplit": "list[Tensor]",
    }
    result = lists.get(row.name, "Tensor")
    return f'def {name}({signature(row)}) -> {result}:\n    """{row.doc}"""\n'


def stub() -> str:
    """Return the whole stub file."""
    named = [(name, getattr(tg.ops, name)) for name in sorted(tg.ops.__all__)]
    body = "\n".join(function(name, row) for name, row in named)
    listed = "".join(f"    {name!r},\n" for name, _ in named).replace("'", '"')
    return f"{HEAD}__all__ = [\n{listed}]\n\n{body}"


def test_the_types_of_the_rows_are_those_of_the_table():
    assert STUB.read_text() == stub(), "run: python tests/test_stubs.py"


if __name__ == "__main__":
    STUB.write_text(stub())
