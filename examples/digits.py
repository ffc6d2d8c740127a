"""The data of the examples: 1797 handwritten digits of 8×8 pixels, which come with scikit-learn."""

from pathlib import Path

from sklearn import datasets
from sklearn.model_selection import train_test_split

FILE = Path(datasets.__file__).parent / "data" / "digits.csv.gz"
HELD_OUT = 360


def load(seed):
    """The images and labels for training, validation and test; the same ones for the same seed."""
    x, y = datasets.load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    x, x_test, y, y_test = train_test_split(x, y, test_size=HELD_OUT, random_state=seed, stratify=y)
    x, x_valid, y, y_valid = train_test_split(x, y, test_size=HELD_OUT, random_state=seed, stratify=y)
    return (x, y), (x_valid, y_valid), (x_test, y_test)
