"""Prints tests/runners/schedulers/sequences.h: what diffusers' schedulers do for a given model.

    python tests/python/scheduler_sequences.py | clang-format > tests/runners/schedulers/sequences.h

The model is v = 0.3 x + c, c[i] = sin(1 + i + 4 call) in float32; the latent begins as
x[i] = cos(1 + i), i = 0 ... 3.
"""

import json
import math

import diffusers as D
import numpy as np
import torch

EULER, UNIPC = D.FlowMatchEulerDiscreteScheduler, D.UniPCMultistepScheduler
DPM, DDIM, COG = D.DPMSolverMultistepScheduler, D.DDIMScheduler, D.CogVideoXDDIMScheduler
FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
COG_5B = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "snr_shift_scale": 1.0}
LINEAR = {"prediction_type": "epsilon", "beta_schedule": "linear", "clip_sample": False}
CASES = [  # class, configuration, steps, kind of sigmas, mu
    (EULER, {}, 4, "scheduler", None),
    (EULER, {"shift": 3.0}, 5, "scheduler", None),
    (EULER, {"shift": 7.0}, 4, "linear", None),
    (EULER, {"use_dynamic_shifting": True}, 4, "linear", 0.9),
    (EULER, {"use_dynamic_shifting": True, "time_shift_type": "linear"}, 4, "linear", 1.7),
    (EULER, {"use_dynamic_shifting": True, "shift_terminal": 0.1}, 4, "linear", 1.2),
    (EULER, {"invert_sigmas": True}, 6, "linear_quadratic", None),
    (UNIPC, {**FLOW, "flow_shift": 3.0}, 6, "scheduler", None),
    (UNIPC, {**FLOW, "flow_shift": 5.0, "solver_order": 3}, 7, "scheduler", None),
    (UNIPC, {**FLOW, "disable_corrector": [0]}, 5, "scheduler", None),
    (UNIPC, {**FLOW, "use_dynamic_shifting": True}, 5, "linear", 0.8),
    (DPM, {}, 6, "scheduler", None),
    (DPM, {"solver_order": 3, "timestep_spacing": "trailing"}, 7, "scheduler", None),
    (DPM, {"solver_type": "heun", "prediction_type": "v_prediction"}, 5, "scheduler", None),
    (DPM, {"timestep_spacing": "leading", "final_sigmas_type": "sigma_min"}, 16, "scheduler", None),
    (DPM, {**FLOW, "flow_shift": 3.0}, 6, "scheduler", None),
    (DDIM, {**LINEAR, "set_alpha_to_one": False, "steps_offset": 1}, 5, "scheduler", None),
    (
        DDIM,
        {"prediction_type": "v_prediction", "timestep_spacing": "trailing"},
        5,
        "scheduler",
        None,
    ),
    (DDIM, {"prediction_type": "sample", "beta_schedule": "scaled_linear"}, 4, "scheduler", None),
    (COG, {}, 5, "scheduler", None),
    (COG, {**COG_5B, "timestep_spacing": "trailing"}, 5, "scheduler", None),
]


def sigmas_of(kind, steps):
    if kind == "linear":
        return np.linspace(1, 1 / steps, steps)
    from diffusers.pipelines.mochi.pipeline_mochi import linear_quadratic_schedule

    return linear_quadratic_schedule(steps, 0.025)


def sequence(kind, config, steps, sigmas, mu):
    scheduler = kind(**config)
    given = {} if sigmas == "scheduler" else {"sigmas": sigmas_of(sigmas, steps)}
    if not given:
        given["num_inference_steps"] = steps
    if mu is not None:
        given["mu"] = mu
    scheduler.set_timesteps(**given)
    x = torch.tensor([math.cos(1 + i) for i in range(4)]).view(1, 4, 1)
    latents = []
    for call, t in enumerate(scheduler.timesteps):
        c = torch.tensor([math.sin(1 + i + 4 * call) for i in range(4)]).view(1, 4, 1)
        x = scheduler.step(0.3 * x + c, t, x, return_dict=False)[0]
        latents.append(x.flatten().tolist())
    return [float(t) for t in scheduler.timesteps], latents


def numbers(values):
    return "{" + ", ".join(f"{v:.9g}" for v in values) + "}"


print("// Made by tests/python/scheduler_sequences.py with diffusers", D.__version__ + ".")
print("#pragma once\n\n#include <vector>\n\nnamespace teacache {\n")
print("struct SchedulerSequence {")
print("const char* name;\nconst char* config;\nint steps;\nconst char* sigmas;")
print("double mu; // 0 = none\nstd::vector<double> timesteps;")
print("std::vector<double> latents; // after each call, 4 numbers\n};\n")
print("inline const std::vector<SchedulerSequence> kSchedulerSequences = {")
for kind, config, steps, sigmas, mu in CASES:
    timesteps, latents = sequence(kind, config, steps, sigmas, mu)
    text = json.dumps(json.dumps(config))
    print("{", f'"{kind.__name__}", {text}, {steps}, "{sigmas}", {mu or 0},')
    print(numbers(timesteps) + ",", numbers(v for latent in latents for v in latent) + "},")
print("};\n\n} // namespace teacache")
