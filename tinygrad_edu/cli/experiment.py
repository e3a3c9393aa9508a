"""An experiment: from settings to a trainer at its start.

Knows: which nets, optimizers and schedules have a name, and what is usual with each. Does not know:
folders, options, what is printed. Read next: `build`, the whole experiment on one page.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.cli.wrong import Wrong
from tinygrad_edu.core.switch import no_grad
from tinygrad_edu.data import (
    Brightness,
    Compose,
    Contrast,
    DataLoader,
    Elastic,
    Erase,
    ImageSet,
    Noise,
    Rotate,
    Scale,
    Shear,
    Shift,
    load_images,
    load_mnist,
)
from tinygrad_edu.data.mnist import SIDE
from tinygrad_edu.errors import TargetError
from tinygrad_edu.models import (
    DeepConvNet,
    MultiLayerNet,
    Prepared,
    RecurrentClassifier,
    SimpleConvNet,
    TwoLayerNet,
)
from tinygrad_edu.nn import CrossEntropyLoss, Module, get_default_dtype
from tinygrad_edu.optim import (
    LAMB,
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    ClipGradNorm,
    CosineAnnealingLR,
    ExponentialLR,
    NAdam,
    OneCycleLR,
    Optimizer,
    RAdam,
    RMSProp,
    StepLR,
)
from tinygrad_edu.targets import load_target, telling
from tinygrad_edu.train import Callback, EarlyStopping, Progress, Trainer

__all__ = [
    "AUGMENTATIONS",
    "NETS",
    "OPTIMIZERS",
    "SCHEDULES",
    "SETTINGS",
    "Settings",
    "build",
    "build_net",
    "completed",
    "net_name",
    "read_images",
    "rule_name",
    "viewed",
]

Array = np.ndarray[Any, Any]
Settings = dict[str, Any]

HELD_OUT = 5_000
"""Training images that decide when to stop, with ``--patience``, instead of being trained on."""
LOOKED_AT = 10_000
"""Training images that the accuracy is measured on where measuring all would take long."""

SETTINGS: Settings = {
    "net": "two-layer",
    "hidden": None,
    "activation": None,
    "weights": None,
    "batch_norm": None,
    "dropout": None,
    "optimizer": None,
    "lr": None,
    "weight_decay": 0.0,
    "clip": None,
    "schedule": None,
    "batch_size": 100,
    "accumulate": 1,
    "epochs": None,
    "iterations": None,
    "augment": [],
    "preprocess": None,
    "patience": None,
    "data": None,
    "image": None,
    "classes": None,
    "workers": 0,
    "doctor": False,
    "log": [],
    "seed": 0,
}
"""What an experiment is made of; None stands for what is usual with the net. The shape of an image
and the names of the classes are those of the data."""


# ------------------------------------------------------------------------------ what has a name


class Net(NamedTuple):
    """A net that has a name."""

    build: Callable[[Mapping[str, Any], tuple[int, ...], int, np.random.Generator], Module]
    """From settings, shape of an input, number of classes and a generator."""
    reads: tuple[str, ...]
    """The settings of the net that it knows."""
    view: str
    """What one input is: "flat", all pixels in a row; "image", with a channel; "rows"."""
    usual: Settings
    """Settings where nothing else was said."""
    dear: bool = True
    """Whether a look at all training images takes long."""


def _two_layer(
    settings: Mapping[str, Any], shape: tuple[int, ...], classes: int, rng: np.random.Generator
) -> Module:
    if len(settings["hidden"]) != 1:
        raise Wrong("--net two-layer has one hidden layer; use --net mlp for more")
    (hidden,), weights = settings["hidden"], settings["weights"]
    return TwoLayerNet(
        shape[0],
        hidden,
        classes,
        activation=settings["activation"],
        weight=0.01 if weights is None else weights,
        rng=rng,
    )


def _mlp(
    settings: Mapping[str, Any], shape: tuple[int, ...], classes: int, rng: np.random.Generator
) -> Module:
    return MultiLayerNet(
        [*shape, *settings["hidden"], classes], activation=settings["activation"],
        weight=settings["weights"], batch_norm=bool(settings["batch_norm"]),
        dropout=settings["dropout"] or 0.0, rng=rng,
    )  # fmt: skip


def _simple_conv(
    settings: Mapping[str, Any], shape: tuple[int, ...], classes: int, rng: np.random.Generator
) -> Module:
    weights = {} if settings["weights"] is None else {"weight": settings["weights"]}
    (hidden,) = _one(settings, "simple-conv")
    return SimpleConvNet(shape, hidden=hidden, outputs=classes, rng=rng, **weights)


def _deep_conv(
    settings: Mapping[str, Any], shape: tuple[int, ...], classes: int, rng: np.random.Generator
) -> Module:
    (hidden,) = _one(settings, "deep-conv")
    return DeepConvNet(shape, hidden=hidden, outputs=classes, dropout=settings["dropout"], rng=rng)


def _lstm(
    settings: Mapping[str, Any], shape: tuple[int, ...], classes: int, rng: np.random.Generator
) -> Module:
    (hidden,) = _one(settings, "lstm")
    return RecurrentClassifier(shape[-1], hidden, classes, rng=rng)


def _one(settings: Mapping[str, Any], net: str) -> list[int]:
    """Return the sizes of the hidden layers, once there is one."""
    if len(settings["hidden"]) != 1:
        raise Wrong(f"--net {net} takes one number with --hidden")
    sizes: list[int] = settings["hidden"]
    return sizes


NETS: dict[str, Net] = {
    "two-layer": Net(
        _two_layer, ("hidden", "activation", "weights"), "flat",
        {"hidden": [50], "activation": "sigmoid", "optimizer": "sgd", "iterations": 10_000},
        dear=False,
    ),
    "mlp": Net(
        _mlp, ("hidden", "activation", "weights", "batch_norm", "dropout"), "flat",
        {"hidden": [100, 100], "activation": "relu", "optimizer": "sgd", "iterations": 10_000},
        dear=False,
    ),
    "simple-conv": Net(
        _simple_conv, ("hidden", "weights"), "image",
        {"hidden": [100], "optimizer": "adam", "epochs": 20},
    ),
    "deep-conv": Net(
        _deep_conv, ("hidden", "dropout"), "image",
        {"hidden": [50], "dropout": 0.5, "optimizer": "adam", "schedule": "cosine", "epochs": 10},
    ),
    "lstm": Net(_lstm, ("hidden",), "rows", {"hidden": [128], "optimizer": "adam", "epochs": 5}),
}  # fmt: skip
"""Nets by name, for ``--net``."""

OWN = Net(lambda *_: Module(), (), "flat", {"optimizer": "adam", "epochs": 10})
"""What is usual with a model of the user's."""

OPTIMIZERS: dict[str, tuple[float, Callable[..., Optimizer]]] = {
    "sgd": (0.1, SGD),
    "momentum": (0.01, lambda model, **hyper: SGD(model, momentum=0.9, **hyper)),
    "nesterov": (0.01, lambda model, **hyper: SGD(model, momentum=0.9, nesterov=True, **hyper)),
    "adagrad": (0.01, AdaGrad),
    "rmsprop": (0.001, RMSProp),
    "adadelta": (1.0, AdaDelta),
    "adam": (0.001, Adam),
    "adamw": (0.001, AdamW),
    "adamax": (0.002, Adamax),
    "nadam": (0.002, NAdam),
    "radam": (0.001, RAdam),
    "lamb": (0.01, LAMB),
}
"""Optimizers by name, each with its usual learning rate."""

SCHEDULES: dict[str, Callable[[Optimizer, int, int], Any]] = {
    # From the optimizer, the iterations in all, and those of an epoch.
    "constant": lambda _optimizer, _total, _epoch: None,
    "cosine": lambda optimizer, total, _: CosineAnnealingLR(optimizer, total, every="iteration"),
    "exponential": lambda optimizer, total, _: ExponentialLR(
        optimizer, 0.01 ** (1 / max(total, 1)), every="iteration"
    ),
    "one-cycle": lambda optimizer, total, _: OneCycleLR(
        optimizer, optimizer.lr, total, cycle_momentum=False
    ),
    "step": lambda optimizer, total, epoch: StepLR(optimizer, max(1, total // epoch // 3), 0.1),
}
"""How the learning rate goes, by name: to 0 as half a cosine, to a hundredth, up and down, or to a
tenth after each third."""


AUGMENTATIONS: dict[str, Callable[[], Any]] = {
    "shift": Shift,
    "rotate": Rotate,
    "scale": Scale,
    "shear": Shear,
    "elastic": Elastic,
    "noise": Noise,
    "erase": Erase,
    "brightness": Brightness,
    "contrast": Contrast,
}
"""Changes of the training images by name, each with its usual strength."""


# ------------------------------------------------------------------------------ the experiment


def completed(given: Settings) -> Settings:
    """Return all settings: those given, and for the others what is usual with the net.

    Raises
    ------
    Wrong
        A setting of the net was given that this net does not know.
    """
    settings = {**SETTINGS, **given}
    if "net" not in given and len(given.get("hidden") or ()) > 1:
        settings["net"] = "mlp"
    net = net_of(settings)
    for name in ("hidden", "activation", "weights", "batch_norm", "dropout"):
        if given.get(name) is not None and name not in net.reads:
            known = ", ".join(f"--{read.replace('_', '-')}" for read in net.reads) or "none of them"
            option = f"--{name.replace('_', '-')}"
            others = [other for other, facts in NETS.items() if name in facts.reads]
            raise Wrong(
                f"--net {settings['net']} has no {option}; it reads {known}; {option} goes with "
                f"--net {' or '.join(others)}"
            )
    lengths = ("epochs", "iterations")
    told = any(settings[name] is not None for name in lengths)
    for name, usual in net.usual.items():
        if settings[name] is None and not (told and name in lengths):
            settings[name] = usual
    if settings["lr"] is None:
        settings["lr"] = OPTIMIZERS[settings["optimizer"]][0]
    if settings["schedule"] is None:
        settings["schedule"] = "constant"
    if ":" in settings["net"]:  # the same file, from whatever folder the run is resumed
        file, colon, model = settings["net"].rpartition(":")
        settings["net"] = f"{Path(file.rstrip(':')).resolve()}{colon}{model}"
    return settings


def net_of(settings: Mapping[str, Any]) -> Net:
    """Return the net that the settings name; a model of the user's is loaded later."""
    name = settings["net"]
    if name in NETS:
        return NETS[name]
    if ":" in name:
        return OWN
    hint = f"; name what is in the file, as in {name}:Model" if name.endswith(".py") else ""
    raise Wrong(f"there is no net {name!r}; there are {', '.join(NETS)}, and FILE.py:Model{hint}")


def build(settings: Settings, *, checkpoint: Path | None = None, progress: Progress) -> Trainer:
    """Return the trainer of an experiment, at its start.

    Parameters
    ----------
    settings : dict
        As `completed` returns them; what is known of the data is added.
    checkpoint : path, optional
        Where the trainer saves.
    progress : Progress
        Who is told.
    """
    data = read_images(settings["data"])
    settings.update(image=list(data.train_images.shape[1:]), classes=list(data.classes))
    train = (data.train_images, data.train_labels)
    sets = {"train": train, "test": (data.test_images, data.test_labels)}
    if settings["batch_size"] > len(train[0]):
        raise Wrong(f"--batch-size {settings['batch_size']}: there are {len(train[0])} images")
    callbacks: list[Callback] = []
    if settings["patience"] is not None:
        if len(train[0]) <= HELD_OUT:
            raise Wrong(f"--patience holds {HELD_OUT} of the training images out, which are all")
        images, labels = train
        train = (images[:-HELD_OUT], labels[:-HELD_OUT])
        held_out = (images[-HELD_OUT:], labels[-HELD_OUT:])
        sets = {"train": train, "validation": held_out, "test": sets["test"]}
        callbacks.append(EarlyStopping("validation_accuracy", settings["patience"]))

    # One generator each, so that another net does not see the batches in another order.
    for_weights, for_batches = np.random.default_rng(settings["seed"]).spawn(2)
    model, shape = build_net(settings, for_weights, train[0])
    train = (viewed(train[0], shape), train[1])
    sets = {name: (viewed(images, shape), labels) for name, (images, labels) in sets.items()}
    if net_of(settings).dear:
        sets["train"] = (sets["train"][0][:LOOKED_AT], sets["train"][1][:LOOKED_AT])
    optimizer = OPTIMIZERS[settings["optimizer"]][1](
        model, lr=settings["lr"], weight_decay=settings["weight_decay"]
    )
    if settings["clip"] is not None:
        optimizer.add_hook(ClipGradNorm(settings["clip"]))
    loader = DataLoader(
        train,
        settings["batch_size"],
        # The book draws every batch anew; a long training sees every image once an epoch.
        replacement=settings["net"] in ("two-layer", "mlp"),
        transform=augmentation(settings["augment"]),
        workers=settings["workers"],
        rng=for_batches,
    )
    epoch = -(-len(loader) // settings["accumulate"])
    schedule = SCHEDULES[settings["schedule"]](optimizer, iterations_of(settings, epoch), epoch)
    return Trainer(
        model,
        CrossEntropyLoss(),
        optimizer,
        loader,
        sets=sets,
        callbacks=callbacks,
        schedule=schedule,
        accumulate=settings["accumulate"],
        checkpoint=checkpoint,
        facts=settings,
        progress=progress,
    )


# ------------------------------------------------------------------------------ its parts


def read_images(folder: str | None) -> ImageSet:
    """Return the images in a folder, or the digits of the package."""
    if folder is None:
        digits = load_mnist()
        arrays = (
            digits.train_images.reshape(-1, 1, SIDE, SIDE),
            digits.train_labels,
            digits.test_images.reshape(-1, 1, SIDE, SIDE),
            digits.test_labels,
        )
        return ImageSet(*arrays, tuple(map(str, range(10))))
    if not Path(folder).is_dir():
        raise Wrong(f"there is no folder {folder}")
    return load_images(folder)


def build_net(
    settings: Mapping[str, Any], rng: np.random.Generator | int, images: Array | None = None
) -> tuple[Module, tuple[int, ...]]:
    """Return the net of some settings, and the shape of one input.

    Parameters
    ----------
    settings : mapping
        As `build` has made them.
    rng : Generator or int
        Of weights and dropout.
    images : ndarray, shape (n, channels, height, width), optional
        Those to be trained on, for the preprocessing; without them the weights will be loaded.
    """
    net, classes = net_of(settings), len(settings["classes"])
    channels, height, width = settings["image"]
    shapes: dict[str, tuple[int, ...]] = {
        "flat": (channels * height * width,),
        "image": (channels, height, width),
        "rows": (channels * height, width),
    }
    shape = shapes[net.view]
    if net is OWN:
        model, shape = _own(settings["net"], rng, shape, classes)
    else:
        model = net.build(settings, shape, classes, np.random.default_rng(rng))
    if settings["preprocess"] is not None:
        known = np.zeros((1, *shape), np.float32) if images is None else viewed(images, shape)
        model = Prepared(model, known, settings["preprocess"])
    return model, shape


def viewed(images: Array, shape: tuple[int, ...]) -> Array:
    """Return images in the shape that a net takes."""
    return images.reshape(-1, *shape)


def _own(
    target: str, rng: Any, shape: tuple[int, ...], classes: int
) -> tuple[Module, tuple[int, ...]]:
    """Return a model of the user's, and the shape of an input that it tells as `input_shape`."""
    made = load_target("--net", target)
    if not isinstance(made, Module):
        if not callable(made):
            raise TargetError(
                f"--net: {target} is a {type(made).__name__}; expected a Module, or a function "
                "that returns one"
            )
        takes = inspect.signature(made).parameters
        needed = [
            name
            for name, parameter in takes.items()
            if parameter.default is parameter.empty
            and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            and name != "rng"
        ]
        if needed:
            raise TargetError(
                f"--net: {target} needs {', '.join(needed)}\n  fix: give them defaults, or name a "
                "function without arguments that returns the model"
            )
        with telling("--net", target, "cannot be made"):
            made = made(rng=rng) if "rng" in takes else made()
    if not isinstance(made, Module):
        raise TargetError(
            f"--net: {target} returns a {type(made).__name__}; expected a Module\n"
            "  fix: derive its class from tinygrad_edu.nn.Module"
        )
    shape = tuple(getattr(made, "input_shape", shape))
    made.eval()  # a look that draws nothing and changes no running mean
    fix = "in its class, input_shape = (1, 28, 28) says what it takes"
    with telling("--net", target, f"refuses a batch of shape {(2, *shape)}", fix), no_grad():
        found = tuple(np.shape(made(np.zeros((2, *shape), get_default_dtype()))))
    made.train()
    if found != (2, classes):
        raise TargetError(
            f"--net: {target} returns shape {found} for a batch of two; expected (2, {classes}), "
            "a logit for each class\n  fix: let the last layer have as many outputs as classes"
        )
    return made, shape


def augmentation(names: list[str]) -> Any:
    """Return the transform of batches that the names make, one after the other, or None."""
    return Compose(*(AUGMENTATIONS[name]() for name in names)) if names else None


def iterations_of(settings: Mapping[str, Any], epoch: int) -> int:
    """Return how many iterations are to be made, of which an epoch has some."""
    if settings["iterations"] is not None:
        return int(settings["iterations"])
    epochs: float = settings["epochs"]
    return round(epochs * epoch)


def net_name(settings: Mapping[str, Any]) -> str:
    """Return the net in a few words."""
    if settings["net"] not in ("two-layer", "mlp"):
        name = settings["net"]
    else:
        sizes = "-".join(
            map(str, (math.prod(settings["image"]), *settings["hidden"], len(settings["classes"])))
        )
        name = f"{sizes} {settings['activation']}"
    more = [
        "batch norm" if settings["batch_norm"] else "",
        f"dropout {settings['dropout']:g}" if settings["dropout"] else "",
        f"{settings['preprocess']}d" if settings["preprocess"] else "",
    ]
    return ", ".join(filter(None, [name, *more]))


def rule_name(settings: Mapping[str, Any]) -> str:
    """Return how the net is trained, in a few words."""
    more = [
        f"lr {settings['lr']:g}",
        "" if settings["schedule"] == "constant" else settings["schedule"],
        f"weight decay {settings['weight_decay']:g}" if settings["weight_decay"] else "",
        f"gradients clipped at {settings['clip']:g}" if settings["clip"] else "",
        f"batches of {settings['batch_size']}",
        f"{settings['accumulate']} a step" if settings["accumulate"] > 1 else "",
        f"augmented by {', '.join(settings['augment'])}" if settings["augment"] else "",
    ]
    return ", ".join(filter(None, [settings["optimizer"], *more]))
