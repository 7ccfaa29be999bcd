"""The simplified neuron flow of benches/peers/neurons.rs by SciPy, right-hand side compiled by numba, as a careful user would write it.

Berthier, Montanari & Zhou (2024): m = 10, sigma = ReLU cut after degree 8, phi = (1, -0.8, 0.6, 0, 0.4), a(0) = default_rng(0) normal,
s(0) = 1e-3, t from 0 to 10, eps = 1e-3 and 1e-6. One JSON line a measurement: CPU seconds (median of 9, after compilation) and worst
error at the output times against Radau at tolerance 1e-12."""
import json
import math
import statistics
import time

import numba
import numpy as np
from scipy.integrate import solve_ivp

DEGREE, M = 8, 10
TIMES = np.array([1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1, 2, 5, 10])


def hermite_at_0(n):
    a, b = 1.0, 0.0
    for k in range(1, n):
        a, b = b, -k * a
    return 1.0 if n == 0 else b


sigma = np.array([1 / math.sqrt(2 * math.pi), 0.5]
                 + [hermite_at_0(k - 2) / math.sqrt(2 * math.pi * math.factorial(k)) for k in range(2, DEGREE + 1)])
phi = np.array([1, -0.8, 0.6, 0, 0.4, 0, 0, 0, 0])
V, U = phi * sigma, sigma**2
DV, DU = V[1:] * np.arange(1, DEGREE + 1), U[1:] * np.arange(1, DEGREE + 1)


@numba.njit
def horner(x, c):
    r = 0.0
    for k in range(len(c) - 1, -1, -1):
        r = r * x + c[k]
    return r


@numba.njit
def rates(t, y, epsilon):
    out = np.empty(2 * M)
    for i in range(M):
        first = second = 0.0
        for j in range(M):
            r = y[M + i] * y[M + j]
            first += y[j] * horner(r, U)
            second += y[j] * y[M + j] * horner(r, DU)
        s = y[M + i]
        out[i] = (horner(s, V) - first / M) / epsilon
        out[M + i] = y[i] * (1 - s * s) * (horner(s, DV) - second / M)
    return out


start = np.concatenate([np.random.default_rng(0).standard_normal(M), 1e-3 * np.ones(M)])
for epsilon in (1e-3, 1e-6):
    def run(method, rtol, atol):
        return solve_ivp(rates, (0, 10), start, method=method, rtol=rtol, atol=atol, t_eval=TIMES, args=(epsilon,)).y

    exact = run("Radau", 1e-12, 1e-14)
    for method, rtol in (("LSODA", 1e-8), ("LSODA", 1e-10), ("Radau", 1e-8)):
        seconds = []
        for _ in range(9):
            begin = time.process_time()
            y = run(method, rtol, 1e-2 * rtol)
            seconds.append(time.process_time() - begin)
        print(json.dumps({"key": f"{method} {epsilon:g} {rtol:g}", "cpu_s": statistics.median(seconds),
                          "error": float(np.abs(y - exact).max())}), flush=True)
