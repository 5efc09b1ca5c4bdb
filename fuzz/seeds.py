"""Makes fuzz/seeds/TARGET/: small files of every kind that is read, for the fuzzer to begin with.

Networks of one channel, as ncnn's files, as files of torch.save and as safetensors, whole ones that a recipe takes and some that
none should; a small one of TensorFlow Lite; small pieces of music, sound and damaged; and the pictures that the tests read. The forms
that the targets take them in are said in fuzz_targets/ and src/lib.rs. Only the standard library is used.
Run by hand, from anywhere:

    python3 fuzz/seeds.py
"""

import io
import json
import math
import shutil
import struct
import zipfile
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"
PICTURES = Path(__file__).parent.parent / "tests" / "data"
OLD = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
MACHINE = b"\x80\x02M\xe9\x03.\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."


def seed(target, name, *parts):
    path = SEEDS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(parts))


def split(first, second):
    return struct.pack("<H", len(first)) + first + second


# Networks as names and shapes


def convolutions(names):
    """names: (name, outputs, inputs)."""
    return {f"{name}.{part}": shape for name, o, i in names for part, shape in [("weight", [o, i, 3, 3]), ("bias", [o])]}


def esrgan(first="conv_first", block="body.{}.rdb{}.conv{}", after=("conv_body", "conv_up1", "conv_up2", "conv_hr")):
    dense = [(block.format(0, i // 5 + 1, i % 5 + 1), 1, 1 + i % 5) for i in range(15)]
    return convolutions([(first, 1, 3), *dense, *((name, 1, 1) for name in after), ("conv_last", 3, 1)])


def first_release():
    return esrgan(block="RRDB_trunk.{}.RDB{}.conv{}", after=("trunk_conv", "upconv1", "upconv2", "HRconv"))


def compact(blocks=1):
    last = 2 * blocks + 2
    found = convolutions([("body.0", 1, 3), *((f"body.{2 * i + 2}", 1, 1) for i in range(blocks)), (f"body.{last}", 48, 1)])
    return found | {f"body.{2 * i + 1}.weight": [1] for i in range(blocks + 1)}


def dcgan(channels=(4, 2, 1), latent=2):
    found, inputs = {}, latent
    for i, outputs in enumerate([*channels, 1]):
        found[f"main.{3 * i}.weight"] = [inputs, outputs, 4, 4]
        if i < len(channels):
            found |= {f"main.{3 * i + 1}.{part}": [outputs] for part in ("weight", "bias", "running_mean", "running_var")}
        inputs = outputs
    return found


def within(prefix, shapes):
    return {prefix + name: shape for name, shape in shapes.items()}


STATE_DICTS = {
    "esrgan": esrgan(),
    "esrgan-trained": within("params_ema.", esrgan()) | within("params.", esrgan()),
    "esrgan-old": first_release(),
    "compact": compact(),
    "compact-2": compact(2),
    "dcgan": dcgan(),
    "dcgan-64": within("netG.", dcgan((8, 4, 2, 1))),
    "odd": {"w": [2, 2], "scalar": [], "none": [0, 3], "deep": [1, 1, 1, 1, 1]},
}


def numbers(count):
    return struct.pack(f"<{count}f", *((i % 15 - 7) / 16 for i in range(count)))


# As safetensors


def safetensors(shapes, dtype="F32", bytes_each=4):
    header, at = {}, 0
    for name, shape in shapes.items():
        end = at + bytes_each * math.prod(shape)
        header[name], at = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}, end
    header = json.dumps({"__metadata__": {"format": "pt"}} | header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(header)) + header + (numbers(at // 4) if bytes_each == 4 else bytes(at))


def described(shapes, kind=0):
    entries = (bytes([len(name), *name.encode(), kind, len(shape), *shape]) for name, shape in shapes.items())
    return b"".join(entries)


# As torch.save writes it


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    return b"K" + bytes([value]) if value < 256 else b"J" + struct.pack("<i", value)


def several(values):
    """A tuple."""
    if not 1 <= len(values) <= 3:
        return b"(" + b"".join(values) + b"t"
    return b"".join(values) + bytes([0x84 + len(values)])


def pickle(shapes, kind="FloatStorage", around=None, view=b""):
    """Every tensor is a part of the one storage "0", as long as all together. An old file says of a storage no view, `N`."""
    whole = sum(math.prod(shape) for shape in shapes.values())
    out, at = [b"\x80\x02", b"" if around is None else b"}" + text(around), b"ccollections\nOrderedDict\n)Rq\x01("], 0
    for name, shape in shapes.items():
        strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
        out += [text(name), b"ctorch._utils\n_rebuild_tensor_v2\n((", text("storage"), f"ctorch\n{kind}\n".encode()]
        out += [text("0"), text("cpu"), number(whole), view + b"tQ", number(at), several([number(side) for side in shape])]
        out += [several([number(stride) for stride in strides]), b"\x89ccollections\nOrderedDict\n)RtR"]
        at += math.prod(shape)
    return b"".join([*out, b"u", b"" if around is None else b"s", b"."]), whole


def zipped(program, storage, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in [("data.pkl", program), ("byteorder", b"little"), ("data/0", storage), ("version", b"3\n")]:
            archive.writestr(zipfile.ZipInfo(f"net/{name}"), content, method)
    return file.getvalue()


def old(program, storage, count):
    return program + b"\x80\x02]" + text("0") + b"a." + struct.pack("<Q", count) + storage


HOSTILE = [
    b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
    b"\x80\x02}X\x01\x00\x00\x00wcbuiltins\neval\nX\x01\x00\x00\x001\x85Rs.",
    b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.",
    b"\x80\x02]r\xff\xff\xff\xff.",
    b"\x80\x02X\xff\xff\xff\xff.",
    b"\x80\x02}q\x00X\x01\x00\x00\x00gh\x00s.",  # holds itself
    b"\x80\x02}q\x00" + b"0](h\x00h\x00eq\x00" * 12 + b".",  # holds twice what holds twice
    b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93\x94.",
    b"\x80\x02}(X\x01\x00\x00\x00aN\x88J\x00\x00\x00\x80\x8a\x02\xff\xffM\x01\x00U\x01b]q\x00h\x00(X\x01\x00\x00\x00ce.",
]


# As ncnn writes it


class Ncnn:
    def __init__(self):
        self.lines, self.bin, self.made = ["Input in 0 1 b0"], b"", 0

    def then(self, kind, inputs, values=""):
        self.made += 1
        taken = " ".join(f"b{i}" for i in inputs)
        self.lines.append(f"{kind} l{self.made} {len(inputs)} 1 {taken} b{self.made} {values}".rstrip())
        return self.made

    def conv(self, at, inputs, outputs, leaky=False):
        count = 9 * inputs * outputs
        halves = count % 2 == 1  # both ways in which weights are stored
        stored = struct.pack(f"<I{count}e", 0x01306B47, *(0.25,) * count) + bytes(2) if halves else bytes(4) + numbers(count)
        self.bin += stored + numbers(outputs)
        activation = " 9=2 -23310=1,2.000000e-01" if leaky else ""
        return self.then("Convolution", [at], f"0={outputs} 1=3 4=1 5=1 6={count}{activation}")

    def residual(self, a, b):
        return self.then("Eltwise", [a, b], "0=1 -23301=2,2.000000e-01,1.000000e+00")

    def prelu(self, at, channels):
        self.bin += numbers(channels)
        return self.then("PReLU", [at], f"0={channels}")

    def files(self):
        return split("\n".join(["7767517", f"{len(self.lines)} {self.made + 1}", *self.lines, ""]).encode(), self.bin)


def rrdb(shrink=None):
    net = Ncnn()
    first = at = net.conv(0, 3, 1)
    block = at
    for _ in range(3):
        seen = [at]
        for i in range(5):
            together = at if i == 0 else net.then("Concat", seen)
            seen.append(net.conv(together, 1 + i, 1, leaky=i < 4))
        at = net.residual(seen[5], at)
    at = net.residual(at, block)
    at = net.then("BinaryOp", [first, net.conv(at, 1, 1)], "0=0")
    for _ in range(2):
        at = net.conv(net.then("Interp", [at], "0=1 1=2.0 2=2.0"), 1, 1, leaky=True)
    at = net.conv(net.conv(at, 1, 1, leaky=True), 1, 3)
    if shrink:
        net.then("Interp", [at], f"0=3 1={shrink} 2={shrink}")
    return net.files()


def in_a_row():
    net = Ncnn()
    at = net.prelu(net.conv(0, 3, 1), 1)
    at = net.prelu(net.conv(at, 1, 1), 1)
    at = net.then("PixelShuffle", [net.conv(at, 1, 48)], "0=4")
    net.then("BinaryOp", [at, net.then("Interp", [0], "0=1 1=4.0 2=4.0")])
    return net.files()


# As MIDI files hold music


def midi(kind, *tracks, division=b"\x00\x60"):
    head = b"MThd" + struct.pack(">IHH", 6, kind, len(tracks)) + division
    return head + b"".join(b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks)


END = b"\x00\xff\x2f\x00"
TEMPO = b"\x00\xff\x51\x03\x07\xa1\x20"  # 120 quarters a minute
TIME = TEMPO + b"\x00\xff\x58\x04\x03\x02\x18\x08"  # and three in a bar
NOTES = [60, 62, 64, 65, 67, 69, 71, 72] * 4
TUNE = b"\x00\xc0\x05" + b"".join(bytes([0, 0x90, note, 100, 48, 0x80, note, 64]) for note in NOTES)
RUNNING = b"\x00\x90" + b"".join(bytes([note, 100, 48, note, 0, 0]) for note in NOTES)[:-1]
CHORDS = b"".join(bytes([0, 0x90, note, 90, 0, 0x90, note + 4, 90, 96, 0x80, note, 0, 0, 0x80, note + 4, 0]) for note in NOTES)
BETWEEN = b"\x00\x90\x3c\x64\x00\xff\x01\x02hi\x30\x3c\x00\x00\xf0\x03\x41\x10\xf7\x00\xb0\x07\x7f\x00\x90\x40\x64\x60\x40\x00"
PIECES = {
    "one-track": midi(0, TIME + TUNE + END),
    "two-tracks": midi(1, TEMPO + END, TUNE + END),
    "two-pieces": midi(2, TUNE + END, RUNNING + END),
    "running-status": midi(1, TEMPO + END, RUNNING + END),
    "chords": midi(1, TEMPO + END, CHORDS + END),
    "status-after-meta": midi(0, BETWEEN + END),
    "drums": midi(0, TUNE.replace(b"\x90", b"\x99").replace(b"\x80", b"\x89") + END),
    "frames": midi(0, TUNE + END, division=b"\xe7\x28"),
    "no-end": midi(0, TUNE),
    "riff": b"RIFF" + struct.pack("<I", 0) + b"RMIDdata" + struct.pack("<I", 0) + midi(0, TUNE + END),
}


def main():
    shutil.rmtree(SEEDS, ignore_errors=True)
    for name, files in {"rrdb": rrdb(), "rrdb-half": rrdb(0.5), "compact": in_a_row()}.items():
        seed("ncnn", name, files)
        seed("import", f"ncnn-{name}", b"\x00", files)
    seed("ncnn", "split", split(b"7767517\n2 3\nInput i 0 1 a\nSplit s 1 2 a b c\n", b""))
    for name, shapes in STATE_DICTS.items():
        seed("safetensors", name, safetensors(shapes))
        seed("import", f"described-{name}", b"\x02", described(shapes))
        program, count = pickle(shapes)
        seed("pickle", f"new-{name}", b"\x02", split(program, numbers(count)))
        seed("pickle", f"old-{name}", b"\x01", old(pickle(shapes, view=b"N")[0], numbers(count), count))
        seed("import", f"zip-{name}", b"\x01", zipped(program, numbers(count)))
    # What trainings keep, by PyTorch itself.
    with zipfile.ZipFile(Path(__file__).parent.parent / "tests" / "golden" / "checkpoints.zip") as archive:
        for name in archive.namelist():
            if name.endswith(".pth"):
                seed("pickle", f"torch-{name.replace('/', '-')}", b"\x00", archive.read(name))
                seed("import", f"torch-{name.replace('/', '-')}", b"\x01", archive.read(name))
                if archive.read(name).startswith(b"PK"):
                    with zipfile.ZipFile(io.BytesIO(archive.read(name))) as file:
                        program = file.read(next(inner for inner in file.namelist() if inner.endswith("/data.pkl")))
                    if len(program) < 2**16:
                        seed("pickle", f"program-{name.replace('/', '-')}", b"\x02", split(program, bytes(4096)))
    small = STATE_DICTS["odd"]
    for kind, size in {"Float": 4, "Half": 2, "BFloat16": 2, "Double": 8, "Long": 8}.items():
        program, count = pickle(small, f"{kind}Storage", around="netG")
        seed("pickle", f"new-{kind}", b"\x02", split(program, bytes(size * count)))
        older = old(pickle(small, f"{kind}Storage", "netG", b"N")[0], bytes(size * count), count)
        seed("pickle", f"old-{kind}", b"\x01", older)
        seed("pickle", f"zip-{kind}", b"\x00", zipped(program, bytes(size * count)))
        seed("pickle", f"deflated-{kind}", b"\x00", zipped(program, bytes(size * count), zipfile.ZIP_DEFLATED))
        seed("pickle", f"whole-{kind}", b"\x00", OLD, MACHINE, older)
    for i, program in enumerate(HOSTILE):
        seed("pickle", f"hostile-{i}", b"\x02", split(program, bytes(16)))
        seed("import", f"hostile-{i}", b"\x01", zipped(program, bytes(16)))
    for kind, (dtype, size) in enumerate([("F32", 4), ("F64", 8), ("I64", 8), ("F16", 2)]):
        seed("safetensors", f"odd-{dtype}", safetensors(small, dtype, size))
        seed("import", f"described-dcgan-{dtype}", b"\x02", described(dcgan(), kind))
    seed("safetensors", "long", struct.pack("<Q", 2**64 - 1), b"{}")
    seed("safetensors", "empty", struct.pack("<Q", 2), b"{}")
    for name, piece in PIECES.items():
        seed("midi", name, piece)
        seed("midi", f"{name}-cut", piece[:-9])
        seed("midi", f"{name}-long", piece.replace(b"MTrk\x00\x00", b"MTrk\x00\x7f"))
    seed("tflite", "small", (Path(__file__).parent.parent / "tests" / "golden" / "small.tflite").read_bytes())
    for file in sorted(PICTURES.iterdir()):
        seed("pictures", file.name, file.read_bytes())


if __name__ == "__main__":
    main()
