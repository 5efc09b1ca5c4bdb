"""Makes pictures under tests/data as other programs write them, and what they hold by other programs, in picture_files.json:

    python3 tests/golden/picture_files.py    (needs Pillow with littleCMS, numpy, tifffile)

Animations (film.*): 3 frames of one colour each, with delays of their own. Depth and kinds (deep.tif, small.bmp, pages.tif,
palette.tif, grey_alpha.tif, float.tif, lab.tif, premultiplied.tif, turned.tif).
Colours by a profile (adobe.png, adobe.tif, adobe16.png, grey_adobe.png, grey18.png): what littleCMS makes of them in sRGB. Density (density.*).
"""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageCms

folder = Path(__file__).parent.parent / "data"

# Animations.

colours = [(220, 30, 40), (20, 60, 210), (250, 250, 240)]
delays = [70, 130, 400]  # ms
frames = [Image.new("RGB", (16, 12), colour) for colour in colours]
more = {"save_all": True, "append_images": frames[1:], "duration": delays}
frames[0].save(folder / "film.gif", loop=2, **more)
frames[0].save(folder / "film.png", loop=2, **more)
frames[0].save(folder / "film.webp", loop=2, lossless=True, **more)

# Depths and kinds. Levels are (x * 4001 + y * 257 + c * 9973) modulo 65536, by column, row and channel.

y, x, c = np.mgrid[0:9, 0:16, 0:3]
deep = ((x * 4001 + y * 257 + c * 9973) % 65536).astype(np.uint16)
tifffile.imwrite(folder / "deep.tif", deep, photometric="rgb", compression="zlib", resolution=(300, 200), resolutionunit="INCH")
Image.fromarray((deep >> 8).astype(np.uint8)).save(folder / "small.bmp", dpi=(150, 150))
pages = [Image.new("L", (8, 8), level) for level in (10, 20, 30)]
pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:], dpi=(72, 72))

# Rarer TIFFs: an index of 5 (8 y + x) into a palette, grey with transparency, grey of floats, Lab, colours that are multiplied
# by their transparency, and one that is to be turned.

y, x = np.mgrid[0:6, 0:8]
indexed = Image.fromarray((5 * (8 * y + x)).astype(np.uint8), "P")
indexed.putpalette([level for i in range(256) for level in (i * 5 % 256, i * 3 % 256, 255 - i)])
indexed.save(folder / "palette.tif", compression="tiff_lzw")
Image.fromarray(np.dstack([x * 30, y * 40 + 20]).astype(np.uint8), "LA").save(folder / "grey_alpha.tif")
tifffile.imwrite(folder / "float.tif", ((8 * y + x) * 1000 / 65535).astype(np.float32), photometric="minisblack")
Image.new("LAB", (8, 6)).save(folder / "lab.tif")
alpha = y * 30 + 100
multiplied = np.dstack([(level * alpha / 255).round() for level in (200, 100, 50)] + [alpha]).astype(np.uint8)
tifffile.imwrite(folder / "premultiplied.tif", multiplied, photometric="rgb", extrasamples=["assocalpha"])
exif = Image.Exif()
exif[0x0112] = 6
Image.new("RGB", (8, 6), (9, 90, 200)).save(folder / "turned.tif", exif=exif, dpi=(300, 100))

# Density.

picture = Image.new("RGB", (8, 8), (90, 120, 30))
picture.save(folder / "density.png", dpi=(300, 300))
picture.save(folder / "density.jpg", dpi=(240, 120))
exif = Image.Exif()
exif[0x011A], exif[0x011B], exif[0x0128] = 118.0, 118.0, 3  # to a centimetre
picture.save(folder / "density.webp", exif=exif, lossless=True)

# Colours: profiles of version 2, of a matrix and of curves that are powers (ICC.1:2001-04).


def fixed(value):
    return struct.pack(">i", round(value * 65536))


def profile(space, tags):
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, body in tags:
        table += struct.pack(">4sII", name, start + len(data), len(body))
        data += body + b"\0" * (-len(body) % 4)
    white = b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    head = struct.pack(">I4sI4s4s4s12s4s4sIIIQI", 0, b"none", 0x02100000, b"mntr", space, b"XYZ ", b"\0" * 12, b"acsp", b"\0" * 4, 0, 0, 0, 0, 0)
    head += white + b"\0" * (128 - len(head) - 12)
    whole = head + struct.pack(">I", len(tags)) + table + data
    return struct.pack(">I", len(whole)) + whole[4:]


def xyz(values):
    return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))


def power(gamma):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 78
words = [(b"desc", text), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", xyz((0.9505, 1.0, 1.0891)))]
primaries = [(b"rXYZ", xyz((0.60974, 0.31111, 0.01947))), (b"gXYZ", xyz((0.20528, 0.62567, 0.06087))), (b"bXYZ", xyz((0.14919, 0.06322, 0.74457)))]
adobe = profile(b"RGB ", words + primaries + [(name, power(2.2)) for name in (b"rTRC", b"gTRC", b"bTRC")])
grey = profile(b"GRAY", words + [(b"kTRC", power(1.8))])

levels = [0, 30, 64, 100, 128, 160, 201, 255]
cube = np.array([[r, g, b] for r in levels[::2] for g in levels[::2] for b in levels[::2]], np.uint8).reshape(8, 8, 3)
ramp = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
Image.fromarray(cube).save(folder / "adobe.png", icc_profile=adobe)
Image.fromarray(cube).save(folder / "adobe.tif", icc_profile=adobe)
Image.fromarray(ramp).save(folder / "grey_adobe.png", icc_profile=adobe)
Image.fromarray(ramp).save(folder / "grey18.png", icc_profile=grey)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


rows = b"".join(b"\0" + (row.astype(np.uint16) * 257).astype(">u2").tobytes() for row in cube)
(folder / "adobe16.png").write_bytes(
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
    + chunk(b"iCCP", b"test\0\0" + zlib.compress(adobe))
    + chunk(b"IDAT", zlib.compress(rows, 9))
    + chunk(b"IEND", b"")
)


def in_srgb(picture, icc, mode):
    import io

    target = ImageCms.createProfile("sRGB")
    made = ImageCms.profileToProfile(picture, ImageCms.ImageCmsProfile(io.BytesIO(icc)), target, outputMode=mode)
    return np.asarray(made).reshape(-1).tolist()


golden = {
    "adobe": in_srgb(Image.fromarray(cube), adobe, "RGB"),
    "grey_adobe": in_srgb(Image.fromarray(ramp).convert("RGB"), adobe, "RGB")[::3],
    "grey18": in_srgb(Image.fromarray(ramp), grey, "RGB")[::3],
}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
