"""Runs the export pages of docs/vbench-export.md on small stand-in networks.

Needs PyTorch; without it the test counts as skipped (exit code 77). The files are read back by
PyTorch here; that vbench-score takes such files is tested in C++.
"""
import os
import re
import sys
import tempfile

try:
    import torch
except ImportError:
    print("skipped: no PyTorch in", sys.executable)
    sys.exit(77)

torch.manual_seed(0)


class Attention(torch.nn.Module):
    """With shapes as DINO's blocks take them from their input."""

    def __init__(self, width):
        super().__init__()
        self.qkv = torch.nn.Linear(width, 3 * width)

    def forward(self, x):
        batch, count, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, count, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1)).softmax(dim=-1)
        return x + (weights @ v).transpose(1, 2).reshape(batch, count, width)


class TinyDino(torch.nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.patch_embed = torch.nn.Module()
        self.patch_embed.proj = torch.nn.Conv2d(3, width, 16, stride=16)
        self.cls_token = torch.nn.Parameter(torch.randn(1, 1, width))
        self.pos_embed = torch.nn.Parameter(torch.randn(1, 1 + 14 * 14, width))
        self.blocks = torch.nn.ModuleList([Attention(width), Attention(width)])
        self.norm = torch.nn.LayerNorm(width)

    def forward(self, x):
        tokens = self.patch_embed.proj(x)
        h, w = tokens.shape[2:]
        tokens = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), tokens.flatten(2).transpose(1, 2)], 1)
        positions = self.pos_embed
        if (h, w) != (14, 14):
            grid = positions[:, 1:].reshape(1, 14, 14, -1).permute(0, 3, 1, 2)
            grid = torch.nn.functional.interpolate(
                grid, scale_factor=((h + 0.1) / 14, (w + 0.1) / 14), mode="bicubic")
            positions = torch.cat([positions[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], 1)
        tokens = tokens + positions
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)[:, 0]


class TinyText(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(49408, 6)

    def forward(self, tokens):
        x = self.embedding(tokens)
        return x[torch.arange(x.shape[0]), tokens.argmax(dim=-1)] + x.mean(1)


class TinyClip(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 32, stride=32), torch.nn.Flatten(), torch.nn.Linear(4 * 49, 6))
        self.text = TinyText()

    def encode_image(self, x):
        return self.visual(x)

    def encode_text(self, tokens):
        return self.text(tokens)


class TinyMusiq(torch.nn.Module):
    def forward(self, x):
        _, _, h, w = x.shape
        scaled = torch.nn.functional.interpolate(x, size=(int(h * 0.5), int(w * 0.5)), mode="bilinear")
        return (x.mean() * 60 + scaled.abs().max()).reshape(1)


class TinyRaft(torch.nn.Module):
    def forward(self, a, b, iters, test_mode):
        flow = torch.zeros_like(a[:, :2])
        for _ in range(iters):
            flow = flow * 0.5 + (b - a)[:, :2] / 24
        return flow[:, :, ::8, ::8], flow


class TinyAmt(torch.nn.Module):
    def forward(self, a, b, embt, scale_factor, eval):
        return {"imgt_pred": a * embt + b * (1 - embt) * scale_factor}


class TinyViclip(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.frame = torch.nn.Linear(3, 6)
        self.text_encoder = TinyText()

    def encode_vision(self, x, test):
        return self.frame(x.mean((3, 4))).mean(1)


def main():
    document = os.path.join(os.path.dirname(__file__), "..", "..", "..", "docs", "vbench-export.md")
    with open(document, encoding="utf-8") as file:
        pages = re.findall(r"```python file=(\S+)\n(.*?)```", file.read(), re.DOTALL)
    with tempfile.TemporaryDirectory() as folder:
        for name, code in pages:
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(code)
        sys.path.insert(0, folder)
        os.chdir(sys.argv[1] if len(sys.argv) > 1 else folder)
        import export_clip
        import export_dino
        import export_musiq
        import export_pairs
        import export_viclip
        export_dino.export(TinyDino().eval())
        clip = TinyClip().eval()
        export_clip.export_image(clip, "clip_b32_image.ts")
        export_clip.export_text(clip, "clip_b32_text.ts")
        export_clip.export_image(clip, "clip_l14_image.ts")
        export_musiq.export(TinyMusiq(), 48, 64)
        export_pairs.export(export_pairs.Raft(TinyRaft()), 45, 60, "raft.ts", 8, 255)
        export_pairs.export(export_pairs.Amt(TinyAmt()), 45, 60, "amt.ts", 16, 1)
        export_viclip.export(TinyViclip().eval())


main()
