"""A tiny transformer's bundle on a device. TorchScript: exported on the CPU, then run on the
device, so that no device may be baked in. AOTInductor: compiled for the device. Prints one line of
JSON.

The parts run from their files alone, as a program does that has no model. The C++ programs do not
load bundles yet.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "runners/python"), str(ROOT / "tests/python")]

from bundles import Bundle  # noqa: E402
from teacache import export  # noqa: E402

WIDTH, HEADS, TOKENS, CHANNELS = 64, 4, 24, 8


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        x = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out(x.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.attn = nn.LayerNorm(WIDTH), Attention()
        self.ff = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x, scale):
        x = x + self.attn(self.norm(x) * (1 + scale))
        return x + self.ff(x)


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch, self.time = nn.Linear(CHANNELS, WIDTH), nn.Linear(1, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.head = nn.Linear(WIDTH, CHANNELS)

    def forward(self, x, timestep):
        scale = self.time(timestep[:, None, None])
        x = self.patch(x)
        for block in self.blocks:
            x = block(x, scale)
        return self.head(x)


def moved(bundle, device):
    """The bundle's parts and constants on `device`."""
    bundle.constants = {k: t.to(device) for k, t in bundle.constants.items()}
    for name, part in bundle.manifest["parts"].items():
        if part["backend"] == "torchscript":
            module = torch.jit.load(str(bundle.folder / part["file"]), map_location=device)
            constants = [bundle.constants[key] for key in part["constants"]]
            bundle.parts[name] = lambda *i, module=module, constants=constants: module(
                *constants, *i
            )
    return bundle


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", choices=export.BACKENDS, required=True)
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    model = Transformer().eval()
    calls = [
        {"x": torch.randn(1, TOKENS, CHANNELS), "timestep": torch.tensor([t])}
        for t in (0.9, 0.5, 0.2)
    ]
    with torch.no_grad():
        expected = [model(**call) for call in calls]
    on_device = [{k: t.to(arguments.device) for k, t in call.items()} for call in calls]
    compiled_there = arguments.backend == "aoti"
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        manifest = export.export_transformer(
            model.to(arguments.device) if compiled_there else model,
            folder,
            on_device if compiled_there else calls,
            backend=arguments.backend,
        )
        seconds = time.monotonic() - start
        bundle = Bundle(folder, manifest)
        if compiled_there:
            bundle.constants = {k: t.to(arguments.device) for k, t in bundle.constants.items()}
            bundle.parts = {n: bundle._load(p) for n, p in manifest["parts"].items()}
        else:
            bundle = moved(bundle, arguments.device)
        worst = 0.0
        for call, wanted in zip(on_device, expected, strict=True):
            got = bundle.run(call)["output"]
            assert got.device.type == torch.device(arguments.device).type
            worst = max(worst, float((got.cpu() - wanted).abs().max() / wanted.abs().max()))
    backends = {p["backend"] for p in manifest["parts"].values()}
    assert backends == {arguments.backend}, backends
    assert worst <= 1e-3, f"the bundle differs by {worst} of the largest value"
    print(json.dumps({"largest_difference": worst, "export_seconds": round(seconds, 2)}))


if __name__ == "__main__":
    main()
