"""What every experiment of this folder shares: its options, its pictures, and its figures.

An experiment is a file with a `main` that works inside ``with Experiment(__doc__, __file__)``. It
knows three options: ``--quick`` for a form of a few seconds, ``--out FOLDER`` for the pictures and
the figures, ``--seed N``. What it found is printed, and written as ``NAME.json`` beside the
pictures ``NAME.png``.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from tinygrad_edu.files import write_whole
from tinygrad_edu.plots import PALETTE, demand_matplotlib
from tinygrad_edu.train import one_thread

__all__ = ["ORANGE", "PALETTE", "Experiment", "pyplot"]

RESULTS = Path(__file__).parents[2] / "docs" / "book" / "results"
"""Where the figures of full runs are kept."""
ORANGE = PALETTE[1]
STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "savefig.dpi": 130,
}


def pyplot() -> Any:
    """Return matplotlib.pyplot, drawing to files, in the one style of all experiments.

    Raises
    ------
    DiagramError
        Matplotlib is not installed.
    """
    demand_matplotlib()
    import matplotlib
    from matplotlib import cycler, pyplot

    matplotlib.use("Agg")
    pyplot.rcParams.update({**STYLE, "axes.prop_cycle": cycler(color=PALETTE)})
    return pyplot


class Experiment:
    """One run of an experiment: read its options, then keep and tell what it finds.

    Parameters
    ----------
    doc : str
        The experiment's docstring; its first line is the help's.
    file : str
        Its ``__file__``, which names what is written.
    arguments : list of str, optional
        Those of the process by default.

    Attributes
    ----------
    quick : bool
        Whether a few seconds must do.
    seed : int
        Of all random numbers.
    out : Path
        The folder for what is written.
    """

    def __init__(self, doc: str | None, file: str, arguments: list[str] | None = None) -> None:
        self.name = Path(file).stem
        title = (doc or "").strip().splitlines()[0]
        self._full = _seconds_of_a_full_run(self.name)
        took = "" if self._full is None else f"; it took {self._full:g} s of processor time"
        parser = argparse.ArgumentParser(
            description=title,
            epilog=f"A full run is kept in docs/book/results/{self.name}.json{took}.",
        )
        parser.add_argument("--quick", action="store_true", help="a form of a few seconds")
        parser.add_argument("--out", type=Path, default=Path("runs/book"), metavar="FOLDER")
        parser.add_argument("--seed", type=int, default=0, metavar="N")
        options = parser.parse_args(arguments)
        self.quick, self.seed, self.out = options.quick, options.seed, options.out
        self.title = title.rstrip(".")
        self.figures: list[dict[str, Any]] = []
        self.pictures: list[str] = []

    def __enter__(self) -> Self:
        self._start = _processor_time()
        self._threads = one_thread()
        self._threads.__enter__()
        print(f"{self.title}{' (quick form)' if self.quick else ''}", flush=True)
        if not self.quick and self._full is not None:
            self.stage(f"the full run that is kept took {self._full:g} s of processor time")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.__exit__(kind, error, trace)
        if error is not None:
            return
        seconds = round(_processor_time() - self._start, 1)
        content = {
            "title": self.title,
            "quick": self.quick,
            "seed": self.seed,
            "seconds": seconds,
            "pictures": self.pictures,
            "figures": self.figures,
        }
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        self._write(f"{self.name}.json", text.encode())
        print(
            f"{seconds} s of processor time; {self.out / self.name}.json and "
            f"{len(self.pictures)} picture{'' if len(self.pictures) == 1 else 's'}"
        )

    def figure(
        self,
        number: str | None,
        what: str,
        *,
        ours: Any,
        source: Any = None,
        accept: tuple[float | None, float | None] | None = None,
    ) -> None:
        """Keep and print one figure beside that of its source.

        Parameters
        ----------
        number : str or None
            The acceptance figure it stands for, such as ``"S12"``.
        what : str
            What was measured.
        ours : number, str, or array_like of numbers
            What this run found.
        source : the same, optional
            What the article or the book says.
        accept : (lowest, highest), optional
            Between which `ours` must be; None for no bound.
        """
        found = _plain(ours)
        entry = {
            "number": number,
            "what": what,
            "source": _plain(source),
            "ours": found,
            "accept": None if accept is None else list(accept),
        }
        self.figures.append(entry)
        whose = "source, for the full form" if self.quick else "source"
        beside = "" if source is None else f"   ({whose}: {shown(entry['source'])})"
        print(f"  {what}: {shown(found)}{beside}", flush=True)

    def stage(self, what: str) -> None:
        """Print what comes next, at once, so that a long run is not silent."""
        print(f"- {what}", flush=True)

    def picture(self, figure: Any, more: str = "") -> None:
        """Write a Matplotlib figure as ``NAME.png``, or ``NAME_more.png``, and close it."""
        name = f"{self.name}{'_' if more else ''}{more}.png"
        self.out.mkdir(parents=True, exist_ok=True)
        # Without the version of Matplotlib, equal pictures are equal files.
        figure.savefig(self.out / name, metadata={"Software": None})
        pyplot().close(figure)
        self.pictures.append(name)

    def _write(self, name: str, data: bytes) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        write_whole(self.out / name, lambda file: file.write(data))


def _processor_time() -> float:
    """Return the seconds that this process and its ended children have computed.

    Other programs on the machine do not change it, as they change the time on the wall.
    """
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _seconds_of_a_full_run(name: str) -> float | None:
    """Return how long the full run took whose figures are kept, or None if none can be read."""
    try:
        kept = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        return None if kept["quick"] else float(kept["seconds"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def shown(value: Any) -> str:
    """Return a figure as text: numbers with six digits."""
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    """Return a figure as JSON knows it."""
    if isinstance(value, (np.ndarray, np.generic, tuple)):
        return np.asarray(value).tolist()
    return value
