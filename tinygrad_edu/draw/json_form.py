"""A picture as JSON, for programs: all its facts, and back again.

The schema, version 1. All keys are always written, in the order of the classes in ``picture.py``,
where each is explained; when read, keys that have a default there may be missing. Each card, edge
and cluster stands on a line of its own, so that two versions of a file can be compared by lines.

::

    {
      "schema": "tinygrad_edu.picture",
      "version": 1,
      "cards": [
        {"id", "role", "title", "corner", "lines": [{"text", "style"}], "values": [["1", "2"]],
         "histograms": [{"heights": [12 numbers], "role", "caption": null or {"text", "style"}}],
         "bars": [{"share", "caption": {"text", "style"}, "role"}], "tooltip", "cluster", "frozen",
         "nonfinite", "heat", "pale", "change", "members"}
      ],
      "edges": [
        {"tail", "head", "lines", "style", "width", "tooltip", "strength", "change", "recurrent"}
      ],
      "clusters": [{"id", "title", "kind", "detail", "parent", "count"}],
      "rankdir", "legend", "title", "description", "theme", "note"
    }

``tail``, ``head``, ``cluster`` and ``parent`` are ids. The card that is number i in the list is
drawn as the element ``n-<i>`` of an SVG. Numbers are finite; texts are as the user wrote them, not
shortened. A change that a reader of version 1 would not understand raises the version.
"""

from __future__ import annotations

import functools
import json
import math
import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from tinygrad_edu.draw.picture import Picture
from tinygrad_edu.errors import DiagramError

__all__ = ["SCHEMA", "VERSION", "from_json", "to_json"]

SCHEMA, VERSION = "tinygrad_edu.picture", 1


def to_json(picture: Picture) -> str:
    """Return a picture as JSON text; equal pictures give equal text."""
    return "".join(_pieces(picture))


def _pieces(picture: Picture) -> Iterator[str]:
    """Yield the parts of the text."""
    yield f'{{\n  "schema": {_written(SCHEMA)},\n  "version": {VERSION}'
    for name, kind in _hints(Picture).items():
        value = _plain(getattr(picture, name), kind)
        if name in ("cards", "edges", "clusters"):
            rows = ",".join("\n    " + _written(item) for item in value)
            yield f',\n  "{name}": [{rows}\n  ]' if value else f',\n  "{name}": []'
        else:
            yield f',\n  "{name}": {_written(value)}'
    yield "\n}\n"


def _written(value: Any) -> str:
    """Return a value as JSON. Half a character, which UTF-8 cannot hold, becomes its number."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode()


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the fields of a data class with their types, in order."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _plain(value: Any, kind: Any) -> Any:
    """Return what JSON can hold; depth is that of the classes, not of the graph.

    A number becomes one of the type that is declared, so that equal pictures give equal text.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {
            name: _plain(getattr(value, name), hint) for name, hint in _hints(type(value)).items()
        }
    if isinstance(value, tuple):
        inner = get_args(_without_none(kind))[0]
        return [_plain(item, inner) for item in value]
    kind = _without_none(kind)
    return kind(value) if value is not None and kind in (int, float, bool) else value


def _without_none(kind: Any) -> Any:
    """Return the type beside None in an optional one."""
    if get_origin(kind) in (Union, types.UnionType):
        return next(one for one in get_args(kind) if one is not type(None))
    return kind


# ------------------------------------------------------------------------------------------ reading


def from_json(text: str) -> Picture:
    """Return the picture that a JSON text describes.

    Parameters
    ----------
    text : str
        What ``to_json`` wrote, or a text of the same schema.

    Raises
    ------
    DiagramError
        When the text is no JSON, of another schema or version, lacks a key or has one too many, or
        when a value is of the wrong kind; it tells the place.
    """
    try:
        read = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise DiagramError(f"this is no JSON: {error}") from None
    if not isinstance(read, dict) or read.get("schema") != SCHEMA:
        raise DiagramError(
            f'this is no picture: a picture says "schema": "{SCHEMA}"; Diagram.json writes one'
        )
    if read.get("version") != VERSION:
        raise DiagramError(
            f"the picture has version {read.get('version')!r} of the schema; this program reads "
            f"version {VERSION}: update it, or write the picture anew"
        )
    picture: Picture = _built(
        Picture, {key: read[key] for key in read if key not in ("schema", "version")}, "picture"
    )
    return picture


def _refused(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _built(kind: Any, value: Any, place: str) -> Any:
    """Return a value of a type, built from what JSON holds; depth is that of the classes."""
    inner = _without_none(kind)
    if inner is not kind:
        return None if value is None else _built(inner, value, place)
    origin = get_origin(kind)
    if origin is Literal:
        if value not in get_args(kind):
            raise DiagramError(f"{place}: {value!r} is none of {', '.join(get_args(kind))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise DiagramError(f"{place}: a list is expected, got {_kind(value)}")
        one = get_args(kind)[0]
        return tuple(_built(one, item, f"{place}[{i}]") for i, item in enumerate(value))
    if is_dataclass(kind):
        return _object(kind, value, place)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1000 else math.inf
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        words = {str: "a text", int: "a whole number", float: "a finite number", bool: "a bool"}
        raise DiagramError(f"{place}: {words[kind]} is expected, got {_kind(value)}")
    return value


def _object(kind: Any, value: Any, place: str) -> Any:
    """Return an instance of a data class."""
    if not isinstance(value, dict):
        raise DiagramError(f"{place}: an object is expected, got {_kind(value)}")
    hints = _hints(kind)
    unknown = [key for key in value if key not in hints]
    if unknown:
        raise DiagramError(f"{place}: the key {unknown[0]!r} is none of {', '.join(hints)}")
    given = {key: _built(hints[key], item, f"{place}.{key}") for key, item in value.items()}
    try:
        return kind(**given)
    except TypeError as error:  # a key without a default is missing
        missing = str(error).rpartition(": ")[2]
        raise DiagramError(f"{place}: it lacks {missing}") from None


def _kind(value: Any) -> str:
    """Return what a value is, for an error."""
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
