"""Prints the golden numbers of src/eval/parzen.rs: Goodfellow's Parzen-window log-likelihood, written out in numpy.

Features come from splitmix64, as in the Rust tests' `golden`. Run by hand, from anywhere:

    python tests/golden/parzen.py
"""

import numpy as np


def features(seed, n, d, scale):
    i = np.arange(1, n * d + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + i * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = ((z >> np.uint64(44)).astype(np.float64) / 2**20).reshape(n, d)
    return (u + 0.5 * np.roll(u, -1, axis=1)) * scale


def likelihoods(generated, samples, sigma):
    exponents = -((samples[:, None] - generated[None]) ** 2).sum(-1) / (2 * sigma**2)
    most = exponents.max(1)
    mean = np.log(np.exp(exponents - most[:, None]).mean(1))
    return most + mean - generated.shape[1] * np.log(sigma * np.sqrt(2 * np.pi))


generated, validation, test = (features(seed, 300, 16, 0.5) for seed in (11, 12, 13))
sigma = max(np.logspace(-1, 0, 10), key=lambda sigma: likelihoods(generated, validation, sigma).mean())
found = likelihoods(generated, test, sigma)
print("sigma", repr(sigma), "mean", repr(found.mean()), "error", repr(found.std() / np.sqrt(len(found))))
