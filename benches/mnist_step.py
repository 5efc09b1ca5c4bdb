"""Times PyTorch's MNIST GAN step on request, so that a Rust bench can alternate with it on the same machine.

    python benches/mnist_step.py --threads 2 --fused 1

It warms up with ten steps and prints {"ready": torch version, ...}. Then, for each line on stdin, "go N" runs N steps
and prints {"secs_per_step": [N seconds], ...}; "quit", or the end of stdin, ends it. Every line carries
"peak_memory_mb", the process's ru_maxrss so far.

The step is the seed tutorial's, batch 128, eager f32 on CPU, as PyTorch does it best: D on 256 images (128 real with
target 0.9, 128 fake with target 0, the fakes made under no_grad), Adam; then G on 128 fresh z with target 1 through D,
whose parameters are frozen meanwhile, Adam. Each z is drawn anew by torch.randn; the real images stay the same tensor,
so that loading data counts for nothing. Both losses are read each step.

The environment is left as it comes: unset OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE before you call it.
"""

import argparse
import json
import resource
import sys
import time

import torch
from torch import nn

BATCH = 128
WARM_UP_STEPS = 10


def generator():
    return nn.Sequential(
        nn.Linear(100, 256), nn.LeakyReLU(0.2),
        nn.Linear(256, 512), nn.LeakyReLU(0.2),
        nn.Linear(512, 1024), nn.LeakyReLU(0.2),
        nn.Linear(1024, 784), nn.Sigmoid(),
    )  # fmt: skip


def discriminator():
    return nn.Sequential(
        nn.Linear(784, 1024), nn.LeakyReLU(0.2), nn.Dropout(0.3),
        nn.Linear(1024, 512), nn.LeakyReLU(0.2), nn.Dropout(0.3),
        nn.Linear(512, 256), nn.LeakyReLU(0.2), nn.Dropout(0.3),
        nn.Linear(256, 1),
    )  # fmt: skip


class Training:
    def __init__(self, fused):
        self.g, self.d = generator(), discriminator()
        self.adam_g, self.adam_d = (
            torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=fused) for net in (self.g, self.d)
        )
        self.bce = nn.BCEWithLogitsLoss()
        self.real = torch.rand(BATCH, 784)
        self.d_targets = torch.cat([torch.full((BATCH, 1), 0.9), torch.zeros(BATCH, 1)])
        self.g_targets = torch.ones(BATCH, 1)

    def step(self):
        with torch.no_grad():
            fake = self.g(torch.randn(BATCH, 100))
        self.adam_d.zero_grad()
        loss_d = self.bce(self.d(torch.cat([self.real, fake])), self.d_targets)
        loss_d.backward()
        self.adam_d.step()

        self.d.requires_grad_(False)  # saves D's weight gradients, which G's step has no use for
        self.adam_g.zero_grad()
        loss_g = self.bce(self.d(self.g(torch.randn(BATCH, 100))), self.g_targets)
        loss_g.backward()
        self.adam_g.step()
        self.d.requires_grad_(True)
        return loss_d.item(), loss_g.item()


def say(**line):
    line["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)  # Linux counts in kB
    print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--fused", type=int, choices=(0, 1), default=0, help="1: torch.optim.Adam(fused=True)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    training = Training(bool(arguments.fused))
    for _ in range(WARM_UP_STEPS):
        training.step()
    say(ready=torch.__version__, threads=torch.get_num_threads(), fused=bool(arguments.fused))

    for line in sys.stdin:
        match line.split():
            case ["go", count] if count.isdigit():
                secs = []
                for _ in range(int(count)):
                    start = time.perf_counter()
                    training.step()
                    secs.append(time.perf_counter() - start)
                say(secs_per_step=secs)
            case ["quit"]:
                return
            case []:
                continue
            case _:
                sys.exit(f'mnist_step.py: {line.strip()!r} is no request. Send "go N" or "quit".')


if __name__ == "__main__":
    main()
