# Makes tests/golden/metrics/torch_files: python3 make.py OUT (torch 2.11.0)
import collections, json, os, pickle, sys, torch
out = sys.argv[1]
torch.manual_seed(3)
ramp = lambda *s, dtype=torch.float32: (torch.arange(torch.Size(s).numel()).reshape(s) * 0.25 - 1).to(dtype)
od = collections.OrderedDict([("a.weight", ramp(2, 3)), ("a.bias", ramp(3)), ("scalar", torch.tensor(2.5)), ("empty", torch.zeros(0, 4))])
types = collections.OrderedDict((str(d).split(".")[1], ramp(5, dtype=d) if d.is_floating_point else torch.arange(5).to(d)) for d in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool))
base = ramp(4, 6)
views = {"whole": base, "row": base[1], "transposed": base.t(), "strided": base[::2, 1::2], "expanded": base[:, :1].expand(4, 6)}
shared = ramp(3, 3)
module = torch.nn.Linear(3, 2)
cases = [("zip_ordered_dict", od, {}), ("zip_dict", dict(od), {}), ("zip_one_item", {"only": ramp(7)}, {}),
  ("zip_types", types, {}), ("zip_views", views, {}), ("zip_nested", {"epoch": 3, "lr": 0.1, "state_dict": od, "args": ["x", None, True]}, {}),
  ("zip_module_state", module.state_dict(), {}), ("zip_parameters", dict(module.named_parameters()), {}),
  ("zip_shared", {"x": shared, "y": shared}, {}),
  ("legacy_ordered_dict", od, dict(_use_new_zipfile_serialization=False)), ("legacy_types", types, dict(_use_new_zipfile_serialization=False)),
  ("legacy_views", views, dict(_use_new_zipfile_serialization=False)), ("legacy_module_state", module.state_dict(), dict(_use_new_zipfile_serialization=False)),
  ("legacy_nested", {"state_dict": dict(od)}, dict(_use_new_zipfile_serialization=False))]
files = []
for name, obj, kw in cases:
    torch.save(obj, f"{out}/{name}.pth", **kw)
    d = obj.get("state_dict", obj)
    files.append({"file": f"{name}.pth", "tensors": [{"name": k, "dtype": str(v.dtype).split(".")[1], "shape": list(v.shape), "values": v.detach().double().flatten().tolist()} for k, v in d.items()]})
class Evil:
    def __reduce__(self): return (os.system, ("touch /tmp/teacache-evil",))
refused = []
def refuse(name, why): refused.append({"file": f"{name}.pth", "message": why})
torch.save(module, f"{out}/refused_module.pth"); refuse("refused_module", "only tensors are read")
torch.save(module, f"{out}/refused_legacy_module.pth", _use_new_zipfile_serialization=False); refuse("refused_legacy_module", "must be")
torch.save({"x": Evil()}, f"{out}/refused_program.pth"); refuse("refused_program", "only tensors are read")
torch.save({"x": Evil()}, f"{out}/refused_legacy_program.pth", _use_new_zipfile_serialization=False); refuse("refused_legacy_program", "only tensors are read")
open(f"{out}/refused_plain_pickle.pth", "wb").write(pickle.dumps({"x": 1}, 2)); refuse("refused_plain_pickle", "torch.save")
open(f"{out}/refused_protocol5.pth", "wb").write(pickle.dumps({"x": 1}, 5)); refuse("refused_protocol5", "protocol")
torch.jit.save(torch.jit.script(module), f"{out}/refused_script.pth"); refuse("refused_script", "TorchScript")
torch.save([ramp(2)], f"{out}/refused_list.pth"); refuse("refused_list", "by name")
torch.save({"x": 1}, f"{out}/refused_number.pth"); refuse("refused_number", "something else")
open(f"{out}/refused_text.pth", "w").write("not a file of torch"); refuse("refused_text", "neither")
open(f"{out}/refused_empty.pth", "w"); refuse("refused_empty", "neither")
open(f"{out}/../torch_files.json", "w").write(json.dumps({"kind": "torch_files", "folder": "torch_files", "made_with": "torch " + torch.__version__, "files": files, "refused": refused}, indent=1) + "\n")
