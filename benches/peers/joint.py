"""The joint problem of benches/peers.rs by SciPy, unsplit IMEX (SBDF2), one banded LU per step size, as its user would write it.

d_t f = (1/eps) d_theta( f (theta - h) + D d_theta f ) + M[w f]/<w> - f,  D = 0.5, w = exp(-(theta - 1)^2), M: Gaussian, std 0.1;
theta in [-7, 7], h in [-4, 4], 256 x 256, start N(theta; h, D) N(h; -1, 0.5^2), t = 5. One JSON line a measurement:
CPU seconds (median of 3) and relative L1 error of the h-marginal against the same scheme at dt = 1/512."""
import json
import statistics
import time

import numpy as np
from scipy.linalg import solve_banded

N, D, T = 256, 0.5, 5.0
th, hh = -7 + 14 / N * (np.arange(N) + 0.5), -4 + 8 / N * (np.arange(N) + 0.5)
dth = 14 / N
w = np.exp(-((th - 1) ** 2))
M = np.exp(-((hh[:, None] - hh[None, :]) ** 2) / 0.02)
M /= M.sum(0)
f0 = np.exp(-((th[None, :] - hh[:, None]) ** 2)) * np.exp(-((hh[:, None] + 1) ** 2) / 0.5)
f0 /= f0.sum()
u = np.diff(0.5 * (th[None, :] - hh[:, None]) ** 2, axis=1) / D
u = np.where(u == 0, 1e-300, u)
right, left = D / dth**2 * u / np.expm1(u), D / dth**2 * -u / np.expm1(-u)
diag = np.zeros((N, N))
diag[:, :-1] -= right
diag[:, 1:] -= left


def gain(f):
    wf = f * w
    return M @ wf / wf.sum() - f


def matrix(c):
    ab = np.zeros((3, N, N))
    ab[1], ab[2, :, :-1], ab[0, :, 1:] = 1 - c * diag, -c * right, -c * left
    return ab.reshape(3, N * N)


def solve(a, b):
    return solve_banded((1, 1), a, b.ravel(), check_finite=False).reshape(N, N)


def run(dt, eps):
    a, f, past = matrix(dt / 8 / eps), f0, gain(f0)
    for _ in range(8):
        f = solve(a, f + dt / 8 * gain(f))
    a, before = matrix(2 * dt / 3 / eps), f0
    for _ in range(round(T / dt) - 1):
        now = gain(f)
        f, before, past = solve(a, (4 * f - before + 2 * dt * (2 * now - past)) / 3), f, now
    return f


def main():
    for eps, name, steps in ((1.0, "1e0", (1 / 14, 1 / 16)), (1e-2, "1e-2", (1 / 44, 1 / 52)), (1e-4, "1e-4", (1 / 44, 1 / 52))):
        exact = run(1 / 512, eps).sum(1)
        for dt in steps:
            seconds = []
            for _ in range(3):
                start = time.process_time()
                f = run(dt, eps)
                seconds.append(time.process_time() - start)
            error = float(abs(f.sum(1) - exact).sum())
            row = {"key": f"joint {name}", "steps": round(T / dt), "cpu_s": statistics.median(seconds), "error": error}
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
