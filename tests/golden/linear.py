"""Prints what src/eval/linear.rs must score, by numpy in f64: ridge regression to a 1 for the own class, every class weighing the
same. The features are those of src/eval/features.rs' `golden`. Run by hand: python tests/golden/linear.py
"""

import numpy as np

MASK = (1 << 64) - 1


def uniform(seed, i):
    z = (seed + (i + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return ((z ^ (z >> 31)) >> 44) / (1 << 20)


def golden(seed, rows, width, scale, shift):
    u = np.array([uniform(seed, i) for i in range(rows * width)]).reshape(rows, width)
    return (u + 0.5 * np.roll(u, -1, axis=1)) * scale + shift


classes = [golden(1, 40, 6, 1.0, 0.0), golden(2, 15, 6, 0.5, 0.4), golden(3, 25, 6, 0.9, 0.2)]
x = np.concatenate(classes)
y = np.concatenate([np.tile(np.eye(3)[i], (len(c), 1)) for i, c in enumerate(classes)])
w = np.concatenate([np.full(len(c), 1 / (3 * len(c))) for c in classes])
mean = w @ x
covariance = (x - mean).T @ ((x - mean) * w[:, None])
covariance += 0.1 * np.trace(covariance) / 6 * np.eye(6)
weights = np.linalg.solve(covariance, (x - mean).T @ ((y - 1 / 3) * w[:, None]))
print([((c[7] - mean) @ weights + 1 / 3).tolist() for c in classes])
