"""Runs a bundle from its files alone, as a program does that has no model."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file


class Bundle:
    def __init__(self, folder, manifest=None):
        self.folder = Path(folder)
        self.manifest = (
            manifest or json.loads((self.folder / "bundle.json").read_text())["experts"][""]
        )
        self.constants = {}
        files = [w["file"] for w in self.manifest["weights"]]
        for file in [*files, self.manifest["constants"]["file"]]:
            self.constants |= load_file(self.folder / file)
        for key in self.manifest["complex"]:
            self.constants[key] = torch.view_as_complex(self.constants[key])
        self.parts = {name: self._load(part) for name, part in self.manifest["parts"].items()}

    def _load(self, part):
        path = str(self.folder / part["file"])
        if part["backend"] == "torchscript":
            module = torch.jit.load(path)
            constants = [self.constants[key] for key in part["constants"]]
            return lambda *inputs: module(*constants, *inputs)
        from torch._inductor.package import load_package

        module = load_package(path, "part", run_single_threaded=True)
        keys = {key: self.constants[key.removeprefix("m.")] for key in module.get_constant_fqns()}
        module.load_constants(keys, check_full_update=True, user_managed=True)
        return module

    @torch.no_grad()
    def run(self, arguments, skip=None):
        """{tensor: value} of a call. `skip`: values of the last computed call, whose residual is
        added instead of running the blocks."""
        values = dict(arguments)
        for name, part in self.parts.items():
            if skip is not None and name in ("first", "blocks"):
                values["h1"] = values["h0"] + (skip["h1"] - skip["h0"])
                values |= {kept: skip[kept] for kept in self.manifest["roles"]["kept"]}
                continue
            entry = self.manifest["parts"][name]
            for i in entry["inputs"]:
                tensor = self.manifest["tensors"][i]
                assert list(values[i].shape) == tensor["shape"] and values[i].is_contiguous()
                assert str(values[i].dtype) == f"torch.{tensor['dtype']}"
            outputs = part(*(values[i] for i in entry["inputs"]))
            values.update(zip(entry["outputs"], outputs, strict=True))
        return values
