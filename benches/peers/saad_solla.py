"""The erf committee of benches/peers/saad_solla.rs by SciPy, right-hand side compiled by numba, as a careful user would write it.

Saad & Solla (1995): g = erf(x/sqrt 2), K = M = 2 and 4, orthonormal teacher, learning rate 1/2, Q(0) = I/4,
M_in(0) = 1e-3 sin(1 + 3i + 7n), t to 1000. One JSON line a measurement: CPU seconds (median of 5, after compilation) and worst error of
any overlap at t = 1, 10, 30, 100, 300, 1000 against DOP853 at tolerance 1e-13."""
import json
import statistics
import time

import numba
import numpy as np
from scipy.integrate import solve_ivp

ETA, TIMES = 0.5, np.array([1.0, 10, 30, 100, 300, 1000])


@numba.njit
def rates(y, k, out):
    n = 2 * k
    c = np.eye(n)
    for i in range(k):
        for j in range(k):
            c[i, j] = y[i * k + j]
            c[i, k + j] = c[k + j, i] = y[k * k + i * k + j]
    q = 1.0 + np.diag(c)
    drift = np.zeros((k, n))
    for i in range(k):
        for b in range(n):
            sign = 1.0 if b < k else -1.0
            w = sign * 2 / (np.pi * q[i] * np.sqrt(q[i] * q[b] - c[i, b] ** 2))
            for a in range(n):
                drift[i, a] += w * (c[a, b] * q[i] - c[i, a] * c[i, b])
    l1 = np.empty(n)
    for i in range(k):
        for m in range(k):
            out[k * k + i * k + m] = -ETA * drift[i, k + m]
        for j in range(i, k):
            l4 = q[i] * q[j] - c[i, j] ** 2
            for a in range(n):
                l1[a] = l4 * q[a] - c[j, a] ** 2 * q[i] - c[i, a] ** 2 * q[j] + 2 * c[i, j] * c[i, a] * c[j, a]
            total = 0.0
            for a in range(n):
                for b in range(a, n):
                    sign = 1.0 if (a < k) == (b < k) else -1.0
                    l0 = l4 * c[a, b] - c[j, a] * c[j, b] * q[i] - c[i, a] * c[i, b] * q[j]
                    l0 += c[i, j] * (c[i, a] * c[j, b] + c[i, b] * c[j, a])
                    total += (1.0 if a == b else 2.0) * sign * np.arcsin(l0 / np.sqrt(l1[a] * l1[b]))
            v = -ETA * (drift[i, j] + drift[j, i]) + ETA**2 * 4 / np.pi**2 / np.sqrt(l4) * total
            out[i * k + j] = out[j * k + i] = v


def main():
    for k in (2, 4):
        start = np.concatenate([0.25 * np.eye(k).ravel(), 1e-3 * np.sin(1 + 3 * np.arange(k)[:, None] + 7 * np.arange(k)[None, :]).ravel()])
        out = np.empty(2 * k * k)

        def rhs(t, y):
            rates(y, k, out)
            return out.copy()

        def run(method, tolerance):
            return solve_ivp(rhs, (0, 1000.0), start, method=method, rtol=tolerance, atol=tolerance * 1e-3, t_eval=TIMES).y

        exact = run("DOP853", 1e-13)
        for method, tolerance in (("LSODA", 1e-8), ("DOP853", 1e-10)):
            seconds = []
            for _ in range(5):
                begin = time.process_time()
                y = run(method, tolerance)
                seconds.append(time.process_time() - begin)
            print(json.dumps({"key": f"{method} {k}", "cpu_s": statistics.median(seconds), "error": float(np.abs(y - exact).max())}))


if __name__ == "__main__":
    main()
