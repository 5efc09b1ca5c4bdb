"""Makes tests/golden/vgg.json: the features of VGG19's last convolution before ReLU, and their gradient by the picture.

The network is written out after Simonyan and Zisserman 2015, configuration E (3x3 convolutions of 64, 64, 128, 128, four of 256,
four of 512 and four of 512 channels, ReLU after each but the last here, a pooling of 2x2 between stages), on pictures in
[-1, 1] that are brought to ImageNet's mean and deviation as torchvision's documentation gives them. Values come from

    wave(count, rate)    sin(rate k^2)    k = 1 + (the flat index modulo 9973)

rounded to float32: of layer l the weight is 2 / sqrt(9 inputs) wave(0.37 + 0.05 l), the bias 0.1 wave(0.11 + 0.05 l); the two pictures
of 40x33 pixels are wave(0.013). `product` is that of the features with wave(0.71), `gradient` the norm of its derivative by the
pictures. All of it is float64.

Made with torch 2.15.0, on CPU. Run by hand, from anywhere:

    python tests/golden/vgg.py
"""

import json
import math
from pathlib import Path

import torch
from torch.nn import functional as F

torch.set_num_threads(1)
STAGES = [[64] * 2, [128] * 2, [256] * 4, [512] * 4, [512] * 4]


def wave(shape, rate, scale=1.0):
    k = 1.0 + torch.arange(math.prod(shape), dtype=torch.float64) % 9973
    return (scale * torch.sin(rate * k * k)).float().double().reshape(shape)


pictures = wave([2, 3, 40, 33], 0.013).requires_grad_()
mean = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).reshape(1, 3, 1, 1)
deviation = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).reshape(1, 3, 1, 1)
x, layer = ((pictures + 1) / 2 - mean) / deviation, 0
for i, widths in enumerate(STAGES):
    if i > 0:
        x = F.max_pool2d(x, 2)
    for outputs in widths:
        inputs = x.shape[1]
        weight = wave([outputs, inputs, 3, 3], 0.37 + 0.05 * layer, 2 / math.sqrt(9 * inputs))
        x = F.conv2d(x, weight, wave([outputs], 0.11 + 0.05 * layer, 0.1), padding=1)
        layer += 1
        if layer < 16:
            x = x.relu()
product = (x * wave(x.shape, 0.71)).sum()
(by_pictures,) = torch.autograd.grad(product, pictures)
golden = {"norm": x.norm().item(), "product": product.item(), "gradient": by_pictures.norm().item()}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
