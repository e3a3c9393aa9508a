"""Data: files into arrays, arrays into batches.

Knows: NumPy arrays. Does not know: tensors; a caller wraps the batches it gets.
Read next: `loader.py` (batches), `mnist/` (the digits), `idx.py` (their file format), `png.py` and
`digits.py` (pictures of yours).
"""

from tinygrad_edu.data.digits import Digit, prepare_digit, read_digits
from tinygrad_edu.data.idx import read_idx, write_idx
from tinygrad_edu.data.loader import ArrayDataset, DataLoader, Dataset
from tinygrad_edu.data.mnist import MNIST, load_mnist
from tinygrad_edu.data.png import read_png

__all__ = [
    "MNIST",
    "ArrayDataset",
    "DataLoader",
    "Dataset",
    "Digit",
    "load_mnist",
    "prepare_digit",
    "read_digits",
    "read_idx",
    "read_png",
    "write_idx",
]
