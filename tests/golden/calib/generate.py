#!/usr/bin/env python3
"""Makes the golden cases of calib with numpy (written with numpy 2.4.6, Python 3.11).

Kinds:
  polyfit   numpy.polyfit(x, y, degree, w=sqrt(weights)) with the rank and the singular values that
            numpy reports; "exact" holds the least-squares solution in rational arithmetic.
  certified NIST StRD linear least squares sets with NIST's certified answers: Wampler 1-5 (x = 0..20),
            Norris and Filip.

Run: python3 generate.py   (writes beside itself)
"""
import json
import pathlib
from fractions import Fraction

import numpy as np

HERE = pathlib.Path(__file__).parent


def exact_least_squares(x, y, degree, weights=None):
    """Normal equations over the rationals: the true answer for these doubles."""
    n = degree + 1
    xs = [Fraction(float(v)) for v in x]
    ys = [Fraction(float(v)) for v in y]
    ws = [Fraction(float(v)) for v in weights] if weights is not None else [Fraction(1)] * len(xs)
    a = [[sum(w * v ** (2 * degree - i - j) for v, w in zip(xs, ws)) for j in range(n)]
         for i in range(n)]
    b = [sum(w * t * v ** (degree - i) for v, t, w in zip(xs, ys, ws)) for i in range(n)]
    for i in range(n):
        pivot = next(r for r in range(i, n) if a[r][i] != 0)
        a[i], a[pivot], b[i], b[pivot] = a[pivot], a[i], b[pivot], b[i]
        for r in range(i + 1, n):
            f = a[r][i] / a[i][i]
            for c in range(i, n):
                a[r][c] -= f * a[i][c]
            b[r] -= f * b[i]
    solution = [Fraction(0)] * n
    for i in reversed(range(n)):
        solution[i] = (b[i] - sum(a[i][c] * solution[c] for c in range(i + 1, n))) / a[i][i]
    return [float(s) for s in solution]


def polyfit_case(name, x, y, degree, weights=None):
    w = None if weights is None else np.sqrt(weights)
    c, _, rank, sv, _ = np.polyfit(x, y, degree, w=w, full=True)
    exact = exact_least_squares(x, y, degree, weights)
    agree = max(abs(a - b) / abs(b) for a, b in zip(c, exact))
    case = {
        "kind": "polyfit",
        "made_with": f"numpy {np.__version__}",
        "degree": degree,
        "x": list(map(float, x)),
        "y": list(map(float, y)),
        "coefficients": list(map(float, c)),
        "exact": exact,
        "rank": int(rank),
        "condition_number": float(sv[0] / sv[-1]),
        "numpy_error": float(agree),
    }
    if weights is not None:
        case["weights"] = list(map(float, weights))
    (HERE / f"polyfit_{name}.json").write_text(json.dumps(case, indent=1) + "\n")
    print(f"{name}: rank {rank}, condition {case['condition_number']:.3g}, numpy against exact {agree:.2g}")


def certified_case(name, y, coefficients, residual_sd, x=range(21), degree=5):
    # Digits that numpy reaches in double precision, less one.
    c = np.polyfit(list(x), list(map(float, y)), degree)
    error = max(abs(a - b) / abs(b) for a, b in zip(c, coefficients))
    digits = int(-np.log10(max(error, 1e-14))) - 1
    print(f"{name}: numpy {error:.2g}")
    (HERE / f"certified_{name}.json").write_text(json.dumps({
        "kind": "certified",
        "source": "NIST StRD, Linear Regression, " + name,
        "degree": degree,
        "x": list(x),
        "y": list(map(float, y)),
        "coefficients": coefficients,
        "residual_sd": residual_sd,
        "digits": digits,
    }, indent=1) + "\n")


NORRIS_X = [
    0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6,
    775.5, 666.9, 338.0, 447.5, 11.6, 556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8,
    339.1, 887.2, 999.0, 779.0, 11.1, 118.3, 229.2, 669.1, 448.9, 0.5]
NORRIS_Y = [
    0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1,
    778.1, 668.8, 339.3, 448.9, 10.8, 557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6,
    339.3, 888.0, 998.5, 778.9, 10.2, 117.6, 228.9, 668.4, 449.2, 0.2]

FILIP_X = [
    -6.860120914, -4.324130045, -4.358625055, -4.358426747, -6.955852379, -6.661145254,
    -6.355462942, -6.118102026, -7.115148017, -6.815308569, -6.519993057, -6.204119983,
    -5.853871964, -6.109523091, -5.79832982, -5.482672118, -5.171791386, -4.851705903,
    -4.517126416, -4.143573228, -3.709075441, -3.499489089, -6.300769497, -5.953504836,
    -5.642065153, -5.031376979, -4.680685696, -4.329846955, -3.928486195, -8.56735134,
    -8.363211311, -8.107682739, -7.823908741, -7.522878745, -7.218819279, -6.920818754,
    -6.628932138, -6.323946875, -5.991399828, -8.781464495, -8.663140179, -8.473531488,
    -8.247337057, -7.971428747, -7.676129393, -7.352812702, -7.072065318, -6.774174009,
    -6.478861916, -6.159517513, -6.835647144, -6.53165267, -6.224098421, -5.910094889,
    -5.598599459, -5.290645224, -4.974284616, -4.64454848, -4.290560426, -3.885055584,
    -3.408378962, -3.13200249, -8.726767166, -8.66695597, -8.511026475, -8.165388579,
    -7.886056648, -7.588043762, -7.283412422, -6.995678626, -6.691862621, -6.392544977,
    -6.067374056, -6.684029655, -6.378719832, -6.065855188, -5.752272167, -5.132414673,
    -4.811352704, -4.098269308, -3.66174277, -3.2644011]
FILIP_Y = [
    0.8116, 0.9072, 0.9052, 0.9039, 0.8053, 0.8377, 0.8667, 0.8809, 0.7975, 0.8162,
    0.8515, 0.8766, 0.8885, 0.8859, 0.8959, 0.8913, 0.8959, 0.8971, 0.9021, 0.909, 0.9139,
    0.9199, 0.8692, 0.8872, 0.89, 0.891, 0.8977, 0.9035, 0.9078, 0.7675, 0.7705, 0.7713,
    0.7736, 0.7775, 0.7841, 0.7971, 0.8329, 0.8641, 0.8804, 0.7668, 0.7633, 0.7678,
    0.7697, 0.77, 0.7749, 0.7796, 0.7897, 0.8131, 0.8498, 0.8741, 0.8061, 0.846, 0.8751,
    0.8856, 0.8919, 0.8934, 0.894, 0.8957, 0.9047, 0.9129, 0.9209, 0.9219, 0.7739, 0.7681,
    0.7665, 0.7703, 0.7702, 0.7761, 0.7809, 0.7961, 0.8253, 0.8602, 0.8809, 0.8301,
    0.8664, 0.8834, 0.8898, 0.8964, 0.8963, 0.9074, 0.9119, 0.9228]
FILIP = [
    -0.402962525080404e-04, -0.246781078275479e-02, -0.670191154593408e-01, -1.06221498588947,
    -10.8753180355343, -75.1242017393757, -354.478233703349, -1127.97394098372, -2316.37108160893,
    -2772.17959193342, -1467.48961422980]


def main():
    rng = np.random.default_rng(5)
    for name, steps, prompts, lo, hi in [("trace_like", 49, 6, 0.01, 0.5), ("narrow", 20, 3, 0.08, 0.11)]:
        x = rng.uniform(lo, hi, steps * prompts)
        y = 0.2 + 1.5 * (x - lo) + 30 * (x - 0.2) ** 3 + rng.normal(0, 0.02, x.size)
        for degree in (1, 4):
            polyfit_case(f"{name}_{degree}", x, y, degree)
    x = rng.uniform(0.02, 0.4, 120)
    y = 3 * x + rng.normal(0, 0.05, x.size)
    polyfit_case("weighted_4", x, y, 4, rng.uniform(0.1, 3, x.size))
    x = rng.uniform(0.01, 0.6, 300)
    polyfit_case("degree_8", x, np.sin(9 * x) + rng.normal(0, 0.01, x.size), 8)
    x = np.linspace(0.1, 0.9, 5)
    polyfit_case("interpolation_4", x, np.array([0.3, 0.1, 0.7, 0.2, 0.9]), 4)
    x = 1000 + rng.uniform(0, 1, 60)
    polyfit_case("far_2", x, (x - 1000.4) ** 2 + rng.normal(0, 0.01, x.size), 2)

    # Wampler 1-5. Noise d of NIST's Wampler 3-5 is a fixed list of 21 integers.
    x = np.arange(21, dtype=object)
    d = [759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048, -2048, 1838, -2048,
         2048, -2048, 2523, -2048, 2048, -2048, 759]
    ones = [1.0] * 6
    y1 = sum(x ** k for k in range(6))
    certified_case("Wampler1", y1, ones, 0.0)
    certified_case("Wampler2", [float(sum((Fraction(int(v)) / 10) ** k for k in range(6))) for v in x],
                   [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0], 0.0)
    for name, scale, sd in [("Wampler3", 1, 2360.14502379268), ("Wampler4", 100, 236014.502379268),
                            ("Wampler5", 10000, 23601450.2379268)]:
        y = [int(a) + scale * b for a, b in zip(y1, d)]
        exact = exact_least_squares(range(21), y, 5)
        print(name, exact, np.sqrt(sum((float(v) - t) ** 2 for v, t in zip(y, y1)) / 15))
        certified_case(name, y, ones, sd)
    certified_case("Norris", NORRIS_Y, [1.00211681802045, -0.262323073774029], 0.884796396144373,
                   NORRIS_X, 1)
    certified_case("Filip", FILIP_Y, FILIP, 0.334801051324544e-02, FILIP_X, 10)


main()
