"""Prints the Fréchet distances that src/eval/frechet.rs expects of degenerate features, by numpy.

The features are those of `golden` in src/eval/features.rs: uniform by splitmix64, mixed between neighbouring columns. Run by hand:

    python tests/golden/frechet.py
"""

import numpy as np


def golden(seed, rows, width, scale=1.0, shift=0.0):
    z = (np.uint64(seed) + np.arange(1, rows * width + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    uniform = ((z ^ (z >> np.uint64(31))) >> np.uint64(44)).astype(float) / (1 << 20)
    uniform = uniform.reshape(rows, width)
    return (uniform + 0.5 * np.roll(uniform, -1, axis=1)) * scale + shift


def distance(a, b):
    (mean_a, of_a), (mean_b, of_b) = [(x.mean(0), np.cov(x.T)) for x in (a, b)]
    values, vectors = np.linalg.eigh(of_a)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ of_b @ root), 0)).sum()
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(of_a) + np.trace(of_b) - 2 * roots)


def main():
    with np.errstate(over="ignore"):
        many, few = golden(1, 200, 16), golden(2, 30, 60)
        print("one row many times:", repr(distance(many, np.repeat(golden(3, 1, 16), 150, 0))))
        two = np.repeat(golden(4, 2, 16), 75, 0)
        print("two rows many times:", repr(distance(many, two)))
        flat = golden(5, 150, 16)
        flat[:, 3:9] = 0.25
        print("constant columns:", repr(distance(many, flat)))
        print("few rows against one:", repr(distance(few, np.repeat(golden(3, 1, 60), 40, 0))))
        print("few rows:", repr(distance(few, golden(6, 40, 60))))
        a, b = golden(7, 100, 8), golden(8, 120, 8, 0.75, 0.25)
        print("statistics:", repr(distance(a, b)))


if __name__ == "__main__":
    main()
