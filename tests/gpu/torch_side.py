"""What PyTorch does on the same device, for comparison. Each command prints one line of JSON.

device   what the device is, and its measured limits: bytes per second of a copy, operations per
         second of a matrix product
frames   PSNR, SSIM and LPIPS of one pair of frames that are on the device, in milliseconds
blocks   one block of each published transformer at full width, eager, in milliseconds
"""

import argparse
import json
import time

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, HEADS, TEXT = 1152, 16, 20  # as in tests/benchmarks/models_benchmark.cc


def milliseconds(work, device, repeats):
    """The median time of a call, the device waited for."""
    cuda = device.type == "cuda"

    def wait():
        if cuda:
            torch.cuda.synchronize()

    work()
    wait()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        wait()
        times.append(1e3 * (time.perf_counter() - start))
    return sorted(times)[len(times) // 2]


# ------------------------------------------------------------------------------- device


def device_facts(device, small):
    side = 128 if small else 8192
    size = 2**16 if small else 2**31
    facts = {"name": "CPU, emulated", "torch": torch.__version__}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts["name"] = properties.name
        facts["memory_gib"] = round(properties.total_memory / 2**30, 1)
        facts["multiprocessors"] = properties.multi_processor_count
    source = torch.randint(255, (size,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    ms = milliseconds(lambda: target.copy_(source), device, 10)
    facts["copy_gb_per_s"] = 2 * size / ms / 1e6  # read and written
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        a = torch.randn(side, side, device=device).to(dtype)
        ms = milliseconds(lambda a=a: a @ a, device, 5)
        facts[f"matmul_tflops_{str(dtype)[6:]}"] = 2 * side**3 / ms / 1e9
    return facts


# ------------------------------------------------------------------------------- frames


def psnr(a, b):
    return 10 * torch.log10(1 / (a - b).square().mean((1, 2, 3)))


def gaussian_window(device):
    taps = torch.exp(-((torch.arange(11, device=device) - 5.0) ** 2) / (2 * 1.5**2))
    taps = taps / taps.sum()
    return (taps[:, None] * taps[None, :]).expand(3, 1, 11, 11).contiguous()


def ssim(a, b, window):
    """By five filtered planes in one convolution, as torchmetrics does it."""
    n = len(a)
    planes = F.conv2d(torch.cat([a, b, a * a, b * b, a * b]), window, groups=3)
    mean_a, mean_b, aa, bb, ab = (planes[i * n : (i + 1) * n] for i in range(5))
    c1, c2 = 1e-4, 9e-4
    top = (2 * mean_a * mean_b + c1) * (2 * (ab - mean_a * mean_b) + c2)
    bottom = (mean_a**2 + mean_b**2 + c1) * (aa - mean_a**2 + bb - mean_b**2 + c2)
    return (top / bottom).mean((1, 2, 3))


class Lpips(nn.Module):
    """LPIPS over AlexNet with random weights: the time does not depend on them."""

    def __init__(self):
        super().__init__()
        shapes = [(3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1)]
        shapes += [(384, 256, 3, 1, 1), (256, 256, 3, 1, 1)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, k, stride=s, padding=p) for i, o, k, s, p in shapes
        )
        self.heads = nn.ModuleList(nn.Conv2d(s[1], 1, 1, bias=False) for s in shapes)

    def features(self, x):
        outputs = []
        for i, convolution in enumerate(self.convolutions):
            if i in (1, 2):
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(convolution(x))
            outputs.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return outputs

    def forward(self, a, b):
        total = 0
        pairs = zip(self.features(2 * a - 1), self.features(2 * b - 1), self.heads, strict=True)
        for x, y, head in pairs:
            size = a.shape[2:]
            distance = head((x - y).square())
            total = total + F.interpolate(distance, size, mode="bilinear", align_corners=False)
        return total.mean((1, 2, 3))


def frame_times(device, small):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        from torchmetrics.functional.image import structural_similarity_index_measure
    except ImportError:
        structural_similarity_index_measure = None
    repeats, window = (1 if small else 20), gaussian_window(device)
    network = Lpips().to(device).eval()
    last = Lpips().to(device).eval().to(memory_format=torch.channels_last)
    sizes = [(64, 48)] if small else [(512, 512), (1920, 1080)]
    results = {"ssim_by": "five planes, one convolution"}
    for width, height in sizes:
        pairs = 2 if small else 8
        a = torch.rand(pairs, 3, height, width, device=device)
        b = (a + 0.02 * torch.randn_like(a)).clamp(0, 1)

        def each(work, a=a, b=b):  # one pair after the other, as the script calls it
            return [work(a[i : i + 1], b[i : i + 1]) for i in range(len(a))]

        def last_format(x):
            return x.to(memory_format=torch.channels_last)

        work = {
            "psnr": lambda a=a, b=b: psnr(a, b),
            "ssim": lambda a=a, b=b: ssim(a, b, window),
            "lpips_one_by_one": lambda each=each: each(network),
            "lpips_batch": lambda a=a, b=b: network(a, b),
            "lpips_channels_last": lambda a=last_format(a), b=last_format(b): last(a, b),
        }
        if structural_similarity_index_measure is not None:
            work["ssim_torchmetrics"] = lambda a=a, b=b: structural_similarity_index_measure(
                a, b, data_range=1.0
            )
        with torch.no_grad():
            results[f"{width}x{height}"] = {
                name: milliseconds(one, device, repeats) / pairs for name, one in work.items()
            }
    return results


# ------------------------------------------------------------------------------- blocks


class Attention(nn.Module):
    def __init__(self, norm=False):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        size = WIDTH // HEADS
        self.norms = nn.ModuleList(nn.RMSNorm(size, 1e-6) for _ in range(2)) if norm else None

    def forward(self, x, context, rope=None):
        q, k, v = (
            f(t).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for f, t in ((self.q, x), (self.k, context), (self.v, context))
        )
        if self.norms is not None:
            q, k = self.norms[0](q), self.norms[1](k)
        if rope is not None:
            q, k = rotated(q, *rope), rotated(k, *rope)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def rotated(x, cos, sin):
    wide = x.float()
    turned = torch.stack([-wide[..., 1::2], wide[..., ::2]], -1).flatten(-2)
    return (wide * cos + turned * sin).to(x.dtype)


class Block(nn.Module):
    """Latte's block; with `stdit3` Open-Sora's: normalised queries and keys, rotary positions in
    time, and text in every block."""

    def __init__(self, temporal, stdit3):
        super().__init__()
        self.temporal, self.stdit3 = temporal, stdit3
        self.norm = nn.LayerNorm(WIDTH, 1e-6, elementwise_affine=False)
        self.table = nn.Parameter(torch.randn(6, WIDTH) / WIDTH**0.5)
        self.attention = Attention(norm=stdit3)
        self.cross = Attention() if stdit3 or not temporal else None
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU("tanh"), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x, text, t, rope):
        shift, scale, gate, shift2, scale2, gate2 = (self.table + t).unbind(0)
        y = self.norm(x) * (1 + scale) + shift
        y = y.transpose(1, 2) if self.temporal else y
        rows = y.flatten(0, 1)
        rope = rope if self.stdit3 and self.temporal else None
        y = self.attention(rows, rows, rope).view(y.shape)
        x = x + gate * (y.transpose(1, 2) if self.temporal else y)
        if self.cross is not None:
            x = x + self.cross(x.flatten(1, 2), text).view(x.shape)
        return x + gate2 * self.mlp(self.norm(x) * (1 + scale2) + shift2)


def block_times(device, small):
    frames, places = (2, 16) if small else (16, 1024)
    dtype = torch.float32 if small else torch.float16
    results = {}
    for stdit3, model in ((False, "Latte"), (True, "OpenSora")):
        for temporal, kind in ((False, "Spatial"), (True, "Temporal")):
            block = Block(temporal, stdit3).to(device, dtype).eval()
            x = torch.randn(1, frames, places, WIDTH, device=device, dtype=dtype)
            text = torch.randn(1, TEXT, WIDTH, device=device, dtype=dtype)
            t = torch.randn(6, WIDTH, device=device, dtype=dtype)
            angles = torch.arange(frames, device=device)[:, None] * torch.rand(
                WIDTH // HEADS // 2, device=device
            )
            rope = tuple(f(angles).repeat_interleave(2, -1) for f in (torch.cos, torch.sin))
            with torch.no_grad():
                ms = milliseconds(
                    lambda block=block, x=x, text=text, t=t, rope=rope: block(x, text, t, rope),
                    device,
                    1 if small else 20,
                )
            results[f"{model}{kind}Block"] = ms
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = {"device": device_facts, "frames": frame_times, "blocks": block_times}
    parser.add_argument("command", choices=commands)
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    small = device.type == "cpu"
    print(json.dumps(commands[arguments.command](device, small)))


if __name__ == "__main__":
    main()
