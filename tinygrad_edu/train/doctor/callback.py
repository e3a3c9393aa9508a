"""The callback that calls the doctor during a training.

Knows: a trainer and its loader. Does not know: what is looked for. Read next: ``signs.py`` for
that, ``train/callbacks.py`` for what a callback is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from tinygrad_edu.errors import TrainingError
from tinygrad_edu.train.callbacks import Callback
from tinygrad_edu.train.doctor.finding import Finding, report
from tinygrad_edu.train.doctor.signs import diagnose

if TYPE_CHECKING:
    from tinygrad_edu.train.trainer import Trainer

CAUSES = ("inputs not scaled", "learning rate too large")
"""What ruins a net within a few steps, the first of them first."""
DRIVEN = (
    "learning rate too large",
    "dead units",
    "saturated units",
    "gradients all zero",
    "constant output",
    "nan or inf in parameters",
    "nan or inf in activations",
    "nan or inf in gradients",
)
"""What comes of them; a rate that is measured on a ruined net tells nothing of a good one."""


class GradientDoctor(Callback):
    """Diagnose the net at the start of a training, after its first epoch, and at its end.

    Each time it looks at the batches that come next; the loader is put back, so that the training
    is the same with and without it, bit for bit.

    Parameters
    ----------
    every : int, optional
        Look every so many iterations too.
    batches : int
        Batches to look at, at least 1; only units that are dead on all of them are told.
    tell : callable, optional
        What the report is given to, a text; ``trainer.tell`` by default.

    Attributes
    ----------
    found : list of (int, list of Finding)
        Iteration and findings of each time.

    Raises
    ------
    TrainingError
        `every` or `batches` is no integer of at least 1.
    """

    steers = False

    def __init__(
        self,
        every: int | None = None,
        *,
        batches: int = 2,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        for name, value in (("every", every), ("batches", batches)):
            right = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if not right and not (name == "every" and value is None):
                raise TrainingError(
                    f"GradientDoctor: found {name}={value!r}; expected an integer of at least 1\n"
                    f"  fix: leave {name}= out"
                )
        self.every, self.batches, self._tell = every, batches, tell
        self.found: list[tuple[int, list[Finding]]] = []
        self._past = 0  # entries of `found` that are of earlier runs

    def begin(self, trainer: Trainer) -> None:
        """Look at the net before the first step."""
        self._past = len(self.found)
        resumed = trainer.iteration > 0
        self._look(trainer, f"at iteration {trainer.iteration}" if resumed else "at the start")

    def iteration(self, trainer: Trainer) -> None:
        """Look after the first epoch, and where `every` says so."""
        if trainer.iteration == len(trainer.loader):
            self._look(trainer, "after the first epoch")
        elif self.every is not None and trainer.iteration % self.every == 0:
            self._look(trainer, f"at iteration {trainer.iteration}")

    def end(self, trainer: Trainer) -> None:
        """Look at what came out."""
        if not self.found or self.found[-1][0] != trainer.iteration:
            self._look(trainer, "at the end")

    def _look(self, trainer: Trainer, when: str) -> None:
        loader = trainer.loader
        state = loader.state_dict()
        batch, *more = [loader.sample() for _ in range(self.batches)]
        loader.load_state_dict(state)
        findings = diagnose(
            trainer.model, trainer.loss, *batch, optimizer=trainer.optimizer, more=more
        )
        if trainer.iteration > len(loader) or getattr(trainer, "schedule", None) is not None:
            # A schedule begins and ends with steps of almost nothing, on purpose.
            findings = [f for f in findings if f.kind != "learning rate too small"]
        findings = self._explained(findings)
        self.found.append((trainer.iteration, findings))
        tell = trainer.tell if self._tell is None else self._tell
        tell(f"{when}: {report(findings)}" if not findings else f"{when}:\n{report(findings)}")

    def _explained(self, findings: list[Finding]) -> list[Finding]:
        """Return findings; the fix of what an earlier one of this run has led to is that one's."""
        earlier = [f for _, before in self.found[self._past :] for f in before]
        causes = [f for kind in CAUSES for f in earlier if f.kind == kind]
        if not causes:
            return findings
        fix = f"begin with what was found before, {causes[0].kind}: {causes[0].fix}"
        return [replace(f, fix=fix) if f.kind in DRIVEN else f for f in findings]
