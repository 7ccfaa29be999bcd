"""The problem of benches/agents.rs in NumPy: Langevin agents (theta, h), 500 steps of 0.01, D = 0.5, and every 50 steps
resampling of (theta, h) with weights exp(-(theta - 1)^2), then h += 0.1 xi. Prints one JSON line.
Usage: python agents.py [agents]"""
import json
import sys
import time

import numpy as np


def run(agents, steps=500, every=50, dt=0.01, d=0.5, seed=0):
    g = np.random.default_rng(seed)
    h = -1 + 0.5 * g.standard_normal(agents)
    theta = h + np.sqrt(d) * g.standard_normal(agents)
    xi = np.empty(agents)
    for n in range(1, steps + 1):
        g.standard_normal(out=xi)
        xi *= np.sqrt(2 * d * dt)
        xi -= dt * (theta - h)
        theta += xi
        if n % every == 0:
            c = np.cumsum(np.exp(-((theta - 1) ** 2)))
            donor = np.searchsorted(c, c[-1] * np.sort(g.random(agents)), side="right")
            theta, h = theta[donor], h[donor] + 0.1 * g.standard_normal(agents)
    return h.mean(), h.var(), theta.mean()


def main():
    agents, steps = int(float(sys.argv[1])) if len(sys.argv) > 1 else 1_000_000, 500
    g, x = np.random.default_rng(0), np.empty(agents)
    start = time.process_time()
    for _ in range(10):
        g.standard_normal(out=x)
    draw = (time.process_time() - start) / agents / 10 * 1e9
    print(json.dumps({"key": "draw alone", "ns": draw}))
    start = time.process_time()
    mean_h, var_h, _ = run(agents, steps)
    cpu = time.process_time() - start
    row = {"key": "agents", "cpu_s": cpu, "error": 0.0, "ns": cpu / agents / steps * 1e9, "mean_h": mean_h, "var_h": var_h}
    print(json.dumps(row))


if __name__ == "__main__":
    main()
