"""Data: files into arrays, arrays into batches.

Knows: NumPy arrays. Does not know: tensors; a caller wraps the batches it gets.
Read next: `loader.py` (batches of `datasets.py`), `splits.py`, `preprocess.py` and `augment.py`
(what is done to data); `mnist/` (the digits), `images.py` (other sets), `idx.py` (their file
format), `table.py` (CSV), `toy.py` and `sequences.py` (made of formulas), `png.py` and `digits.py`
(pictures of yours).
"""

from tinygrad_edu.data.augment import (
    Affine,
    Augmentation,
    Brightness,
    Compose,
    Contrast,
    Elastic,
    Erase,
    Flip,
    Noise,
    Rotate,
    Scale,
    Shear,
    Shift,
    augmentations,
    save_examples,
)
from tinygrad_edu.data.datasets import (
    ArrayDataset,
    ConcatDataset,
    Dataset,
    SequenceDataset,
    Subset,
    TransformedDataset,
)
from tinygrad_edu.data.digits import Digit, prepare_digit, read_digits
from tinygrad_edu.data.idx import read_idx, write_idx
from tinygrad_edu.data.images import FASHION, ImageSet, load_images
from tinygrad_edu.data.loader import DataLoader
from tinygrad_edu.data.mnist import MNIST, load_mnist
from tinygrad_edu.data.png import read_png
from tinygrad_edu.data.preprocess import (
    PCA,
    Normalize,
    OneHot,
    Preprocessor,
    Standardize,
    one_hot,
)
from tinygrad_edu.data.sequences import (
    Padded,
    Translation,
    Vocabulary,
    Windows,
    additions,
    dates,
    pad_sequences,
    sine_windows,
    windows,
)
from tinygrad_edu.data.splits import Fold, Indices, Split, k_fold, split, split_indices
from tinygrad_edu.data.table import Table, read_csv
from tinygrad_edu.data.toy import (
    Curve,
    LinearProblem,
    Points,
    blobs,
    checkerboard,
    circles,
    curve,
    linear_problem,
    moons,
    sine,
    spirals,
    xor,
)

__all__ = [
    "FASHION",
    "MNIST",
    "PCA",
    "Affine",
    "ArrayDataset",
    "Augmentation",
    "Brightness",
    "Compose",
    "ConcatDataset",
    "Contrast",
    "Curve",
    "DataLoader",
    "Dataset",
    "Digit",
    "Elastic",
    "Erase",
    "Flip",
    "Fold",
    "ImageSet",
    "Indices",
    "LinearProblem",
    "Noise",
    "Normalize",
    "OneHot",
    "Padded",
    "Points",
    "Preprocessor",
    "Rotate",
    "Scale",
    "SequenceDataset",
    "Shear",
    "Shift",
    "Split",
    "Standardize",
    "Subset",
    "Table",
    "TransformedDataset",
    "Translation",
    "Vocabulary",
    "Windows",
    "additions",
    "augmentations",
    "blobs",
    "checkerboard",
    "circles",
    "curve",
    "dates",
    "k_fold",
    "linear_problem",
    "load_images",
    "load_mnist",
    "moons",
    "one_hot",
    "pad_sequences",
    "prepare_digit",
    "read_csv",
    "read_digits",
    "read_idx",
    "read_png",
    "save_examples",
    "sine",
    "sine_windows",
    "spirals",
    "split",
    "split_indices",
    "windows",
    "write_idx",
    "xor",
]
