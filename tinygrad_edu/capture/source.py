"""The text of a program: straight-line NumPy, as its reader would have written it by hand.

Knows: which calls anybody needs, names, and how a call is written. Does not know: how the tape was
made, nor where state lives. Read ``program.py`` next, which runs the text.
"""

from __future__ import annotations

import keyword
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from tinygrad_edu.capture.tape import Call, Name, Phase, Ref, Tape

__all__ = ["Instruction", "Text", "identifier", "write"]

Array = np.ndarray[Any, Any]

SMALL = 8
"""Constants of so few elements are written out in the text."""

_IN_PLACE = {"+", "-", "*", "/"}

LARGE = 1 << 17
"""Arrays of so many bytes are dropped by ``del``: fresh memory of that size comes slowly."""

NAMED_FROM = 4
"""A row that makes so many lines is named in a comment above them."""

_UFUNC_SIGNS = {
    "np.add": "+", "np.subtract": "-", "np.multiply": "*", "np.divide": "/", "np.matmul": "@",
    "np.less": "<", "np.less_equal": "<=", "np.greater": ">", "np.greater_equal": ">=",
    "np.equal": "==", "np.not_equal": "!=", "np.bitwise_and": "&", "np.bitwise_or": "|",
    "np.bitwise_xor": "^",
}  # fmt: skip
"""Functions that are written as operators: the operator calls nothing else."""


@dataclass(frozen=True)
class Instruction:
    """One line of a program.

    Parameters
    ----------
    text : str
        The line, without indentation.
    function : str
        What it calls, such as ``"np.dot"``, ``".sum"``, ``"+"``.
    arguments : tuple of str
        As written; keywords with their names.
    targets, reads, writes : tuple of str
        Names that it sets; of arrays that it reads; of those that it changes.
    shape, dtype
        Of what it sets or changes first.
    phase : {"forward", "backward", "update"}
        In which pass it was made.
    row : str
        The row of the table that asked for it: by its forward function, or in the backward pass by
        its rule. Empty where the user's own code called NumPy.
    line : str
        The user's line, as ``file.py:12: text``; in the backward pass that of the op.
    number : int
        Of the op that asked for it: neighbouring lines of one op have the same.
    """

    text: str
    function: str
    arguments: tuple[str, ...]
    targets: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    phase: Phase
    row: str
    line: str
    number: int


@dataclass(frozen=True)
class Text:
    """A program, written.

    Parameters
    ----------
    source : str
        The whole function.
    instructions : tuple of Instruction
        Its lines.
    names : dict
        Number of a value -> its name, for all that are mentioned.
    constants : dict
        Name -> array, for those that are arguments.
    mentioned : tuple of int
        The values that it needs, whether named or written out.
    memory : dict
        Name -> the first name in the same memory: a view shares that of what it is a view of.
    parts : tuple of str
        The names of state that the text takes from other state.
    returned : tuple of str
        The names of what it returns.
    """

    source: str
    instructions: tuple[Instruction, ...]
    names: Mapping[int, str]
    constants: Mapping[str, Array]
    mentioned: tuple[int, ...]
    memory: Mapping[str, str]
    parts: tuple[str, ...]
    returned: tuple[str, ...]


def write(
    name: str,
    tape: Tape,
    inputs: Sequence[int],
    result: Any,
    gradients: Mapping[str, int],
    spare: Iterable[int],
    parts: Mapping[int, tuple[int, str]],
    heading: str,
) -> Text:
    """Return the text of a program.

    Parameters
    ----------
    name : str
        Of the function.
    tape : Tape
        What was called.
    inputs : sequence of int
        The values that are arguments, in order.
    result : object
        What is returned: a tree with a `Ref` for each array.
    gradients : mapping of str to int
        The gradients that are left in leaves, returned beside the result.
    spare : iterable of int
        Values of the state whose content nobody reads after the program.
    parts : mapping of int to (int, str)
        Values of the state that lie inside of another one: that one, and which part of it they are,
        as ``"[20:35].reshape(5, 3)"``.
    heading : str
        The docstring.
    """
    returned = [ref.number for ref in _refs(result)] + list(gradients.values())
    calls = _needed(tape, returned, {tape.values[n].home for n in spare})
    calls, same_as = _without_copies(tape, _joined(calls, returned))
    result = _renumbered(result, same_as)
    gradients = {key: same_as.get(number, number) for key, number in gradients.items()}
    return _Writer(name, tape, calls, inputs, result, gradients, same_as, parts).text(heading)


# ------------------------------------------------------------------------------ what is needed


def _needed(tape: Tape, returned: Sequence[int], spare: set[int]) -> list[Call]:
    """Return the calls that somebody reads: walked backwards, with memory shared by views."""
    values = tape.values
    wanted = set(returned)
    homes = {values[number].home for number in returned}
    homes |= {value.home for value in values if value.kind == "state"} - spare
    found: list[Call] = []
    for call in reversed(tape.calls):
        needed = (
            call.form in ("guard", "shape")
            or any(target in wanted for target in call.targets)
            or any(values[number].home in homes for number in call.writes)
        )
        if not needed:
            continue
        found.append(call)
        for number in call.refs():
            wanted.add(number)
            homes.add(values[number].home)
    found.reverse()
    return found


def _joined(calls: Sequence[Call], returned: Sequence[int]) -> list[Call]:
    """Return the calls with ``v = x[i]; v -= 1; x[i] = v`` made one, as Python had it."""
    uses = Counter(number for call in calls for number in call.refs())
    uses.update(returned)
    found: list[Call] = []
    for call in calls:
        if call.form == "assign" and len(found) > 1:
            item, change = found[-2], found[-1]
            if (
                (item.form, change.form) == ("item", "in place")
                and repr(item.args) == repr(call.args[:2])
                and Ref(item.targets[0]) == change.args[0] == call.args[2]
                and uses[item.targets[0]] == 2
            ):
                args = (*call.args[:2], change.args[1])
                found[-2:] = [replace(call, form="change", name=change.name, args=args)]
                continue
        found.append(call)
    return found


def _without_copies(tape: Tape, calls: Sequence[Call]) -> tuple[list[Call], dict[int, int]]:
    """Return the calls without copies of what nobody changes, and what stands for each copy."""
    values = tape.values
    written = {values[number].home for call in calls for number in call.writes}
    same_as: dict[int, int] = {}
    found: list[Call] = []
    for call in calls:
        if _copies(call, tape):
            (source,), (target,) = call.refs(), call.targets
            source = same_as.get(source, source)
            homes = {values[source].home, values[target].home}
            if values[source].contiguous and not homes & written:
                same_as[target] = source
                continue
        args, kwargs = _renumbered(call.args, same_as), _renumbered(call.kwargs, same_as)
        found.append(replace(call, args=args, kwargs=kwargs))
    return found, same_as


def _copies(call: Call, tape: Tape) -> bool:
    """Return whether a call does nothing but copy an array."""
    if call.form != "method" or call.kwargs or len(call.refs()) != 1:
        return False
    if call.name == "copy":
        return len(call.args) == 1
    (source,), (target,) = call.refs(), call.targets
    return call.name == "astype" and tape.values[target].dtype == tape.values[source].dtype


def _renumbered(tree: Any, same_as: Mapping[int, int]) -> Any:
    """Return a value with other references in the place of some."""
    if isinstance(tree, Ref):
        return Ref(same_as.get(tree.number, tree.number))
    if isinstance(tree, dict):
        return {key: _renumbered(part, same_as) for key, part in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)([_renumbered(part, same_as) for part in tree])
    return tree


# ------------------------------------------------------------------------------ names


def identifier(text: str) -> str:
    """Return a text as a name of Python: ``layers.0.weight`` becomes ``layers_0_weight``."""
    name = re.sub(r"\W+", "_", text).strip("_") or "value"
    if name[0].isdigit():
        name = f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name == "np" else name


class _Names:
    """Names that are given out once."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._numbers: Counter[str] = Counter()

    def __call__(self, wish: str, *, counted: bool = False) -> str:
        """Return the wish, or with a number behind it; `counted` ones always have a number."""
        name = identifier(wish)
        if not counted and name not in self._taken:
            self._taken.add(name)
            return name
        base = f"{name}_" if name[-1].isdigit() else name
        self._numbers[base] += 1
        while f"{base}{self._numbers[base]}" in self._taken:
            self._numbers[base] += 1
        self._taken.add(f"{base}{self._numbers[base]}")
        return f"{base}{self._numbers[base]}"


_ASSIGNS = re.compile(r"[^:]*:\d+: (\w+)(?:\s*:[^=]+)? = ")


def _variable(line: str) -> str:
    """Return the variable that a line of the user's assigns to, if it begins so."""
    match = _ASSIGNS.match(line)
    return match[1] if match else ""


# ------------------------------------------------------------------------------ the text


class _Writer:
    """Writes one program."""

    def __init__(
        self,
        name: str,
        tape: Tape,
        calls: Sequence[Call],
        inputs: Sequence[int],
        result: Any,
        gradients: Mapping[str, int],
        same_as: Mapping[int, int],
        parts: Mapping[int, tuple[int, str]],
    ) -> None:
        self.same_as = same_as
        self.name, self.tape, self.calls, self.inputs = name, tape, calls, inputs
        self.result, self.gradients = result, gradients
        self.names: dict[int, str] = {}
        self.inlined: dict[int, str] = {}
        self.inside: dict[int, list[int]] = {}
        self.constants: dict[str, Array] = {}
        self.lines = {id(call): call.place.line for call in calls}
        mentioned = [number for call in calls for number in (*call.refs(), *call.targets)]
        self.returned = returned = [ref.number for ref in _refs(result)] + list(gradients.values())
        self.mentioned = dict.fromkeys([*inputs, *mentioned, *returned])
        self.uses = Counter(number for call in calls for number in call.refs())
        self.uses.update(returned)
        written = {n for call in calls for n in call.writes}
        self.changed = {tape.values[n].home for n in (*written, *returned)}
        self._name_all()
        self.parts = {n: part for n, part in parts.items() if {n, part[0]} <= self.names.keys()}

    # ---- names

    def _name_all(self) -> None:
        values = self.tape.values
        names = _Names({"np", self.name, "abs", "bool", "int", "complex"})
        for kind in ("input", "state"):
            for number in self.mentioned:
                if values[number].kind == kind:
                    self.names[number] = names(values[number].wish or kind)
        for number in self.mentioned:
            if values[number].kind == "constant":
                self._name_constant(number, names)
        wishes = {**self._forward_wishes(), **self._backward_wishes()}
        wishes.update({number: f"d{name}" for name, number in self.gradients.items()})
        for call, after in zip_longest(self.calls, self.calls[1:]):
            ends = after is None or self._stretch(after) != self._stretch(call)
            if self._stands_inside(call):
                continue
            for number in call.targets:
                if number in wishes:
                    self.names[number] = names(wishes[number])
                elif number not in self.names:
                    wish = self._plain_wish(call, ends)
                    self.names[number] = names(wish, counted="astype" not in call.name)

    def _name_constant(self, number: int, names: _Names) -> None:
        array = self.tape.constants[number].array
        short = _short(array)
        if short:
            self.inlined[number] = short
        else:
            self.names[number] = names("constant", counted=True)
            self.constants[self.names[number]] = array

    def _forward_wishes(self) -> dict[int, str]:
        """Return the variables of the user's lines, for the last value that each has made."""
        found: dict[int, str] = {}
        calls = [call for call in self.calls if call.place.phase != "backward"]
        for call, after in zip_longest(calls, calls[1:]):
            line = self.lines[id(call)]
            ends = after is None or self.lines[id(after)] != line
            made = [*call.targets, *call.writes]
            if ends and len(made) == 1 and _variable(line):
                number = self._whole(made[0])
                if self.tape.values[number].kind == "result":
                    found.setdefault(number, _variable(line))
        return found

    def _whole(self, number: int) -> int:
        """Return the value that a written one is a view of, if it was made here."""
        home = self.tape.values[number].home
        return next((n for n, value in enumerate(self.tape.values) if value.home == home), number)

    def _backward_wishes(self) -> dict[int, str]:
        """Return what the values of a sweep are called, by the variables of the forward pass."""
        found: dict[int, str] = {}
        variables: dict[str, Any] = {}
        values = self.tape.values
        swept = [self.tape.swept[order] for order in sorted(self.tape.swept, reverse=True)]
        # Of several nodes that have one cotangent, the one with a variable names it.
        for named in (True, False):
            for each in swept:
                last = variables.setdefault(each.line, each) is each
                variable = _variable(each.line) if last else ""
                wish = variable if named else each.row
                for number in reversed(each.numbers):
                    number = self.same_as.get(number, number)
                    if wish and values[number].kind == "result":
                        found.setdefault(number, f"d{wish}")
        return found

    def _stretch(self, call: Call) -> tuple[str, str, str, int]:
        """Return what neighbouring calls have in common that one op has made."""
        number = call.place.number if call.place.row else 0
        return call.place.phase, self.lines[id(call)], call.place.row, number

    def _plain_wish(self, call: Call, ends: bool) -> str:
        """Return what a value is called that is no variable of the user's."""
        if ends and call.place.phase == "forward" and call.place.row:
            return call.place.row
        sign = _UFUNC_SIGNS.get(call.name, call.name)
        if sign in _WORDS or call.form in ("operator", "item"):
            return _WORDS.get(sign, "mask" if sign in _COMPARISONS else "value")
        stem = call.name.rpartition(".")[2]
        if stem == "astype" and call.refs()[0] in self.names:
            return f"{self.names[call.refs()[0]]}_{self.tape.values[call.targets[0]].dtype.name}"
        return {"T": "transposed", "matmul": "product", "dot": "product"}.get(stem, stem)

    # ---- the function

    def text(self, heading: str) -> Text:
        body = self._parts()
        instructions: list[Instruction] = []
        phase = line = ""
        errors: dict[str, str] = {}
        stretch: tuple[str, str, str, int] = ("", "", "", 0)
        sizes = Counter(self._stretch(call) for call in self.calls)
        written = [(call, self._instruction(call)) for call in self.calls]
        dropped = self._dropped([call for call, instruction in written if instruction])
        for call, instruction in written:
            if instruction is None:
                continue
            instructions.append(instruction)
            if call.place.phase != phase:
                phase, line = call.place.phase, ""
                body += ["", f"# ---- {phase}", ""]
                errors = {}
            if self.lines[id(call)] != line:
                line = self.lines[id(call)]
                body += [f"# {_cut(line)}"]
            if self._stretch(call) != stretch:
                stretch = self._stretch(call)
                if call.place.row and sizes[stretch] >= NAMED_FROM:
                    of = "backward of " if phase == "backward" else ""
                    body += [f"# {of}{call.place.row}:"]
            if call.errors and call.errors != errors:
                given = ", ".join(f'{key}="{how}"' for key, how in call.errors.items())
                body.append(f"with np.errstate({given}):")
            errors = call.errors
            body.append(f"    {instruction.text}" if errors else instruction.text)
            if id(call) in dropped:
                body.append(f"del {', '.join(dropped[id(call)])}")
                errors = {}
        body += ["", f"return {self._returned()}"]
        arguments = [self.names[number] for number in self.inputs]
        kept = [
            self.names[n]
            for n in self.mentioned
            if n in self.names
            and n not in self.parts
            and self.tape.values[n].kind in ("state", "constant")
        ]
        named = ["*", *kept] if kept else []
        head = f"def {self.name}({', '.join([*arguments, *named])}):"
        if len(head) > 100:
            head = "\n".join(
                [f"def {self.name}(", *(f"    {each}," for each in [*arguments, *named]), "):"]
            )
        lines = ["import numpy as np", "", "", head, *_indented([f'"""{heading}"""', *body]), ""]
        first: dict[int, str] = {}
        memory = {
            name: first.setdefault(self.tape.values[number].home, name)
            for number, name in self.names.items()
        }
        text, mentioned = "\n".join(lines), tuple(self.mentioned)
        parts = tuple(self.names[n] for n in self.parts)
        returned = tuple(dict.fromkeys(self.names[n] for n in self.returned if n in self.names))
        return Text(
            text,
            tuple(instructions),
            self.names,
            self.constants,
            mentioned,
            memory,
            parts,
            returned,
        )

    def _parts(self) -> list[str]:
        """Return the lines that name parts of arrays of the state: who changes one changes both."""
        lines = [
            f"{self.names[n]} = {self.names[whole]}{part}"
            for n, (whole, part) in self.parts.items()
        ]
        return ["", "# ---- parts of the state", "", *lines] if lines else []

    def _dropped(self, calls: Sequence[Call]) -> dict[int, list[str]]:
        """Return per call, by its id, the names of large arrays that nobody needs after it."""
        values = self.tape.values
        kept = {values[number].home for number in self.returned}
        kept |= {value.home for value in values if value.kind != "result"}
        last: dict[int, Call] = {}
        names: dict[int, list[str]] = {}
        sizes: Counter[int] = Counter()
        for call in calls:
            for number in self._reached(call):
                home = values[number].home
                last[home] = call
                if number in self.names and self.names[number] not in names.setdefault(home, []):
                    names[home].append(self.names[number])
                size = math.prod(values[number].shape) * values[number].dtype.itemsize
                sizes[home] = max(sizes[home], size)
        found: dict[int, list[str]] = {}
        for home, call in last.items():
            if home not in kept and sizes[home] >= LARGE and call is not calls[-1]:
                found.setdefault(id(call), []).extend(names[home])
        return found

    def _reached(self, call: Call) -> list[int]:
        """Return the values of a call, and those that stand inside of its line."""
        found = [*call.targets, *call.refs()]
        for number in found:
            found.extend(self.inside.get(number, ()))
        return found

    def _returned(self) -> str:
        result = self._argument(self.result)
        if not self.gradients:
            return result
        pairs = [f'"{name}": {self.names[number]}' for name, number in self.gradients.items()]
        return f"{result}, {{{', '.join(pairs)}}}"

    def _instruction(self, call: Call) -> Instruction | None:
        """Return a call as a line; nothing if it can stand in the line that reads it."""
        if self._stands_inside(call):
            self.inlined[call.targets[0]] = self._expression(call)
            self.inside[call.targets[0]] = call.refs()
            return None
        expression = self._expression(call)
        targets = tuple(self.names[number] for number in call.targets)
        text = expression
        if targets:
            numbers = [self.tape.values[n] for n in call.targets if self.tape.values[n].shape == ()]
            if call.boxed or any(number.home in self.changed for number in numbers):
                # A number of NumPy's is no array: nothing can be written into it.
                text = f"np.asarray({expression})"
                if len(call.targets) > 1:
                    text = f"map(np.asarray, {expression})"
            text = (
                f"{', '.join(targets)}{',' if call.packed and len(targets) == 1 else ''} = {text}"
            )
        first = [*call.targets, *call.writes, *call.refs()][0]
        value = self.tape.values[first]
        keywords = tuple(self._keywords(call))
        return Instruction(
            text=text,
            function=f".{call.name}" if call.form in ("method", "attribute") else call.name,
            arguments=tuple(self._argument(part) for part in call.args) + keywords,
            targets=targets,
            reads=tuple(dict.fromkeys(self.names[n] for n in self._read(call) if n in self.names)),
            writes=tuple(self.names[n] for n in call.writes if n in self.names),
            shape=value.shape,
            dtype=value.dtype,
            phase=call.place.phase,
            row=call.place.row,
            line=self.lines[id(call)],
            number=call.place.number,
        )

    def _read(self, call: Call) -> list[int]:
        """Return the values that a line reads, those inside of what stands in it among them."""
        out = call.kwargs.get("out")
        over = [ref.number for ref in _refs(out)] if call.args and out not in call.args else []
        return [number for number in self._reached(call) if number not in (*call.targets, *over)]

    def _stands_inside(self, call: Call) -> bool:
        """Return whether a call is a view that only one line reads: ``x.T``, ``x[0:10]``."""
        if call.form != "item" and (call.form, call.name) != ("attribute", "T"):
            return False
        (number,), source = call.targets, call.args[0].number
        values = self.tape.values
        if self.uses[number] != 1 or number in self.returned:
            return False
        return bool(values[number].home == values[source].home)

    # ---- expressions

    def _expression(self, call: Call) -> str:
        args = [self._argument(part) for part in call.args]
        keywords = self._keywords(call)
        if call.form == "guard":
            text = f"it decides by numbers at {call.place.line.partition(': ')[0]}"
            if call.name == "bool":
                return f"assert {'' if call.args[1] else 'not '}{args[0]}, {text!r}"
            return f"assert {call.name}({args[0]}) == {args[1]}, {text!r}"
        if call.form == "shape":
            text = f"a shape depends on numbers at {call.place.line.partition(': ')[0]}"
            return f"assert {args[0]}.shape == {args[1]}, {text!r}"
        if call.form == "item":
            return f"{args[0]}[{self._index(call.args[1])}]"
        if call.form == "assign":
            return f"{args[0]}[{self._index(call.args[1])}] = {args[2]}"
        if call.form == "change":
            return f"{args[0]}[{self._index(call.args[1])}] {call.name} {args[2]}"
        if call.form == "in place":
            return f"{args[0]} {call.name} {args[1]}"
        if call.form == "operator":
            return self._operator(call.name, call.args)
        sign = _UFUNC_SIGNS.get(call.name)
        out = call.kwargs.get("out")
        if sign in _IN_PLACE and len(args) == 2 and len(keywords) == 1 and call.args[0] == out:
            return f"{args[0]} {sign}= {args[1]}"
        if call.form == "attribute":
            return f"{args[0]}.{call.name}"
        if call.form == "method":
            return f"{args[0]}.{call.name}({', '.join([*args[1:], *keywords])})"
        if sign is not None and len(args) == 2 and not keywords:
            return self._operator(sign, call.args)
        return f"{call.name}({', '.join([*args, *keywords])})"

    def _keywords(self, call: Call) -> list[str]:
        """Return the keywords as they are written, without those that ask for nothing."""
        return [
            f"{key}={self._argument(part)}"
            for key, part in call.kwargs.items()
            if not (call.name in _FAMILIAR and key in _NEUTRAL and _NEUTRAL[key] is part)
            and not (key == "out" and part is None)
        ]

    def _operator(self, sign: str, args: Sequence[Any]) -> str:
        texts = [self._argument(part) for part in args]
        texts = [f"({text})" if text.startswith("-") else text for text in texts]
        return f"{sign}{texts[0]}" if len(texts) == 1 else f"{texts[0]} {sign} {texts[1]}"

    def _index(self, index: Any) -> str:
        if type(index) is tuple and index:
            comma = "," if len(index) == 1 else ""
            return ", ".join(self._part(part) for part in index) + comma
        return self._part(index)

    def _part(self, part: Any) -> str:
        if not isinstance(part, slice):
            return self._argument(part)
        ends = (part.start, part.stop, part.step)
        start, stop, step = ("" if n is None else str(n) for n in ends)
        return f"{start}:{stop}" + (f":{step}" if step else "")

    def _argument(self, value: Any) -> str:
        """Return an argument as it is written."""
        if isinstance(value, Ref):
            return self.inlined.get(value.number) or self.names[value.number]
        if isinstance(value, tuple):
            return f"({', '.join(map(self._argument, value))}{',' if len(value) == 1 else ''})"
        if isinstance(value, list):
            return f"[{', '.join(map(self._argument, value))}]"
        if isinstance(value, dict):
            return f"{{{', '.join(f'{k!r}: {self._argument(v)}' for k, v in value.items())}}}"
        return _literal(value)


_NEUTRAL = {
    "axis": None, "keepdims": False, "dtype": None, "out": None, "order": "C", "device": None,
}  # fmt: skip
_FAMILIAR = {
    f"{front}{name}"
    for front in ("", "np.")
    for name in ("sum", "mean", "max", "min", "var", "std", "prod", "any", "all", "zeros", "ones")
}
"""Functions for which these keywords are the default."""

_WORDS = {
    "[]": "part", "+": "total", "-": "difference", "*": "product", "/": "quotient", "@": "product",
    "**": "power",
}  # fmt: skip
"""What a value is called that an operator makes and nobody has a name for."""
_COMPARISONS = {"<", "<=", ">", ">=", "==", "!="}


def _refs(tree: Any) -> list[Ref]:
    """Return the references in a result."""
    if isinstance(tree, Ref):
        return [tree]
    if isinstance(tree, dict):
        tree = list(tree.values())
    return [ref for part in tree for ref in _refs(part)] if isinstance(tree, (list, tuple)) else []


def _literal(value: Any) -> str:
    """Return a number, a dtype or another plain value as Python writes it."""
    if isinstance(value, Name):
        return str(value)
    if value is ...:
        return "..."
    if isinstance(value, np.bool_):
        return f"np.bool_({bool(value)})"
    if isinstance(value, np.generic):
        return f"np.{value.dtype.name}({_literal(value.item())})"
    if isinstance(value, np.dtype):
        plain = value.isnative and value.names is None and hasattr(np, value.name)
        return f"np.{value.name}" if plain and value != np.bool_ else f"np.dtype({value.str!r})"
    if isinstance(value, type):
        return _literal(np.dtype(value)) if issubclass(value, np.generic) else value.__name__
    if isinstance(value, float):
        return repr(value) if np.isfinite(value) else f"{'-' if value < 0 else ''}np.{abs(value)}"
    if isinstance(value, complex):
        return f"complex({_literal(value.real)}, {_literal(value.imag)})"
    return repr(value)


def _short(array: Array) -> str:
    """Return how a constant is written if that is short, else nothing."""
    dtype = _literal(array.dtype)
    if array.size > SMALL:
        first = array.flat[0]
        counted = array.ndim == 1 and array.dtype.kind in "iu" and first == 0
        if counted and np.array_equal(array, np.arange(len(array))):
            return f"np.arange({len(array)}, dtype={dtype})"
        return ""
    if array.dtype.kind == "f" and np.any(np.signbit(array) & np.isnan(array)):
        return ""
    numbers = _literal_list(array.tolist())
    text = f"np.array({numbers}, dtype={dtype})"
    return text if array.size or array.shape == (0,) else f"np.zeros({array.shape}, {dtype})"


def _literal_list(numbers: Any) -> str:
    if isinstance(numbers, list):
        return f"[{', '.join(map(_literal_list, numbers))}]"
    return _literal(numbers)


def _cut(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= 90 else f"{line[:89]}…"


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]
