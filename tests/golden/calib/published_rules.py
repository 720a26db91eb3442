#!/usr/bin/env python3
"""Decisions of published cache rules on made-up runs, for tests/calib/rules/published_rules_test.cc (kind "cache_rules").

Plain ports, written from the published code; no dependency but Python:
  EasyCache   H-EmbodVis/EasyCache, EasyCache4Wan2.2/easycache_generate.py (the conditional branch)
  FBCache     diffusers src/diffusers/hooks/first_block_cache.py (after ParaAttention)

Every run gives, for all of its calls, what the rule would see there: latents and outputs (EasyCache)
or the first block's residuals (FBCache). A rule reads outputs of computed calls only.

    python3 published_rules.py    # writes published_rules.json beside this file
"""

import json
import os
import random


def mean_abs(a, b=None):
    return sum(abs(x - (b[i] if b else 0.0)) for i, x in enumerate(a)) / len(a)


class EasyCache:
    def __init__(self, calls, threshold, first_calls):
        self.calls, self.threshold, self.first_calls = calls, threshold, first_calls
        self.error, self.k = 0.0, None
        self.latent = None  # of the call before
        self.latent_computed = None  # of the last computed call
        self.output = None  # of the last computed call

    def computes(self, call, latent):
        compute = True
        if call < self.first_calls or call >= self.calls - 1:
            self.error = 0.0
        elif self.latent is not None and self.output is not None and self.k is not None:
            change = mean_abs(latent, self.latent)
            self.error += self.k * (change / mean_abs(self.output))
            if self.error < self.threshold:
                compute = False
            else:
                self.error = 0.0
        self.latent = latent
        return compute

    def learn(self, output):
        if self.output is not None and self.latent_computed is not None:
            self.k = mean_abs(output, self.output) / mean_abs(self.latent, self.latent_computed)
        self.latent_computed, self.output = self.latent, output


class FirstBlockCache:
    def __init__(self, threshold):
        self.threshold, self.residual = threshold, None

    def computes(self, residual):
        compute = True
        if self.residual is not None:
            compute = mean_abs(residual, self.residual) / mean_abs(self.residual) > self.threshold
        if compute:
            self.residual = residual
        return compute


def walk(rng, calls, size, start, step):
    """A smooth random walk whose steps grow and shrink."""
    values, direction, rows = [rng.gauss(0, start) for _ in range(size)], [0.0] * size, []
    for _ in range(calls):
        rows.append([round(v, 6) for v in values])
        direction = [0.7 * d + rng.gauss(0, step) for d in direction]
        scale = rng.choice([0.2, 1.0, 1.0, 2.5])
        values = [v + scale * d for v, d in zip(values, direction)]
    return rows


def main():
    rng = random.Random(20261201)
    runs = []
    for calls, threshold, first in [
        (30, 0.05, 7), (30, 0.2, 2), (50, 0.5, 5), (12, 1.5, 0), (12, 0.0, 1), (4, 9.0, 9),
    ]:
        latents, outputs = walk(rng, calls, 5, 1.0, 0.05), walk(rng, calls, 5, 1.0, 0.04)
        rule, decisions = EasyCache(calls, threshold, first), ""
        for call in range(calls):
            compute = rule.computes(call, latents[call])
            decisions += "C" if compute else "S"
            if compute:
                rule.learn(outputs[call])
        runs.append({"rule": "easycache", "threshold": threshold, "first_calls": first,
                     "latents": latents, "outputs": outputs, "decisions": decisions})
    for calls, threshold in [(30, 0.05), (30, 0.12), (50, 0.3), (12, 2.0), (1, 0.1)]:
        residuals = walk(rng, calls, 5, 1.0, 0.05)
        rule = FirstBlockCache(threshold)
        decisions = "".join("C" if rule.computes(r) else "S" for r in residuals)
        runs.append({"rule": "fbcache", "threshold": threshold, "residuals": residuals,
                     "decisions": decisions})
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "published_rules.json")
    with open(path, "w") as file:
        json.dump({"kind": "cache_rules", "runs": runs}, file)
        file.write("\n")
    for run in runs:
        print(run["rule"], run["threshold"], run["decisions"])


if __name__ == "__main__":
    main()
