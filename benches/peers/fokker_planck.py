"""The two-dimensional Fokker-Planck equation of benches/peers.rs by SciPy, one sparse LU a run, as its user would write it.

d_t f = (1/eps) div( f grad L + D grad f ), L = Himmelblau/50, D = 0.5, [-6, 6]^2, 256 x 256 cells, no flux through the walls,
start N(0, 1) in both directions; Scharfetter-Gummel fluxes. To t = 20 at eps = 1 (Crank-Nicolson) and to t = 1 at eps = 1e-4
(backward Euler). One JSON line a measurement: CPU seconds (median of 3, assembly left out, factorisation in), relative L1
error against the exponential of the same matrix (rational approximation with 14 poles: Trefethen, Weideman & Schmelzer
2006), and the masses of the four quadrants of that exponential."""
import json
import statistics
import time

import numpy as np
import scipy.sparse as sp
from scipy.linalg import hankel, svd
from scipy.sparse.linalg import splu

N, D = 256, 0.5
width = 12 / N
x = -6 + width * (np.arange(N) + 0.5)
X, Y = np.meshgrid(x, x, indexing="ij")
L = ((X**2 + Y - 11) ** 2 + (X + Y**2 - 7) ** 2) / 50
f0 = np.exp(-(X**2 + Y**2) / 2).ravel()
f0 /= f0.sum()


def generator():
    index, rows, columns, values = np.arange(N * N).reshape(N, N), [], [], []
    for axis in range(2):
        a, b = np.moveaxis(index, axis, 0)[:-1].ravel(), np.moveaxis(index, axis, 0)[1:].ravel()
        u = (L.ravel()[b] - L.ravel()[a]) / D
        u = np.where(np.abs(u) < 1e-12, 1e-12, u)
        up, down = D / width**2 * u / np.expm1(u), D / width**2 * -u / np.expm1(-u)
        rows += [b, a, a, b]
        columns += [a, a, b, b]
        values += [up, -up, down, -down]
    return sp.csc_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(N * N, N * N))


def poles(n=14, modes=75, points=1024, scale=9.0):
    w = np.exp(2j * np.pi * np.arange(points) / points)
    values = np.exp(scale * (w.real - 1) / (w.real + 1 + 1e-16))
    c = np.fft.fft(values).real / points
    u, s, vh = svd(hankel(c[1 : modes + 1]))
    u, v = u[::-1, n], vh[n, :]
    pad = np.zeros(points - modes)
    blaschke = np.fft.fft(np.concatenate([u, pad])) / np.fft.fft(np.concatenate([v, pad]))
    rest = np.polyval(c[modes::-1], w) - s[n] * w**modes * blaschke
    roots = np.roots(v)
    q = roots[np.abs(roots) > 1]
    p = (np.fft.fft(rest * np.polyval(np.poly(q), w)).real / points)[n::-1]
    residues = np.array([np.polyval(p, r) / np.polyval(np.poly(np.delete(q, i)), r) for i, r in enumerate(q)])
    z = scale * (q - 1) ** 2 / (q + 1) ** 2
    return z, 4 * residues * z / (q**2 - 1)


def exponential(A, t):
    z, c = poles()
    unit, out = sp.identity(N * N, format="csc"), np.zeros(N * N)
    for z, c in zip(z[z.imag > 0], c[z.imag > 0]):
        out += 2 * (c * splu((t * A - z * unit).tocsc()).solve(f0.astype(complex))).real
    return out


def run(A, t, steps, theta):
    unit, dt, f = sp.identity(N * N, format="csc"), t / steps, f0
    lu = splu((unit - theta * dt * A).tocsc())
    for _ in range(steps):
        f = lu.solve(f + (1 - theta) * dt * (A @ f) if theta < 1 else f)
    return f


def main():
    A = generator()
    for key, t, theta, counts in (("transient", 20.0, 0.5, (100, 200)), ("stiff", 1e4, 1.0, (20, 30))):
        exact = exponential(A, t)
        quadrants = [float(exact[(sx * X.ravel() > 0) & (sy * Y.ravel() > 0)].sum()) for sx in (1, -1) for sy in (1, -1)]
        for steps in counts:
            seconds = []
            for _ in range(3):
                start = time.process_time()
                f = run(A, t, steps, theta)
                seconds.append(time.process_time() - start)
            error = float(abs(f - exact).sum() / abs(exact).sum())
            row = {"key": key, "steps": steps, "cpu_s": statistics.median(seconds), "error": error, "quadrants": quadrants}
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
