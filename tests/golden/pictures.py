"""Makes the pictures under tests/data that Rust cannot write: python3 tests/golden/pictures.py (needs Pillow).

All show the same: the left half (220, 30, 40), the right half (20, 60, 210), 16 x 16 pixels; what an animation shows after
its first frame is black, and what is transparent is the right half.
"""

import struct
import zlib
from pathlib import Path

from PIL import Image

LEFT, RIGHT = (220, 30, 40), (20, 60, 210)
folder = Path(__file__).parent.parent / "data"
picture = Image.new("RGB", (16, 16), LEFT)
picture.paste(RIGHT, (8, 0, 16, 16))
black = Image.new("RGB", (16, 16))

picture.save(folder / "progressive.jpg", progressive=True, quality=95, subsampling=0)
picture.convert("CMYK").save(folder / "cmyk.jpg", quality=95, optimize=True)  # with Adobe's marker, so inverted
picture.save(folder / "animated.webp", save_all=True, append_images=[black], lossless=True)
picture.save(folder / "animated.gif", save_all=True, append_images=[black])
palette = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=2)
palette.save(folder / "palette.png", transparency=palette.getpixel((15, 0)))

# YCCK: Y, Cb and Cr of the inverted colours, then K, all stored in a CMYK file that says transform 2.
inverted = Image.merge("RGB", [channel.point(lambda value: 255 - value) for channel in picture.split()])
stored = [*inverted.convert("YCbCr").split(), Image.new("L", (16, 16), 255)]
ycck = folder / "ycck.jpg"
Image.merge("CMYK", [channel.point(lambda value: 255 - value) for channel in stored]).save(
    ycck, quality=95, optimize=True
)
raw = bytearray(ycck.read_bytes())
raw[raw.index(b"Adobe") + 11] = 2
ycck.write_bytes(raw)

# Interlaced (Adam7) and of 16 bits a channel.
passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
rows = b""
for left, top, across, down in passes:
    for y in range(top, 16, down):
        values = (257 * value for x in range(left, 16, across) for value in picture.getpixel((x, y)))
        rows += b"\0" + b"".join(struct.pack(">H", value) for value in values)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


header = struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 1)
(folder / "interlaced.png").write_bytes(
    b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
)
