"""Rows of recurrent nets: one step of a cell, and a whole sequence of steps.

A step takes the input and the state before, and returns the state after. A *scan* makes all steps
of a sequence on one node of the graph: it takes the inputs times their weights already, of all
steps in one product, and its backward pass runs through the steps in plain NumPy. Weights are
(fan_in, fan_out), as in ``x @ W``; the gates stand next to each other along the last axis of the
weights: an LSTM's as input, forget, new, output; a GRU's as reset, update, new. This file knows no
layers; ``nn/recurrent.py`` does. Read ``special.py`` next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.core.op import OPS, case, composite, fused
from tinygrad_edu.errors import OpError, explain

__all__ = [
    "gru_cell",
    "gru_scan",
    "lstm_cell",
    "lstm_scan",
    "lstm_step",
    "rnn_cell",
    "rnn_scan",
]

# ------------------------------------------------------------------------------ what all share


def _check(name: str, gates: int, h: Any, w_h: Any, *others: tuple[str, Any, int, int]) -> None:
    """Refuse shapes that do not go together.

    Parameters
    ----------
    name, gates : str, int
        The row, and how many gates its cell has.
    h, w_h : array
        The state and its weights, whose shapes must be (..., size) and (size, gates size).
    *others : tuple
        Name, array, axis, and how many times `size` that axis must be long.
    """
    size = h.shape[-1] if h.ndim else 0
    wrong = h.ndim == 0 or w_h.shape != (size, gates * size)
    for _, array, axis, times in others:
        wrong = wrong or array.ndim <= max(axis, 0) or array.shape[axis] != times * size
    if wrong:
        raise OpError(
            explain(
                name,
                f"these do not fit a state of {size} numbers and a cell of {gates} gates",
                arguments=(("h", h), ("w_h", w_h), *((o[0], o[1]) for o in others)),
                fix=f"with size hidden numbers: w_x (fan_in, {gates} size), w_h (size, {gates} "
                f"size), bias ({gates} size)",
            )
        )


def _activation(name: str, activation: str) -> Any:
    if activation not in ("tanh", "relu"):
        raise OpError(
            explain(name, f"activation={activation!r} is not known", fix="use 'tanh' or 'relu'")
        )
    return OPS[activation]


def _bent_back(activation: str, g: Any, y: Any) -> Any:
    """Return the cotangent of the argument of an activation, whose rule reads only its result."""
    rule: Any = OPS[activation].rules[0]
    return rule(g, y, None)


def _plus(z: Any, bias: Any) -> Any:
    return z if bias is None else z + bias


def _rows(x: Any) -> Any:
    """Return x with all its leading axes as one: the batch, to the weights."""
    return np.reshape(x, (-1, x.shape[-1]))


def _weights_back(x: Any, dz: Any) -> Any:
    return np.dot(_rows(x).T, _rows(dz))


def _bias_back(dz: Any) -> Any:
    return np.sum(_rows(dz), axis=0)


def _order(steps: int, reverse: bool) -> Sequence[int]:
    return range(steps - 1, -1, -1) if reverse else range(steps)


def _before(states: Any, h: Any, reverse: bool) -> Any:
    """Return the state before each step, in the order of time."""
    parts = [states[1:], h[None]] if reverse else [h[None], states[:-1]]
    return np.concatenate(parts)


def _parts(z: Any, count: int) -> list[Any]:
    """Return the gates, which stand next to each other along the last axis."""
    size = z.shape[-1] // count
    return [z[..., i * size : (i + 1) * size] for i in range(count)]


# ------------------------------------------------------------------------------ plain


def _rnn_cell(
    x: Any, h: Any, w_x: Any, w_h: Any, bias: Any = None, *, activation: str = "tanh"
) -> Any:
    _check("rnn_cell", 1, h, w_h, ("w_x", w_x, 1, 1), *_with_bias(bias, 1))
    row = _activation("rnn_cell", activation)
    return row.forward(_plus(np.matmul(x, w_x) + np.matmul(h, w_h), bias)), None


def _with_bias(bias: Any, gates: int, called: str = "bias") -> tuple[Any, ...]:
    return () if bias is None else ((called, bias, 0, gates),)


def _rnn_cell_joint(
    g: Any,
    y: Any,
    _saved: Any,
    x: Any,
    h: Any,
    w_x: Any,
    w_h: Any,
    _bias: Any,
    *,
    wanted: Sequence[bool],
    activation: str,
    **_rest: Any,
) -> tuple[Any, ...]:
    dz = _bent_back(activation, g, y)
    return _cell_back(dz, dz, x, h, w_x, w_h, wanted)


def _cell_back(
    dz: Any, dk: Any, x: Any, h: Any, w_x: Any, w_h: Any, wanted: Sequence[bool]
) -> tuple[Any, ...]:
    """Return the cotangents of ``x @ w_x + bias``, which is dz, and of ``h @ w_h``, which is dk."""
    return (
        np.matmul(dz, w_x.T) if wanted[0] else None,
        np.matmul(dk, w_h.T) if wanted[1] else None,
        _weights_back(x, dz) if wanted[2] else None,
        _weights_back(h, dk) if wanted[3] else None,
        _bias_back(dz) if wanted[4] else None,
    )


def _rnn_cell_composite(x: Any, h: Any, w_x: Any, w_h: Any, bias: Any, *, activation: str) -> Any:
    _check("rnn_cell", 1, h, w_h, ("w_x", w_x, 1, 1), *_with_bias(bias, 1))
    row = _activation("rnn_cell", activation)
    return row(_plus(np.matmul(x, w_x) + np.matmul(h, w_h), bias))


rnn_cell = fused(
    _rnn_cell,
    _rnn_cell_joint,
    _rnn_cell_composite,
    doc="One step of a plain recurrent cell.",
    formula="tanh(x @ w_x + h @ w_h + bias)",
    latex=r"\tanh(x W_x + h W_h + b)",
    pattern="matmul",
    signature="(n,d),(n,m),(d,m),(m,m),(m)->(n,m)",
    optional=("bias",),
    policy="activation='relu': the gradient is 0 where its argument is 0",
    cases=(
        case((4, 3), (4, 2), (3, 2), (2, 2), (2,)),
        case((4, 3), (4, 2), (3, 2), (2, 2), None),
        case((3,), (2,), (3, 2), (2, 2), (2,)),
    ),
    local=("g @ w_x.T", "g @ w_h.T", "x.T @ g", "h.T @ g", "'Σ {g} over the batch'"),
)


def _rnn_scan(z: Any, h: Any, w_h: Any, *, activation: str = "tanh", reverse: bool = False) -> Any:
    _check("rnn_scan", 1, h, w_h, ("z", z, -1, 1))
    row = _activation("rnn_scan", activation)
    states = np.empty(z.shape, z.dtype, like=z)
    for t in _order(len(z), reverse):
        states[t] = h = row.forward(z[t] + np.matmul(h, w_h))
    return states, None


def _rnn_scan_joint(
    g: Any,
    y: Any,
    _saved: Any,
    _z: Any,
    h: Any,
    w_h: Any,
    *,
    wanted: Sequence[bool],
    activation: str,
    reverse: bool,
    **_rest: Any,
) -> tuple[Any, ...]:
    dz = np.empty(g.shape, g.dtype, like=g)
    dh = np.zeros(h.shape, g.dtype, like=g)
    for t in _order(len(y), not reverse):
        dz[t] = _bent_back(activation, g[t] + dh, y[t])
        dh = np.matmul(dz[t], w_h.T)
    dw = _weights_back(_before(y, h, reverse), dz) if wanted[2] and len(y) else _nothing(w_h)
    return dz, dh, dw


def _nothing(like: Any) -> Any:
    return np.zeros(like.shape, like.dtype, like=like)


def _scanned(
    step: Callable[[Any, Any], Any], z: Any, h: Any, reverse: bool
) -> tuple[list[Any], Any]:
    """Return the states of a sequence in rows, in the order of time, and the last one made."""
    states: list[Any] = []
    for t in _order(z.shape[0], reverse):
        h = step(z[t], h)
        states.append(h)
    return (states[::-1] if reverse else states), h


def _rnn_scan_composite(z: Any, h: Any, w_h: Any, *, activation: str, reverse: bool) -> Any:
    _check("rnn_scan", 1, h, w_h, ("z", z, -1, 1))
    row = _activation("rnn_scan", activation)
    states, _ = _scanned(lambda z_t, h: row(z_t + np.matmul(h, w_h)), z, h, reverse)
    return np.stack(states) if states else OPS["identity"](z)


rnn_scan = fused(
    _rnn_scan,
    _rnn_scan_joint,
    _rnn_scan_composite,
    doc="States of a plain recurrent net at all steps; z is the inputs times w_x, plus the bias.",
    formula="h[t] = tanh(z[t] + h[t-1] @ w_h)",
    latex=r"h_t = \tanh(z_t + h_{t-1} W_h)",
    pattern="matmul",
    signature="(t,n,m),(n,m),(m,m)->(t,n,m)",
    policy="activation='relu': the gradient is 0 where its argument is 0",
    cases=(
        case((3, 2, 2), (2, 2), (2, 2)),
        case((3, 2, 2), (2, 2), (2, 2), reverse=True),
        case((1, 2, 3), (2, 3), (3, 3)),
    ),
    local=(
        "'d, going back through time'",
        "'d[0] {w_h}ᵀ, d going back through time'",
        "'Σ h[t−1]ᵀ d[t] over time'",
    ),
)

# ------------------------------------------------------------------------------ LSTM


def _lstm_gates(z: Any, c: Any) -> tuple[Any, Any, tuple[Any, ...]]:
    """Return the state and the cell after a step, and what its backward pass needs, in arrays."""
    size = c.shape[-1]
    sigmoid = OPS["sigmoid"].forward
    i, f = _parts(sigmoid(z[..., : 2 * size]), 2)
    n, o = np.tanh(z[..., 2 * size : 3 * size]), sigmoid(z[..., 3 * size :])
    c = f * c + i * n
    bent = np.tanh(c)
    return o * bent, c, (i, f, n, o, bent)


def _lstm_back(gh: Any, gc: Any, c: Any, gates: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return the cotangents of z and of the cell before the step."""
    i, f, n, o, bent = gates
    dc = gc + gh * o * (1 - bent * bent)
    dz = np.concatenate(
        [
            dc * n * i * (1 - i),
            dc * c * f * (1 - f),
            dc * i * (1 - n * n),
            gh * bent * o * (1 - o),
        ],
        axis=-1,
    )
    return dz, dc * f


def _lstm_rows(z: Any, c: Any) -> tuple[Any, Any]:
    """Return the state and the cell after a step, in rows."""
    i, f, n, o = _parts(z, 4)
    sigmoid = OPS["sigmoid"]
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(n)
    return sigmoid(o) * np.tanh(c), c


def _lstm_check(h: Any, c: Any, w_x: Any, w_h: Any, bias: Any) -> None:
    _check("lstm_step", 4, h, w_h, ("c", c, -1, 1), ("w_x", w_x, 1, 4), *_with_bias(bias, 4))


def _lstm_step(x: Any, h: Any, c: Any, w_x: Any, w_h: Any, bias: Any = None) -> Any:
    _lstm_check(h, c, w_x, w_h, bias)
    z = _plus(np.matmul(x, w_x) + np.matmul(h, w_h), bias)
    h, after, gates = _lstm_gates(z, c)
    return np.concatenate([h, after], axis=-1), gates


def _lstm_step_joint(
    g: Any,
    _y: Any,
    gates: Any,
    x: Any,
    h: Any,
    c: Any,
    w_x: Any,
    w_h: Any,
    _bias: Any,
    *,
    wanted: Sequence[bool],
    **_rest: Any,
) -> tuple[Any, ...]:
    gh, gc = _parts(g, 2)
    dz, dc = _lstm_back(gh, gc, c, gates)
    rest = (*wanted[:2], *wanted[3:])
    dx, dh, *weights = _cell_back(dz, dz, x, h, w_x, w_h, rest)
    return dx, dh, dc, *weights


def _lstm_step_composite(x: Any, h: Any, c: Any, w_x: Any, w_h: Any, bias: Any) -> Any:
    _lstm_check(h, c, w_x, w_h, bias)
    z = _plus(np.matmul(x, w_x) + np.matmul(h, w_h), bias)
    return np.concatenate(_lstm_rows(z, c), axis=-1)


_LSTM: dict[str, Any] = {
    "pattern": "matmul",
    "optional": ("bias",),
    "cases": (
        case((4, 3), (4, 2), (4, 2), (3, 8), (2, 8), (8,)),
        case((4, 3), (4, 2), (4, 2), (3, 8), (2, 8), None),
        case((3,), (2,), (2,), (3, 8), (2, 8), (8,)),
    ),
}
lstm_step = fused(
    _lstm_step,
    _lstm_step_joint,
    _lstm_step_composite,
    doc="One step of a long short-term memory; state and cell beside each other in one array.",
    formula="i, f, n, o = gates(x @ w_x + h @ w_h + bias); cell = f c + i n; [o tanh(cell), cell]",
    latex=r"c' = f \odot c + i \odot n,\quad [\,o \odot \tanh c',\; c'\,]",
    signature="(n,d),(n,m),(n,m),(d,k),(m,k),(k)->(n,l)",
    **_LSTM,
    local=(
        "'d {w_x}ᵀ, d the gradient of the four gates'",
        "'d {w_h}ᵀ, d the gradient of the four gates'",
        "'that of the new cell, times the forget gate'",
        "'{x}ᵀ d, d the gradient of the four gates'",
        "'{h}ᵀ d, d the gradient of the four gates'",
        "'Σ d over the batch, d the gradient of the four gates'",
    ),
)


def _lstm_cell(x: Any, h: Any, c: Any, w_x: Any, w_h: Any, bias: Any = None) -> Any:
    return tuple(_parts(lstm_step(x, h, c, w_x, w_h, bias), 2))


lstm_cell = composite(
    _lstm_cell,
    doc="One step of a long short-term memory: the pair of state and cell after it.",
    formula="i, f, n, o = gates(x @ w_x + h @ w_h + bias); cell = f c + i n; o tanh(cell), cell",
    latex=r"c' = f \odot c + i \odot n,\quad h' = o \odot \tanh c'",
    signature="(n,d),(n,m),(n,m),(d,k),(m,k),(k)->(n,m),(n,m)",
    **_LSTM,
)


def _lstm_scan(z: Any, h: Any, c: Any, w_h: Any, *, reverse: bool = False) -> Any:
    _check("lstm_scan", 4, h, w_h, ("c", c, -1, 1), ("z", z, -1, 4))
    packed = np.empty((len(z) + 1, *h.shape), z.dtype, like=z)
    steps: list[Any] = [None] * len(z)
    for t in _order(len(z), reverse):
        packed[t], after, gates = _lstm_gates(z[t] + np.matmul(h, w_h), c)
        steps[t] = (c, gates)
        h, c = packed[t], after
    packed[len(z)] = c
    return packed, steps


def _lstm_scan_joint(
    g: Any,
    y: Any,
    steps: Any,
    _z: Any,
    h: Any,
    _c: Any,
    w_h: Any,
    *,
    wanted: Sequence[bool],
    reverse: bool,
    **_rest: Any,
) -> tuple[Any, ...]:
    count = len(steps)
    dz = np.empty(_z.shape, g.dtype, like=g)
    dh, dc = np.zeros(h.shape, g.dtype, like=g), g[count]
    for t in _order(count, not reverse):
        dz[t], dc = _lstm_back(g[t] + dh, dc, *steps[t])
        dh = np.matmul(dz[t], w_h.T)
    dw = _nothing(w_h)
    if wanted[3] and count:
        dw = _weights_back(_before(y[:count], h, reverse), dz)
    return dz, dh, dc, dw


def _lstm_scan_composite(z: Any, h: Any, c: Any, w_h: Any, *, reverse: bool) -> Any:
    _check("lstm_scan", 4, h, w_h, ("c", c, -1, 1), ("z", z, -1, 4))

    def step(z_t: Any, state: Any) -> Any:
        return _lstm_rows(z_t + np.matmul(state[0], w_h), state[1])

    states, (_, c) = _scanned(step, z, (h, c), reverse)
    return np.stack([*(state for state, _ in states), c])


lstm_scan = fused(
    _lstm_scan,
    _lstm_scan_joint,
    _lstm_scan_composite,
    doc="States of a long short-term memory at all steps, and after them the last cell.",
    formula="h[t], cell = step(z[t] + h[t-1] @ w_h, cell from c); [h[0], ..., h[T-1], cell]",
    latex=r"[\,h_1, \ldots, h_T, c_T\,]",
    pattern="matmul",
    signature="(t,n,k),(n,m),(n,m),(m,k)->(s,n,m)",
    cases=(
        case((3, 2, 8), (2, 2), (2, 2), (2, 8)),
        case((3, 2, 8), (2, 2), (2, 2), (2, 8), reverse=True),
        case((1, 2, 4), (2, 1), (2, 1), (1, 4)),
    ),
    local=(
        "'d, going back through time'",
        "'d[0] {w_h}ᵀ, d going back through time'",
        "'that of the first cell, times its forget gate'",
        "'Σ h[t−1]ᵀ d[t] over time'",
    ),
)

# ------------------------------------------------------------------------------ GRU


def _gru_gates(
    a: Any, h: Any, w_h: Any, bias_h: Any, reset_after: bool
) -> tuple[Any, tuple[Any, ...]]:
    """Return the state after a step, and what its backward pass needs, in arrays."""
    size = h.shape[-1]
    sigmoid = OPS["sigmoid"].forward
    if reset_after:
        b = _plus(np.matmul(h, w_h), bias_h)
        r, u = _parts(sigmoid(a[..., : 2 * size] + b[..., : 2 * size]), 2)
        inner = b[..., 2 * size :]
        n = np.tanh(a[..., 2 * size :] + r * inner)
    else:
        b = np.matmul(h, w_h[:, : 2 * size])
        a = _plus(a, bias_h)
        r, u = _parts(sigmoid(a[..., : 2 * size] + b), 2)
        inner = r * h
        n = np.tanh(a[..., 2 * size :] + np.matmul(inner, w_h[:, 2 * size :]))
    return n + u * (h - n), (r, u, n, inner)


def _gru_back(
    g: Any, h: Any, w_h: Any, gates: tuple[Any, ...], reset_after: bool
) -> tuple[Any, Any, Any]:
    """Return the cotangents of a, of ``h @ w_h`` (with reset before: the same), and of h."""
    size = h.shape[-1]
    r, u, n, inner = gates
    dn = g * (1 - u) * (1 - n * n)
    du = g * (h - n) * u * (1 - u)
    if reset_after:
        dr = dn * inner * r * (1 - r)
        da = np.concatenate([dr, du, dn], axis=-1)
        db = np.concatenate([dr, du, dn * r], axis=-1)
        return da, db, g * u + np.matmul(db, w_h.T)
    di = np.matmul(dn, w_h[:, 2 * size :].T)
    da = np.concatenate([di * h * r * (1 - r), du, dn], axis=-1)
    dh = g * u + di * r + np.matmul(da[..., : 2 * size], w_h[:, : 2 * size].T)
    return da, da, dh


def _gru_weights_back(h: Any, inner: Any, db: Any, reset_after: bool) -> Any:
    if reset_after:
        return _weights_back(h, db)
    size = h.shape[-1]
    gates = _weights_back(h, db[..., : 2 * size])
    return np.concatenate([gates, _weights_back(inner, db[..., 2 * size :])], axis=-1)


def _gru_rows(a: Any, h: Any, w_h: Any, bias_h: Any, reset_after: bool) -> Any:
    """Return the state after a step, in rows."""
    size = h.shape[-1]
    sigmoid = OPS["sigmoid"]
    a_r, a_u, a_n = _parts(a, 3)
    if reset_after:
        b_r, b_u, b_n = _parts(_plus(np.matmul(h, w_h), bias_h), 3)
        n = np.tanh(a_n + sigmoid(a_r + b_r) * b_n)
    else:
        a_r, a_u, a_n = _parts(_plus(a, bias_h), 3)
        b_r, b_u = _parts(np.matmul(h, w_h[:, : 2 * size]), 2)
        n = np.tanh(a_n + np.matmul(sigmoid(a_r + b_r) * h, w_h[:, 2 * size :]))
    return n + sigmoid(a_u + b_u) * (h - n)


def _gru_check(h: Any, w_x: Any, w_h: Any, bias: Any, bias_h: Any) -> None:
    biases = (*_with_bias(bias, 3), *_with_bias(bias_h, 3, "bias_h"))
    _check("gru_cell", 3, h, w_h, ("w_x", w_x, 1, 3), *biases)


def _gru_cell(
    x: Any,
    h: Any,
    w_x: Any,
    w_h: Any,
    bias: Any = None,
    bias_h: Any = None,
    *,
    reset_after: bool = True,
) -> Any:
    _gru_check(h, w_x, w_h, bias, bias_h)
    return _gru_gates(_plus(np.matmul(x, w_x), bias), h, w_h, bias_h, reset_after)


def _gru_cell_joint(
    g: Any,
    _y: Any,
    gates: Any,
    x: Any,
    h: Any,
    w_x: Any,
    w_h: Any,
    _bias: Any,
    _bias_h: Any,
    *,
    wanted: Sequence[bool],
    reset_after: bool,
    **_rest: Any,
) -> tuple[Any, ...]:
    da, db, dh = _gru_back(g, h, w_h, gates, reset_after)
    return (
        np.matmul(da, w_x.T) if wanted[0] else None,
        dh if wanted[1] else None,
        _weights_back(x, da) if wanted[2] else None,
        _gru_weights_back(h, gates[3], db, reset_after) if wanted[3] else None,
        _bias_back(da) if wanted[4] else None,
        _bias_back(db) if wanted[5] else None,
    )


def _gru_cell_composite(
    x: Any, h: Any, w_x: Any, w_h: Any, bias: Any, bias_h: Any, *, reset_after: bool
) -> Any:
    _gru_check(h, w_x, w_h, bias, bias_h)
    return _gru_rows(_plus(np.matmul(x, w_x), bias), h, w_h, bias_h, reset_after)


gru_cell = fused(
    _gru_cell,
    _gru_cell_joint,
    _gru_cell_composite,
    doc="One step of a gated recurrent unit; the reset gate acts after w_h, or before it.",
    formula="r, u = gates(x, h); n = tanh(a + r (h @ w_h + bias_h)); n + u (h - n)",
    latex=r"(1 - u) \odot n + u \odot h,\quad n = \tanh(a_n + r \odot b_n)",
    pattern="matmul",
    signature="(n,d),(n,m),(d,k),(m,k),(k),(k)->(n,m)",
    optional=("bias", "bias_h"),
    cases=(
        case((4, 3), (4, 2), (3, 6), (2, 6), (6,), (6,)),
        case((4, 3), (4, 2), (3, 6), (2, 6), None, None),
        case((4, 3), (4, 2), (3, 6), (2, 6), (6,), None, reset_after=False),
        case((4, 3), (4, 2), (3, 6), (2, 6), None, (6,), reset_after=False),
        case((3,), (2,), (3, 6), (2, 6), (6,), (6,)),
    ),
    local=(
        "'d {w_x}ᵀ, d the gradient of the gates'",
        "'{g} u + d {w_h}ᵀ, d the gradient of the gates'",
        "'{x}ᵀ d, d the gradient of the gates'",
        "'{h}ᵀ d, d the gradient of the gates'",
        "'Σ d over the batch'",
        "'Σ d over the batch'",
    ),
)


def _gru_scan(
    z: Any,
    h: Any,
    w_h: Any,
    bias_h: Any = None,
    *,
    reset_after: bool = True,
    reverse: bool = False,
) -> Any:
    _check("gru_scan", 3, h, w_h, ("z", z, -1, 3), *_with_bias(bias_h, 3, "bias_h"))
    states = np.empty((len(z), *h.shape), z.dtype, like=z)
    steps: list[Any] = [None] * len(z)
    for t in _order(len(z), reverse):
        states[t], steps[t] = _gru_gates(z[t], h, w_h, bias_h, reset_after)
        h = states[t]
    return states, steps


def _gru_scan_joint(
    g: Any,
    y: Any,
    steps: Any,
    _z: Any,
    h: Any,
    w_h: Any,
    _bias_h: Any,
    *,
    wanted: Sequence[bool],
    reset_after: bool,
    reverse: bool,
    **_rest: Any,
) -> tuple[Any, ...]:
    dz = np.empty(_z.shape, g.dtype, like=g)
    # Of h @ w_h; with reset before it is dz itself.
    db = np.empty(_z.shape, g.dtype, like=g) if reset_after else dz
    dh = np.zeros(h.shape, g.dtype, like=g)
    before = _before(y, h, reverse) if steps else y
    for t in _order(len(steps), not reverse):
        dz[t], db[t], dh = _gru_back(g[t] + dh, before[t], w_h, steps[t], reset_after)
    dw = _nothing(w_h)
    if wanted[2] and steps:
        inner = np.stack([gates[3] for gates in steps])
        dw = _gru_weights_back(before, inner, db, reset_after)
    return dz, dh, dw, _bias_back(db) if wanted[3] else None


def _gru_scan_composite(
    z: Any, h: Any, w_h: Any, bias_h: Any, *, reset_after: bool, reverse: bool
) -> Any:
    _check("gru_scan", 3, h, w_h, ("z", z, -1, 3), *_with_bias(bias_h, 3, "bias_h"))

    def step(z_t: Any, h: Any) -> Any:
        return _gru_rows(z_t, h, w_h, bias_h, reset_after)

    states, _ = _scanned(step, z, h, reverse)
    return np.stack(states) if states else _parts(z, 3)[0]


gru_scan = fused(
    _gru_scan,
    _gru_scan_joint,
    _gru_scan_composite,
    doc="States of gated recurrent units at all steps; z is the inputs times w_x, plus the bias.",
    formula="h[t] = step(z[t], h[t-1])",
    latex=r"h_t = (1 - u_t) \odot n_t + u_t \odot h_{t-1}",
    pattern="matmul",
    signature="(t,n,k),(n,m),(m,k),(k)->(t,n,m)",
    optional=("bias_h",),
    cases=(
        case((3, 2, 6), (2, 2), (2, 6), (6,)),
        case((3, 2, 6), (2, 2), (2, 6), None, reverse=True),
        case((3, 2, 6), (2, 2), (2, 6), (6,), reset_after=False),
        case((2, 2, 6), (2, 2), (2, 6), None, reset_after=False, reverse=True),
    ),
    local=(
        "'d, going back through time'",
        "'u[0] and d[0] {w_h}ᵀ, d going back through time'",
        "'Σ h[t−1]ᵀ d[t] over time'",
        "'Σ d over batch and time'",
    ),
)
