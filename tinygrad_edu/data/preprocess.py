"""Preprocessing: what is learned from the training part, and then done to every part.

``fit`` reads the training data, ``transform`` changes any data, ``inverse`` undoes it. What was
fitted is a handful of arrays, `state()`, that a run can save.

Knows: NumPy arrays of numbers, and of words for `OneHot`. Does not know: files, nets.
Read next: `augment.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinygrad_edu.data.checks import demand_count, demand_number, demand_rows, refusal

__all__ = ["PCA", "Normalize", "OneHot", "Preprocessor", "Standardize", "one_hot"]

Array = NDArray[Any]
Per = Literal["feature", "channel", "array"]
BLOCK = 1 << 20


class Preprocessor(ABC):
    """Base: fit on the training part, then transform any part, or take it back."""

    _names: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._fitted: dict[str, Array] = {}

    @abstractmethod
    def fit(self, data: ArrayLike) -> Self:
        """Learn from the training data, and return this object."""

    @abstractmethod
    def transform(self, data: ArrayLike) -> Array:
        """Return changed data."""

    @abstractmethod
    def inverse(self, data: ArrayLike) -> Array:
        """Return what `transform` would have made the data of."""

    def fit_transform(self, data: ArrayLike) -> Array:
        """Return the training data changed, after learning from them."""
        return self.fit(data).transform(data)

    def state(self) -> dict[str, Array]:
        """Return copies of the arrays that were fitted, by name.

        Raises
        ------
        DataError
            Nothing was fitted.
        """
        return {name: array.copy() for name, array in self._known().items()}

    def load(self, state: Mapping[str, ArrayLike]) -> Self:
        """Take over what another one was fitted to, and return this object.

        Parameters
        ----------
        state : mapping
            What `state()` of one of the same class gave.

        Raises
        ------
        DataError
            An array is missing, or there is one that does not belong here.
        """
        if set(state) != set(self._names):
            raise refusal(
                type(self).__name__,
                f"a state with {sorted(state)}",
                f"{sorted(self._names)}",
                "load the state of the same class",
            )
        self._fitted = {name: np.array(state[name]) for name in self._names}
        return self

    def _known(self) -> dict[str, Array]:
        if not self._fitted:
            raise refusal(
                type(self).__name__,
                "nothing fitted",
                "fit() before this",
                "call fit(training_data) first, and only on the training part",
            )
        return self._fitted

    def __repr__(self) -> str:
        """Return the class, and whether it was fitted."""
        return f"<{type(self).__name__}, {'fitted' if self._fitted else 'not fitted'}>"


class _Rescaled(Preprocessor):
    """A shift and a scale: transformed = (data - center) / scale + low."""

    _names = ("center", "scale")

    def __init__(self, *, per: Per = "feature") -> None:
        super().__init__()
        if per not in ("feature", "channel", "array"):
            raise refusal(
                type(self).__name__,
                f"per={per!r}",
                "'feature', 'channel' or 'array'",
                "pass one of them",
            )
        self.per = per
        self.low = 0.0

    @abstractmethod
    def _measure(self, data: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
        """Return centre and scale over some axes, in float64; axes are kept."""

    def fit(self, data: ArrayLike) -> Self:
        """Learn centre and scale from the training data, and return this object.

        Parameters
        ----------
        data : array_like, shape (n, ...)
            Finite numbers, at least one row.

        Raises
        ------
        DataError
            The data hold nan or infinity, or no rows.
        """
        array = demand_rows(type(self).__name__, data)
        axes = {
            "feature": (0,),
            "channel": (0, *range(2, array.ndim)),
            "array": tuple(range(array.ndim)),
        }[self.per]
        center, scale = self._measure(array, axes)
        # A constant is only centred: 0 / 0 would make nan of it.
        most = array.max(axis=axes, keepdims=True)
        constant = most == array.min(axis=axes, keepdims=True)
        center = np.where(constant, most, center)
        scale = np.where(constant | (scale == 0), 1.0, scale)
        self._fitted = {"center": center[0].astype(np.float64), "scale": scale[0]}
        return self

    def transform(self, data: ArrayLike) -> Array:
        """Return the data rescaled.

        Parameters
        ----------
        data : array_like, shape (n, ...)
            As many features as were fitted; float32 and float64 keep their dtype, others become
            float64.

        Returns
        -------
        ndarray
            New, of the same shape.

        Raises
        ------
        DataError
            Nothing was fitted, the features do not agree, or there is nan or infinity.
        """
        center, scale, array = self._matched(data)
        kind = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
        # In place on one new array: a set of images is large.
        result = np.subtract(array, center, dtype=kind, casting="same_kind")
        result /= scale.astype(kind)
        if self.low:
            result += kind.type(self.low)
        return result

    def inverse(self, data: ArrayLike) -> Array:
        """Return rescaled data as they were before.

        Parameters
        ----------
        data : array_like, shape (n, ...)
            As `transform` returned them, or a net's predictions of them.

        Raises
        ------
        DataError
            As for `transform`.
        """
        center, scale, array = self._matched(data)
        kind = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
        result = np.subtract(array, self.low, dtype=kind, casting="same_kind")
        result *= scale.astype(kind)
        result += center.astype(kind)
        return result

    def _matched(self, data: ArrayLike) -> tuple[Array, Array, Array]:
        """Return centre, scale, and the data, once they go together."""
        fitted = self._known()
        array = demand_rows(type(self).__name__, data)
        center, scale = fitted["center"], fitted["scale"]
        wanted = center.shape
        fits = array.ndim == center.ndim + 1 and all(
            a == b or (b == 1 and self.per != "feature")
            for a, b in zip(array.shape[1:], wanted, strict=True)
        )
        if not fits:
            raise refusal(
                type(self).__name__,
                f"data of shape {array.shape}",
                f"(n, {', '.join(map(str, wanted))}) as fitted" if wanted else "(n,) as fitted",
                "transform what has the same features, in the same order, as the training data",
            )
        return center, scale, array


class Standardize(_Rescaled):
    r"""Each feature with mean 0 and standard deviation 1: :math:`(x - \mu) / \sigma`.

    Parameters
    ----------
    per : {"feature", "channel", "array"}
        One mean and deviation for each place behind the first axis; for each place of axis 1, as
        for the channels of images (n, channels, height, width); or for all numbers together.

    Raises
    ------
    DataError
        `per` is something else.

    Notes
    -----
    :math:`\sigma` is over n, not n - 1. A constant feature is not divided: it becomes 0, and comes
    back.

    Examples
    --------
    >>> scaler = Standardize().fit([[1.0, 5.0], [3.0, 5.0]])
    >>> scaler.transform([[5.0, 5.0]]).tolist()
    [[3.0, 0.0]]
    """

    def _measure(self, data: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
        count = data.size // max(1, np.delete(data.shape, axes).prod(dtype=np.int64))
        mean = data.sum(axis=axes, keepdims=True, dtype=np.float64) / count
        # Block by block: the differences of all rows at once would be a float64 copy of the data.
        rows = max(1, BLOCK // max(1, data[0].size))
        squares = np.zeros_like(mean)
        for start in range(0, len(data), rows):
            squares += ((data[start : start + rows] - mean) ** 2).sum(axis=axes, keepdims=True)
        return mean, np.sqrt(squares / count)


class Normalize(_Rescaled):
    r"""Each feature from `low` to `high`: :math:`(x - \min) / (\max - \min)`, stretched to them.

    Parameters
    ----------
    low, high : float
        Where the smallest and the largest value of the training data go. Other data may lie
        outside.
    per : {"feature", "channel", "array"}
        As for `Standardize`.

    Raises
    ------
    DataError
        An argument is not as described.

    Examples
    --------
    >>> Normalize(-1, 1).fit([[0.0], [10.0]]).transform([[5.0], [20.0]]).tolist()
    [[0.0], [3.0]]
    """

    def __init__(self, low: float = 0.0, high: float = 1.0, *, per: Per = "feature") -> None:
        super().__init__(per=per)
        self.low = demand_number("Normalize", "low", low)
        self.high = demand_number("Normalize", "high", high)
        if self.high <= self.low:
            raise refusal("Normalize", f"low={low!r}, high={high!r}", "low < high", "exchange them")

    def _measure(self, data: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
        least = data.min(axis=axes, keepdims=True).astype(np.float64)
        most = data.max(axis=axes, keepdims=True).astype(np.float64)
        return least, (most - least) / (self.high - self.low)


class PCA(Preprocessor):
    r"""Principal components: the directions in which the training data vary most.

    The covariance :math:`C = \frac1n \sum (x-\mu)(x-\mu)^\top = V \Lambda V^\top` has its
    eigenvalues in falling order; the result is :math:`(x - \mu)V`, and, whitened,
    :math:`(x - \mu)V\Lambda^{-1/2}`, so that all components have deviation 1 and are uncorrelated.

    Parameters
    ----------
    components : int, optional
        How many directions are kept; all by default.
    whiten : bool
        Divide each component by its deviation.
    epsilon : float
        Added to the variances before whitening: a direction without variance is not blown up.

    Raises
    ------
    DataError
        An argument is not as described.
    """

    _names = ("mean", "directions", "variances")

    def __init__(
        self, components: int | None = None, *, whiten: bool = False, epsilon: float = 1e-5
    ) -> None:
        super().__init__()
        self.components = (
            None if components is None else demand_count("PCA", "components", components, 1)
        )
        self.whiten = bool(whiten)
        self.epsilon = demand_number("PCA", "epsilon", epsilon, 0)

    def fit(self, data: ArrayLike) -> Self:
        """Learn mean and directions from the training data, and return this object.

        Parameters
        ----------
        data : array_like, shape (n, features)
            Finite numbers.

        Raises
        ------
        DataError
            The data are not as described, or there are fewer features than components.
        """
        array = demand_rows("PCA", data, ndim=2)
        features = array.shape[-1]
        if array.ndim != 2 or features < (self.components or 1):
            raise refusal(
                "PCA",
                f"data of shape {array.shape}",
                f"(n, features) with at least {self.components or 1} features",
                "flatten the samples, or take fewer components",
            )
        mean = array.mean(axis=0, dtype=np.float64)
        covariance = np.zeros((features, features))
        rows = max(1, BLOCK // features)
        for start in range(0, len(array), rows):
            difference = array[start : start + rows] - mean
            covariance += difference.T @ difference
        variances, directions = np.linalg.eigh(covariance / len(array))
        keep = slice(None, self.components)
        directions = directions[:, ::-1][:, keep]
        # An eigenvector is one up to its sign: the largest entry is made positive.
        largest = np.abs(directions).argmax(axis=0)
        directions = directions * np.sign(directions[largest, np.arange(directions.shape[1])])
        variances = np.maximum(variances[::-1][keep], 0)
        self._fitted = {"mean": mean, "directions": directions, "variances": variances}
        return self

    def transform(self, data: ArrayLike) -> Array:
        """Return the components of the data, (n, components).

        Raises
        ------
        DataError
            Nothing was fitted, the features do not agree, or there is nan or infinity.
        """
        fitted = self._known()
        array = self._matched(data, len(fitted["mean"]))
        result = (array - fitted["mean"]) @ fitted["directions"]
        return self._like(array, result / self._deviations())

    def inverse(self, data: ArrayLike) -> Array:
        """Return the data that have these components, (n, features).

        Raises
        ------
        DataError
            As for `transform`.
        """
        fitted = self._known()
        array = self._matched(data, len(fitted["variances"]))
        result = (array * self._deviations()) @ fitted["directions"].T + fitted["mean"]
        return self._like(array, result)

    def _deviations(self) -> Array:
        variances = self._known()["variances"]
        return np.sqrt(variances + self.epsilon) if self.whiten else np.ones_like(variances)

    def _matched(self, data: ArrayLike, features: int) -> Array:
        array = demand_rows("PCA", data, ndim=2)
        if array.shape[1:] != (features,):
            raise refusal(
                "PCA",
                f"data of shape {array.shape}",
                f"(n, {features}) as fitted",
                "use the same features, in the same order, as in the training data",
            )
        return array

    @staticmethod
    def _like(array: Array, result: Array) -> Array:
        return result.astype(array.dtype if array.dtype.kind == "f" else np.float64)


class OneHot(Preprocessor):
    """Words or numbers of a few kinds, as rows with a single 1.

    Parameters
    ----------
    unknown : {"refuse", "zeros"}
        What becomes of a value that was not in the training data: an error, or a row of zeros.
    dtype : dtype
        Of the rows.

    Raises
    ------
    DataError
        `unknown` is something else.

    Examples
    --------
    >>> coder = OneHot().fit(["red", "blue", "red"])
    >>> coder.transform(["blue", "red"]).tolist(), coder.inverse([[0.2, 0.8]]).tolist()
    ([[1.0, 0.0], [0.0, 1.0]], ['red'])
    """

    _names = ("categories",)

    def __init__(
        self,
        *,
        unknown: Literal["refuse", "zeros"] = "refuse",
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        if unknown not in ("refuse", "zeros"):
            raise refusal("OneHot", f"unknown={unknown!r}", "'refuse' or 'zeros'", "pass one")
        self.unknown = unknown
        self.dtype = np.dtype(dtype)

    @property
    def categories(self) -> Array:
        """The values that have a column, in order."""
        return self._known()["categories"]

    def fit(self, data: ArrayLike) -> Self:
        """Learn the categories from the training data, and return this object.

        Parameters
        ----------
        data : array_like, shape (n,)
            Words, integers or truth values.

        Raises
        ------
        DataError
            The data are something else, or none.
        """
        array = self._values(data)
        if len(array) == 0:
            raise refusal("OneHot", "no values", "at least one", "fit on the training part")
        self._fitted = {"categories": np.unique(array)}
        return self

    def transform(self, data: ArrayLike) -> Array:
        """Return rows (n, categories), 1 in the column of each value.

        Raises
        ------
        DataError
            Nothing was fitted, or a value was not in the training data.
        """
        categories = self.categories
        array = self._values(data)
        place = np.searchsorted(categories, array)
        known = categories[np.minimum(place, len(categories) - 1)] == array
        if self.unknown == "refuse" and not known.all():
            raise refusal(
                "OneHot",
                f"the value {array[~known][0].item()!r}",
                f"one of {len(categories)} that were fitted",
                "fit on data with every category, or pass unknown='zeros'",
            )
        rows = np.zeros((len(array), len(categories)), self.dtype)
        rows[np.flatnonzero(known), place[known]] = 1
        return rows

    def inverse(self, data: ArrayLike) -> Array:
        """Return the category with the largest number of each row, (n,).

        Raises
        ------
        DataError
            Nothing was fitted, or the rows have another number of columns.
        """
        categories = self.categories
        array = demand_rows("OneHot", data, ndim=2)
        if array.shape[1:] != categories.shape:
            raise refusal(
                "OneHot",
                f"rows of shape {array.shape}",
                f"(n, {len(categories)})",
                "pass what transform returned, or scores of as many classes",
            )
        values: Array = categories[array.argmax(axis=1)]
        return values

    def _values(self, data: ArrayLike) -> Array:
        array = np.asarray(data)
        if array.ndim != 1 or array.dtype.kind not in "buiU":
            raise refusal(
                "OneHot",
                f"{array.dtype} of shape {array.shape}",
                "words or integers of shape (n,)",
                "pass one column at a time",
            )
        return array


def one_hot(
    labels: ArrayLike, classes: int | None = None, *, dtype: DTypeLike = np.float32
) -> Array:
    """Return labels as rows with a single 1.

    Parameters
    ----------
    labels : array_like of int, shape (...)
        Numbers of classes, from 0.
    classes : int, optional
        How many there are; one more than the largest label by default.
    dtype : dtype
        Of the result.

    Returns
    -------
    ndarray, shape (..., classes)

    Raises
    ------
    DataError
        A label is no integer from 0 to classes - 1.

    Examples
    --------
    >>> one_hot([1, 0, 2]).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    array = np.asarray(labels)
    if classes is not None:
        classes = demand_count("one_hot", "classes", classes, 1)
    if array.dtype.kind not in "iu" or (classes is None and array.size == 0):
        raise refusal(
            "one_hot",
            f"{array.dtype} of shape {array.shape}",
            "integers, or classes=",
            "turn words into numbers with OneHot().fit(words)",
        )
    least, most = array.min(initial=0), array.max(initial=0)
    count = int(most) + 1 if classes is None else classes
    if least < 0 or most >= count:
        raise refusal(
            "one_hot",
            f"labels from {array.min()} to {array.max()}",
            f"0 to {count - 1}",
            "count classes from 0, or pass a larger number of classes",
        )
    rows: Array = np.zeros((array.size, count), dtype)
    rows[np.arange(array.size), array.reshape(-1)] = 1
    return rows.reshape(*array.shape, count)
