"""ncnn's side of the workloads that enlarge, on request, as torch_side.py is PyTorch's; side.py says how it answers.

    python benches/against_pytorch/ncnn_side.py enlarge --folder FOLDER --set use_winograd43_convolution=0

FOLDER holds the published network, the pictures and Ganvas' results, as the Rust bench leaves it. Each of ncnn's options,
all fields of ncnn.Option, is as ncnn has it unless set.
"""

import argparse

import ncnn
import numpy as np

from pictures import Enlarge, Photograph
from side import peak_memory_mb, serve

NETWORK = "realesrgan-x4plus"


class Enlarger:
    """Levels [h, w, 3] to [4h, 4w, 3]."""

    def __init__(self, options):
        self.net = ncnn.Net()
        self.net.opt.num_threads = options.threads
        for name, value in options.set:
            setattr(self.net.opt, name, value)
        path = f"{options.folder}/{NETWORK}"
        if self.net.load_param(f"{path}.param") or self.net.load_model(f"{path}.bin"):
            raise SystemExit(f"ncnn_side.py: ncnn cannot load {path}.param and .bin")

    def __call__(self, levels):
        height, width, _ = levels.shape
        picture = ncnn.Mat.from_pixels(levels, ncnn.Mat.PixelType.PIXEL_RGB, width, height)
        picture.substract_mean_normalize([], [1 / 255] * 3)
        extractor = self.net.create_extractor()
        extractor.input("data", picture)
        code, result = extractor.extract("output")
        if code:
            raise SystemExit(f"ncnn_side.py: ncnn fails with {code}")
        planes = np.array(result)  # [3, 4h, 4w]
        planes *= 255
        planes += 0.5  # the cast rounds down
        return np.ascontiguousarray(planes.clip(0, 255, out=planes).astype(np.uint8).transpose(1, 2, 0))


def option(text):
    """The name of one of ncnn's options and whether it is on."""
    name, _, value = text.partition("=")
    if value not in ("0", "1") or not isinstance(getattr(ncnn.Option(), name, None), bool):
        raise argparse.ArgumentTypeError(f"{text!r} is not one of ncnn's options, =0 or =1")
    return name, value == "1"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    workloads = {"enlarge": Enlarge, "photograph": Photograph}
    parser.add_argument("workload", choices=workloads)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", type=option, action="append", default=[], metavar="OPTION=0|1")
    options = parser.parse_args()
    start_memory_mb = peak_memory_mb()
    workload = workloads[options.workload](Enlarger(options), options.folder)
    serve(f"ncnn {ncnn.__version__}", workload, start_memory_mb)


if __name__ == "__main__":
    main()
