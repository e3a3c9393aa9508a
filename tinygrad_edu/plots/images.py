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
from tinygrad_edu.plots.given import Array, drawable, numbers
from tinygrad_edu.plots.look import Sheet, counted, drawing, plain, shortened
from tinygrad_edu.plots.plot import Plot

__all__ = ["filters", "image_rows", "mistakes", "weights"]


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
    fix = "pass conv.weight.numpy(), of a Conv2d"
    array = numbers("filters", weight, fix)
    if array.ndim != 4 or not array.size or most < 1:
        raise DiagramError(
            f"filters: found weights of shape {array.shape}, at most {most}; expected (filters, "
            f"channels, height, width)\n  fix: {fix}"
        )
    count, channels, height, width = array.shape
    size = f"{height} × {width}"
    if channels == 1 or channels == 3:
        shown = array[:most]
        columns = _columns(len(shown))
        tiles = shown[:, 0] if channels == 1 else np.moveaxis(shown, 1, -1)
        few = f"{len(shown)} of " if len(shown) < count else ""
        said = f"{few}{counted(count, 'filter')} of {size}"
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
    fix = "pass layer.weight.numpy(), of a Linear"
    array = numbers("weights", matrix, fix)
    if array.ndim != 2 or not array.size or most < 1:
        raise DiagramError(
            f"weights: found shape {array.shape}, at most {most}; expected (inputs, units)\n"
            f"  fix: {fix}"
        )
    inputs, units = array.shape
    if shape is not None:
        sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
        channels, *sides = sizes if len(sizes) == 3 else (1, *sizes)
        if math.prod(sizes) != inputs or channels not in (1, 3) or len(sides) != 2:
            raise DiagramError(
                f"weights: {inputs} inputs are no images of shape {shape}\n"
                "  fix: shape=(28, 28) goes with 784 inputs"
            )
        shown = array.T[:most].reshape(-1, channels, *sides)
        tiles = shown[:, 0] if channels == 1 else np.moveaxis(shown, 1, -1)
        few = f"{len(tiles)} of " if len(tiles) < units else ""
        said = f"weights of {few}{counted(units, 'unit')} as images of {sides[0]} × {sides[1]}"
        return _weights_as_tiles(tiles, _columns(len(tiles)), said, title, theme)
    with drawing(theme) as sheet:
        figure = sheet.figure(7, min(4.8, max(2.4, 6.2 * inputs / units + 0.9)))
        axes = figure.subplots()
        edge = _reach(array)
        image = axes.imshow(
            drawable(array), cmap=sheet.signed, vmin=-edge, vmax=edge, aspect="auto",
            interpolation="nearest",
        )  # fmt: skip
        axes.grid(visible=False)
        axes.set_xlabel("unit")
        axes.set_ylabel("input")
        _bar(sheet, figure, image, axes)
        said = f"{inputs:,} × {units:,} weights"
        sheet.headed(axes, ", ".join(filter(None, [title, said])))
    return Plot(figure, f"Map of {said}: inputs down, units to the right.", theme)


def _weights_as_tiles(tiles: Array, columns: int, said: str, title: str, theme: str) -> Plot:
    """Return images of signed numbers on one scale; those with three channels are colours."""
    rows, tiles = math.ceil(len(tiles) / columns), drawable(tiles)
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
        sheet.headed(axes, title, said)
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
    pictures = _pictures("mistakes", images)
    labels, answers = np.asarray(labels), np.asarray(answers)
    fix = "pass the largest probability of each row"
    sure = None if probabilities is None else numbers("mistakes", probabilities, fix)
    given = [labels, answers, *([] if sure is None else [sure])]
    if any(array.shape != (len(pictures),) for array in given):
        raise DiagramError(
            f"mistakes: found {len(pictures)} images, and labels, answers and probabilities of "
            f"shapes {', '.join(str(array.shape) for array in given)}; expected one for each image"
            "\n  fix: take all of them from the same set; answers are logits.argmax(axis=1)"
        )
    wrong = np.flatnonzero(labels != answers)
    if sure is not None:
        wrong = wrong[np.argsort(-sure[wrong], kind="stable")]
    shown = wrong[: max(most, 0)]
    words = [(_named(classes, labels[n]), _named(classes, answers[n])) for n in shown]
    odds = None if sure is None else sure[shown]
    of = f"{len(shown)} of {len(wrong):,}" if len(shown) < len(wrong) else f"{len(wrong):,}"
    said = f"{of} mistakes in {len(labels):,}: what it is → what it was taken for"
    said += ", how sure" if sure is not None else ""
    figure = _mistakes(pictures[shown], words, odds, (title, said), theme)
    pairs = ", ".join(f"{label} taken for {answer}" for label, answer in words[:8])
    alt = f"{of} images that were taken for another class, of {len(labels):,}"
    return Plot(
        figure, f"{alt}{': ' if pairs else ''}{pairs}{', …' if len(shown) > 8 else ''}.", theme
    )


def _mistakes(
    pictures: Array,
    words: Sequence[tuple[str, str]],
    odds: Array | None,
    head: tuple[str, str],
    theme: str,
) -> Any:
    """Return a figure of images, above each what it is, what it was taken for, and how sure."""
    short = all(len(label) + len(answer) < 8 for label, answer in words)
    lines = [
        [plain(f"{label} → {answer}")]
        if short
        else [shortened(label, 12), f"→ {shortened(answer, 11)}"]
        for label, answer in words
    ]
    if odds is not None:
        lines = [[*each, f"{share:.1%}"] for each, share in zip(lines, odds, strict=True)]
    with drawing(theme) as sheet:
        columns = min(8, max(len(pictures), 3))
        rows = max(1, math.ceil(len(pictures) / columns))
        height, width = pictures.shape[1:3]
        size, room = 6.8 / columns, 0.05 + 0.17 * max([1, *map(len, lines)])
        figure = sheet.figure(7, rows * (size * height / width + room) + 0.5)
        axes = figure.subplots()
        sheet.as_image(axes)
        side = round(width / 12)
        above = max(1, round(room / size * width))
        if len(pictures):
            tiles = np.pad(
                _coloured(pictures), ((0, 0), (above, 0), (0, 0), (0, 0)), constant_values=np.nan
            )
            page = _hex(sheet.look.background)
            axes.imshow(mosaic(tiles, columns, side, page), interpolation="nearest")
        else:
            axes.text(0.5, 0.5, "no mistakes", ha="center", va="center", fontsize=12)
        for place, each in enumerate(lines):
            row, column = divmod(place, columns)
            left, top = column * (width + side) - 0.5, row * (height + above + side) - 0.5
            for number, line in enumerate(each):
                sure = odds is not None and number == len(each) - 1
                axes.text(left, top + (number + 0.75) * above / len(each), line, va="baseline",
                          fontsize=9 if short and not sure else 7.5,
                          fontweight="normal" if sure else "bold",
                          color=sheet.look.grey if sure else sheet.look.text)  # fmt: skip
        sheet.headed(axes, *head)
    return figure


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
    if not isinstance(rows, Mapping):
        raise DiagramError(
            f"image_rows: found a {type(rows).__name__}; expected a mapping of names to images\n"
            "  fix: image_rows({'as it is': images})"
        )
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
        sheet.titled(figure, title, 10)
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
    fix = "give pictures in a row their shape: images.reshape(-1, 28, 28)"
    array = numbers(who, images, fix)
    shape = array.shape
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or array.shape[1] not in (1, 3) or not math.prod(array.shape[2:]):
        raise DiagramError(
            f"{who}: found images of shape {shape}; expected (n, height, width), or "
            f"(n, channels, height, width) with 1 or 3 channels\n  fix: {fix}"
        )
    return np.moveaxis(array, 1, -1)


def _coloured(pictures: Array) -> Array:
    """Return pictures of 1 or 3 channels as red, green and blue."""
    return np.broadcast_to(pictures, (*pictures.shape[:3], 3))


def _hex(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _named(classes: Sequence[str] | None, number: Any) -> str:
    """Return the name of a class, and its number if it has none."""
    known = classes is not None and 0 <= int(number) < len(classes)
    return str(classes[int(number)]) if classes is not None and known else str(number)
