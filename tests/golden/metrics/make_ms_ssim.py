"""Writes ms_ssim.json: what torchmetrics 1.9 gives on pictures made by a formula.

    pip install torch torchmetrics==1.9.0 && python3 make_ms_ssim.py > ms_ssim.json

The pictures are those of tests/metrics/frames/ms_ssim_test.cc; whole numbers all the way, so that
both have the same samples.
"""

import json

import numpy as np
import torch
import torchmetrics
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim


def hash32(x, y, c, seed):
    h = (x * 374761393 + y * 668265263 + c * 2246822519 + seed * 3266489917) & 0xFFFFFFFF
    h ^= h >> 13
    h = (h * 1274126177) & 0xFFFFFFFF
    return h ^ (h >> 16)


def picture(width, height, seed):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    ramp = np.abs((3 * x + 2 * y + 40 * c + 11 * seed) % 512 - 256)
    block = 60 * (((x // 19) + (y // 23)) % 5 == 0)
    return np.clip((3 * ramp + block + hash32(x, y, c, seed) % 64) // 4, 0, 255)


def changed(gt, kind, amount):
    height, width, _ = gt.shape
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    if kind == "noise":
        return np.clip(gt + hash32(x, y, c, 77) % (2 * amount + 1) - amount, 0, 255)
    if kind == "brighter":
        return np.clip(gt + amount, 0, 255)
    if kind == "shifted":
        return np.roll(gt, amount, axis=1)
    if kind == "inverted":
        return 255 - gt
    raise ValueError(kind)


def main():
    cases = []
    for width, height, seed, kind, amount in [
        (176, 176, 1, "noise", 8),
        (177, 191, 2, "noise", 40),
        (233, 187, 3, "noise", 1),
        (320, 180, 4, "brighter", 17),
        (256, 256, 5, "shifted", 3),
        (301, 203, 6, "shifted", 1),
        (192, 208, 7, "inverted", 0),
        (480, 270, 8, "noise", 100),
    ]:
        gt = picture(width, height, seed)
        gen = changed(gt, kind, amount)
        tensors = [torch.from_numpy(p / 255.0).double().permute(2, 0, 1)[None] for p in (gen, gt)]
        value = ms_ssim(*tensors, data_range=1.0).item()
        cases.append(dict(width=width, height=height, seed=seed, kind=kind, amount=amount,
                          gt_sum=int(gt.sum()), gen_sum=int(gen.sum()), ms_ssim=value))
    print(json.dumps({"kind": "ms_ssim", "torchmetrics": torchmetrics.__version__,
                      "torch": torch.__version__, "dtype": "float64", "data_range": 1.0,
                      "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
