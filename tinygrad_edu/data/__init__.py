"""Data: files into arrays, arrays into batches.

Knows: NumPy arrays. Does not know: tensors; a caller wraps the batches it gets.
Read next: `loader.py` (batches), `mnist/` (the digits), `idx.py` (their file format).
"""

from tinygrad_edu.data.idx import read_idx, write_idx
from tinygrad_edu.data.loader import ArrayDataset, DataLoader, Dataset
from tinygrad_edu.data.mnist import MNIST, load_mnist

__all__ = [
    "MNIST",
    "ArrayDataset",
    "DataLoader",
    "Dataset",
    "load_mnist",
    "read_idx",
    "write_idx",
]
