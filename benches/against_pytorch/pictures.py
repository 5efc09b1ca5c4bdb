"""What the sides enlarge, and how their results are held against Ganvas'.

    python benches/against_pytorch/pictures.py FOLDER

makes photograph.png there, the 512x512 astronaut of scikit-image, and tile.png, 64x64 of it.
"""

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOGRAPH, TILE = "photograph.png", "tile.png"
LEFT, TOP, SIDE = 192, 64, 64  # of the tile: a part of the face


def read(path):
    """Levels [height, width, 3]."""
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


def write(levels, path):
    Image.fromarray(levels).save(path)


def numbers(levels, ganvas):
    """Rounding may part two sides by a level, two at most."""
    wanted = read(ganvas)
    apart = np.maximum(levels, wanted) - np.minimum(levels, wanted)
    return {"levels more than 2 apart": int((apart > 2).sum())}


class Enlarge:
    """The tile, from levels to levels. `net` takes [h, w, 3] and gives [4h, 4w, 3], 8 bits."""

    def __init__(self, net, folder):
        self.net, self.folder = net, Path(folder)
        self.tile = read(self.folder / TILE)

    def numbers(self):
        return numbers(self.step(), self.folder / "enlarge-ganvas.png")

    def step(self):
        return self.net(self.tile)


class Photograph:
    """The whole photograph, from file to file."""

    def __init__(self, net, folder):
        self.net, self.folder = net, Path(folder)
        self.result = self.folder / f"photograph-{os.getpid()}.png"  # each side its own

    def numbers(self):
        self.step()
        return numbers(read(self.result), self.folder / "photograph-ganvas.png")

    def step(self):
        write(self.net(read(self.folder / PHOTOGRAPH)), self.result)


def main():
    import skimage.data  # the sides themselves do without

    folder, levels = Path(sys.argv[1]), skimage.data.astronaut()
    write(levels, folder / PHOTOGRAPH)
    write(np.ascontiguousarray(levels[TOP : TOP + SIDE, LEFT : LEFT + SIDE]), folder / TILE)


if __name__ == "__main__":
    main()
