"""Images: filters, weights of a layer, pictures that a net took for something else.

Many small images are put into one large array with gaps between them, which is drawn at once: a
picture of a hundred digits takes no longer than one of a digit.

Knows: arrays of pixels or weights. Does not know: layers, or data sets.
Read next: ``confusion.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.errors import DiagramError
from tinygrad_edu.plots.look import Sheet, drawing, plain, shortened
from tinygrad_edu.plots.plot import Plot

__all__ = ["filters", "image_rows", "mistakes", "weights"]

Array = np.ndarray[Any, Any]


def filters(weight: Any, *, most: int = 64, title: str = "", theme: str = "light") -> Plot:
    """Return the filters of a convolution as images, all on one scale.

    Parameters
    ----------
    weight : array_like, shape (filters, channels, height, width)
        With one channel each filter is an image; with three, if all of them fit, the channels are
        red, green and blue; with others each filter is a row with an image for each channel.
    most : int
        Images at most; the first ones are taken.
    title : str
        A line above the picture.
    theme : {"light", "dark"}
        Colours.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, or the array has another number of axes.
    """
    array = np.asarray(weight, np.float64)
    if array.ndim != 4 or not array.size or most < 1:
        raise DiagramError(
            f"filters: found weights of shape {array.shape}, at most {most}; expected (filters, "
            "channels, height, width)\n  fix: pass conv.weight.numpy(), of a Conv2d"
        )
    count, channels, height, width = array.shape
    size = f"{height} × {width}"
    if channels == 1 or channels == 3:
        shown = array[:most]
        columns = _columns(len(shown))
        tiles = shown[:, 0] if channels == 1 else np.moveaxis(shown, 1, -1)
        said = f"{len(shown)} of {count} filters of {size}" if len(shown) < count else (
            f"{count} filters of {size}"
        )  # fmt: skip
        return _weights_as_tiles(tiles, columns, said, title, theme)
    columns = min(channels, max(1, math.isqrt(most)))
    rows = min(count, max(1, most // columns))
    tiles = array[:rows, :columns].reshape(-1, height, width)
    said = f"{rows} of {count} filters of {size}, a row each: the first {columns} of {channels} "
    return _weights_as_tiles(tiles, columns, f"{said}channels", title, theme)


def weights(
    matrix: Any,
    shape: tuple[int, ...] | None = None,
    *,
    most: int = 64,
    title: str = "",
    theme: str = "light",
) -> Plot:
    """Return the weights of a fully connected layer: an image for each unit, or the whole matrix.

    Parameters
    ----------
    matrix : array_like, shape (inputs, units)
        The weights.
    shape : tuple of int, optional
        What the inputs are: (height, width), or (channels, height, width) with 1 or 3 channels.
        Then the weights of each unit are an image. By default the matrix is drawn as it is.
    most : int
        Units at most, if they are images.
    title : str
        A line above the picture.
    theme : {"light", "dark"}
        Colours.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, or the shapes do not go together.
    """
    array = np.asarray(matrix, np.float64)
    if array.ndim != 2 or not array.size or most < 1:
        raise DiagramError(
            f"weights: found shape {array.shape}, at most {most}; expected (inputs, units)\n"
            "  fix: pass layer.weight.numpy(), of a Linear"
        )
    inputs, units = array.shape
    if shape is not None:
        sides = tuple(shape)[-2:]
        channels = math.prod(shape) // max(1, math.prod(sides))
        if math.prod(shape) != inputs or channels not in (1, 3) or len(sides) != 2:
            raise DiagramError(
                f"weights: {inputs} inputs are no images of shape {tuple(shape)}\n"
                "  fix: shape=(28, 28) goes with 784 inputs"
            )
        shown = array.T[:most].reshape(-1, channels, *sides)
        tiles = shown[:, 0] if channels == 1 else np.moveaxis(shown, 1, -1)
        head = f"{len(tiles)} of {units}" if len(tiles) < units else f"{units}"
        said = f"weights of {head} units as images of {sides[0]} × {sides[1]}"
        return _weights_as_tiles(tiles, _columns(len(tiles)), said, title, theme)
    with drawing(theme) as sheet:
        figure = sheet.figure(7, min(4.8, max(2.4, 6.2 * inputs / units + 0.9)))
        axes = figure.subplots()
        edge = _reach(array)
        image = axes.imshow(
            array, cmap=sheet.signed, vmin=-edge, vmax=edge, aspect="auto", interpolation="nearest"
        )
        axes.grid(visible=False)
        axes.set_xlabel("unit")
        axes.set_ylabel("input")
        _bar(sheet, figure, image, axes)
        said = f"{inputs:,} × {units:,} weights"
        axes.set_title(plain(", ".join(filter(None, [title, said]))), loc="left")
    return Plot(figure, f"Map of {said}: inputs down, units to the right.", theme)


def _weights_as_tiles(tiles: Array, columns: int, said: str, title: str, theme: str) -> Plot:
    """Return images of signed numbers on one scale; those with three channels are colours."""
    rows = math.ceil(len(tiles) / columns)
    edge = _reach(tiles)
    with drawing(theme) as sheet:
        size = min(0.7, 6.2 / columns)
        figure = sheet.figure(
            max(columns * size + 0.9, 3.4), max(rows * size * tiles.shape[1] / tiles.shape[2], 0.8)
            + 0.45,
        )  # fmt: skip
        axes = figure.subplots()
        gap = 1 if tiles.shape[1] < 16 else 2
        if tiles.ndim == 4:
            page = _hex(sheet.look.background)
            axes.imshow(
                mosaic(0.5 + tiles / (2 * edge), columns, gap, page), interpolation="nearest"
            )
        else:
            image = axes.imshow(
                mosaic(tiles, columns, gap), cmap=sheet.signed, vmin=-edge, vmax=edge,
                interpolation="nearest",
            )  # fmt: skip
            _bar(sheet, figure, image, axes)
        sheet.as_image(axes)
        if tiles.ndim == 3:  # a filter of zeros would not be seen on the page
            _frames(sheet, axes, len(tiles), columns, tiles.shape[1:3], gap)
        axes.set_title(plain("\n".join(filter(None, [title, said]))), loc="left", fontsize=9)
    return Plot(figure, f"{title}{': ' if title else ''}{said}.", theme)


def mistakes(
    images: Any,
    labels: Any,
    answers: Any,
    probabilities: Any = None,
    *,
    classes: Sequence[str] | None = None,
    most: int = 24,
    title: str = "",
    theme: str = "light",
) -> Plot:
    """Return images that were taken for something else, the surest mistakes first.

    Parameters
    ----------
    images : array_like, shape (n, height, width) or (n, channels, height, width)
        With 1 or 3 channels; all of the images, or only those that were taken for another.
    labels, answers : array_like of int, shape (n,)
        What each is, and what it was taken for. Images with equal ones are left out.
    probabilities : array_like, shape (n,), optional
        How sure the net was of its answer, fractions in [0, 1].
    classes : sequence of str, optional
        Names of the classes; their numbers by default.
    most : int
        Images at most.
    title : str
        A line above the picture.
    theme : {"light", "dark"}
        Colours.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, or the arrays do not go together.
    """
    pictures, labels, answers = (
        _pictures("mistakes", images),
        np.asarray(labels),
        np.asarray(answers),
    )
    sure = None if probabilities is None else np.asarray(probabilities, np.float64)
    lengths = [len(pictures), len(labels), len(answers), *([] if sure is None else [len(sure)])]
    if len(set(lengths)) > 1:
        raise DiagramError(
            f"mistakes: found {' and '.join(map(str, lengths))} images, labels, answers and "
            "probabilities; expected one of each\n  fix: take all of them from the same set"
        )
    wrong = np.flatnonzero(labels != answers)
    if sure is not None:
        wrong = wrong[np.argsort(-sure[wrong], kind="stable")]
    shown = wrong[:most]
    total, count = f"{len(labels):,}", f"{len(wrong):,}"
    with drawing(theme) as sheet:
        columns = min(8, max(len(shown), 3))
        rows = max(1, math.ceil(len(shown) / columns))
        height, width = pictures.shape[1:3]
        size = 6.8 / columns
        figure = sheet.figure(7, rows * (size * height / width + 0.42) + 0.45)
        axes = figure.subplots()
        sheet.as_image(axes)
        side = round(width / 12)
        above = round((0.42 / size) * width)
        if len(shown):
            page = _hex(sheet.look.background)
            tiles = _coloured(pictures[shown])
            tiles = np.pad(tiles, ((0, 0), (above, 0), (0, 0), (0, 0)), constant_values=np.nan)
            axes.imshow(mosaic(tiles, columns, side, page), interpolation="nearest")
        for place, number in enumerate(shown):
            row, column = divmod(place, columns)
            left, top = column * (width + side), row * (height + above + side)
            true, said = (shortened(_named(classes, n[number]), 9) for n in (labels, answers))
            axes.text(left, top + 0.44 * above, f"{true} → {said}", fontsize=9, va="baseline",
                      fontweight="bold")  # fmt: skip
            if sure is not None:
                axes.text(left, top + 0.82 * above, f"{sure[number]:.1%}", fontsize=7.5,
                          va="baseline", color=sheet.look.grey)  # fmt: skip
        if not len(shown):
            axes.text(0.5, 0.5, "no mistakes", ha="center", va="center", fontsize=12)
        of = f"{len(shown)} of {count}" if len(shown) < len(wrong) else count
        said = f"{of} mistakes in {total}: what it is → what it was taken for"
        said += ", how sure" if sure is not None else ""
        axes.set_title(plain("\n".join(filter(None, [title, said]))), loc="left", fontsize=9)
    pairs = ", ".join(
        f"{_named(classes, labels[n])} taken for {_named(classes, answers[n])}" for n in shown[:8]
    )
    alt = f"{of} images that were taken for another class, of {total}{': ' if pairs else ''}{pairs}"
    return Plot(figure, f"{alt}{', …' if len(shown) > 8 else ''}.", theme)


def image_rows(rows: Mapping[str, Any], *, title: str = "", theme: str = "light") -> Plot:
    """Return images in rows, each row with its name, such as what transforms do to them.

    Parameters
    ----------
    rows : mapping of str to array_like, shape (n, height, width)
        Fractions in [0, 1]; every row has the same number of images of the same size.
    title : str
        A line above the picture.
    theme : {"light", "dark"}
        Colours.

    Raises
    ------
    DiagramError
        Matplotlib is not installed, or the rows differ in shape.
    """
    arrays = {name: _pictures("image_rows", images) for name, images in rows.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) != 1 or not all(min(shape) for shape in shapes):
        raise DiagramError(
            f"image_rows: found shapes {sorted(shapes)}; expected one for all rows, with images\n"
            "  fix: pass as many images of the same size in every row"
        )
    (count, height, width, _), *_ = shapes
    with drawing(theme) as sheet:
        size, head = 0.62, 0.4 if title else 0.05
        wide, high = max(size * count + 0.9, 3), size * height / width * len(rows) + head
        figure = sheet.figure(wide, high, layout=None)
        axes = figure.add_axes((0.9 / wide, 0.005, 0.995 - 0.9 / wide, 1 - (head + 0.01) / high))
        sheet.as_image(axes)
        gap = max(1, round(width / 20))
        tiles = _coloured(np.concatenate(list(arrays.values())))
        page = _hex(sheet.look.background)
        axes.imshow(mosaic(tiles, count, gap, page), interpolation="nearest", aspect="auto")
        middles = (height + gap) * np.arange(len(rows)) + (height - 1) / 2
        axes.set_yticks(middles, [shortened(name, 14) for name in rows], fontsize=9)
        axes.tick_params(length=0)
        if title:
            figure.suptitle(plain(title), fontsize=10)
    said = f"{count} images in {len(rows)} rows: {', '.join(rows)}."
    return Plot(figure, f"{title}. {said}" if title else said, theme)


# ------------------------------------------------------------------------------ their parts


def mosaic(tiles: Array, columns: int, gap: int, page: tuple[float, ...] | None = None) -> Array:
    """Return tiles in rows as one array, with gaps of nan, or of the colour of the page.

    Parameters
    ----------
    tiles : ndarray, shape (n, height, width) or (n, height, width, 3)
        The images; nan in colours becomes the colour of the page.
    columns, gap : int
        Tiles in a row, and pixels between them.
    page : tuple of float, optional
        Red, green and blue, for tiles of colours.
    """
    count, height, width = tiles.shape[:3]
    rows = math.ceil(count / columns)
    whole = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, *tiles.shape[3:]), np.nan
    )
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top, left = row * (height + gap), column * (width + gap)
        whole[top : top + height, left : left + width] = tile
    return whole if page is None else np.clip(np.where(np.isnan(whole), page, whole), 0, 1)


def _frames(
    sheet: Sheet, axes: Any, count: int, columns: int, sides: tuple[int, ...], gap: int
) -> None:
    """Draw a thin frame around each tile."""
    height, width = sides
    for number in range(count):
        row, column = divmod(number, columns)
        left, top = column * (width + gap) - 0.5, row * (height + gap) - 0.5
        xs, ys = (left, left + width), (top, top + height)
        axes.plot(
            [xs[0], xs[1], xs[1], xs[0], xs[0]], [ys[0], ys[0], ys[1], ys[1], ys[0]],
            color=sheet.look.grid, linewidth=0.6,
        )  # fmt: skip


def _bar(sheet: Sheet, figure: Any, image: Any, axes: Any) -> None:
    bar = figure.colorbar(image, ax=axes, label="weight", aspect=30, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)
    bar.ax.yaxis.set_major_locator(sheet.ticker("MaxNLocator", 5, symmetric=True))


def _reach(array: Array) -> float:
    """Return the number that the ends of the scale stand for: a few outliers do not stretch it."""
    sizes = np.abs(array[np.isfinite(array)])
    return float(np.quantile(sizes, 0.998)) if sizes.any() else 1.0


def _columns(count: int) -> int:
    """Return how many tiles go into a row: about twice as many as there are rows."""
    return min(count, max(4, math.ceil(math.sqrt(2 * count))))


def _pictures(who: str, images: Any) -> Array:
    """Return images as an array of shape (n, height, width, 1 or 3)."""
    array = np.asarray(images, np.float64)
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise DiagramError(
            f"{who}: found images of shape {np.shape(images)}; expected (n, height, width), or "
            "(n, channels, height, width) with 1 or 3 channels\n"
            "  fix: give pictures in a row their shape: images.reshape(-1, 28, 28)"
        )
    return np.moveaxis(array, 1, -1)


def _coloured(pictures: Array) -> Array:
    """Return pictures of 1 or 3 channels as red, green and blue."""
    return np.broadcast_to(pictures, (*pictures.shape[:3], 3))


def _hex(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _named(classes: Sequence[str] | None, number: Any) -> str:
    return str(number) if classes is None else str(classes[int(number)])
