"""Pairs of videos as .safetensors and random LPIPS weights, for eval-metrics where libav is not
installed: FOLDER/gt, FOLDER/gen and FOLDER/weights. Python's own library only."""

import argparse
import array
import json
import math
import random
import struct
from pathlib import Path

# AlexNet's convolutions and the channels of the layers that LPIPS compares.
ALEX = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}


def write(path, tensors, metadata=None):
    """`tensors`: name -> (dtype, shape, bytes)."""
    header, begin = {"__metadata__": metadata} if metadata else {}, 0
    for name, (dtype, shape, data) in tensors.items():
        end = begin + len(data)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)


def uniform(rng, shape, low, high):
    count = math.prod(shape)
    values = array.array("f", (low + (high - low) * rng.random() for _ in range(count)))
    return "F32", shape, values.tobytes()


def weights(folder, rng):
    features, heads = {}, {}
    for layer, (out, channels, kernel) in ALEX.items():
        shape = (out, channels, kernel, kernel)
        bound = math.sqrt(6 / (channels * kernel * kernel))
        features[f"features.{layer}.weight"] = uniform(rng, shape, -bound, bound)
        features[f"features.{layer}.bias"] = uniform(rng, (out,), -0.1, 0.1)
    for i, (out, _, _) in enumerate(ALEX.values()):
        heads[f"lin{i}.model.1.weight"] = uniform(rng, (1, out, 1, 1), 0, 1)
    write(folder / "alexnet.safetensors", features)
    write(folder / "alex.safetensors", heads)


def frames(rng, count, width, height, noise):
    """A gradient that moves, [T, 3, H, W]; rows are brighter or darker by up to `noise` levels."""
    tables = [bytes(min(255, max(0, v + d)) for v in range(256)) for d in range(-noise, noise + 1)]
    ramp = bytes((x * 255 // width) for x in range(width))
    data = bytearray()
    for t in range(count):
        for channel in range(3):
            for y in range(height):
                shift = (7 * t + y * (channel + 1)) % width
                row = ramp[shift:] + ramp[:shift]
                data += row.translate(rng.choice(tables)) if noise else row
    return bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--frames", type=int, default=49)
    parser.add_argument("--width", type=int, default=832)
    parser.add_argument("--height", type=int, default=480)
    a = parser.parse_args()
    rng = random.Random(1)
    weights(a.folder / "weights", rng)
    for pair in range(a.pairs):
        for kind, noise in (("gt", 0), ("gen", 6 + 6 * pair)):
            data = frames(rng, a.frames, a.width, a.height, noise)
            shape = (a.frames, 3, a.height, a.width)
            name = a.folder / kind / f"pair {pair}-0.safetensors"
            write(name, {"video": ("U8", shape, data)}, {"fps": "8"})


if __name__ == "__main__":
    main()
