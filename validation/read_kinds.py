"""Opens the output of each kind by h5py and by xarray with both engines, and asserts names, axes, coordinates and attributes.

read_kinds.py DIRECTORY: it holds KIND.h5, what `solve` made of each template.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

T = ("time",)
MOMENTS = ["mass", "mean_h", "var_h", "mean_theta", "var_theta", "cov_theta_h", "mean_fitness", "mean_loss"]
COMMITTEE = {"Q": (*T, "student", "student_2"), "M": (*T, "student", "teacher"), "a": (*T, "student")}
RISK = {"risk": T, "component": (*T, "degree"), "tail": T}


def errors(variables):
    return variables | {f"{name}_error": axes for name, axes in variables.items()}


KINDS = {
    "kinetic": {
        "density": {"f": (*T, "theta", "h")},
        "marginal_h": {"rho": (*T, "h")},
        "marginal_theta": {"rho": (*T, "theta")},
        "moments": {name: T for name in [*MOMENTS, "free_energy", "minimum"]},
    },
    "averaged": {
        "density": {"rho": (*T, "h"), "effective_weight": ("h",), "effective_fitness": ("h",)},
        "stationary": {"rho": ("h",), "growth_rate": ()},
        "moments": {name: T for name in ["mass", "mean_h", "var_h", "mean_fitness", "minimum"]},
    },
    "agents": {
        "marginal_h": errors({"rho": (*T, "h")}),
        "moments": errors({name: T for name in MOMENTS}),
        "quantiles": {"fitness": (*T, "quantile"), "loss": (*T, "quantile")},
        "trajectories": {"theta": (*T, "agent", "component"), "h": (*T, "agent", "component")},
    },
    "committee": {"order_parameters": COMMITTEE, "errors": {"generalization_error": T}},
    "sgd": {"order_parameters": errors(COMMITTEE), "errors": errors({"generalization_error": T})},
    "neurons": {"neurons": {"a": (*T, "neuron"), "s": (*T, "neuron")}, "risk": RISK},
    "network": {"risk": errors(RISK)},
}
# Axes that are cells, and so have bounds.
CELLS = {"theta", "h"}


def check_h5py(path, groups):
    with h5py.File(path) as file:
        for name in ["Conventions", "version", "commit", "problem", "threads", "wall_time_seconds"]:
            assert name in file.attrs, (path, name)
        kind = path.stem
        assert f'kind = "{kind}"' in file.attrs["problem"], file.attrs["problem"]
        for group, variables in groups.items():
            for name, axes in variables.items():
                variable = file[group][name]
                dims = tuple(dim[0].name.rsplit("/")[-1] for dim in variable.dims)
                assert dims == axes, (path, group, name, dims)
                assert variable.attrs["units"] == "1" and variable.attrs["long_name"], (path, group, name)
                assert np.all(np.isfinite(variable[()])), (path, group, name)


def check_xarray(path, groups, engine):
    for group, variables in groups.items():
        with xr.open_dataset(path, group=group, engine=engine) as data:
            for name, axes in variables.items():
                where = (path, engine, group, name)
                variable = data[name]
                assert variable.dims == axes, (where, variable.dims)
                assert variable.attrs["units"] == "1" and variable.attrs["long_name"], where
                for axis in axes:
                    assert axis in data.coords, (where, axis)
                    assert variable.sizes[axis] == data[axis].size > 0, (where, axis)
                if "time" in axes:
                    assert np.all(np.diff(data["time"]) > 0), where
                for axis in CELLS.intersection(axes):
                    bounds = data[f"{axis}_bounds"].values
                    assert data[axis].attrs["bounds"] == f"{axis}_bounds", where
                    assert np.all((bounds[:, 0] < data[axis]) & (data[axis] < bounds[:, 1])), where
            if "rho" in variables and "h" in variables["rho"]:
                width = np.diff(data["h_bounds"].values, axis=1)[:, 0]
                mass = (data["rho"].values * width).sum(axis=-1)
                assert np.allclose(mass, 1.0, atol=1e-9), (path, engine, group, mass)


directory = Path(sys.argv[1])
for kind, groups in KINDS.items():
    path = directory / f"{kind}.h5"
    check_h5py(path, groups)
    for engine in ["h5netcdf", "netcdf4"]:
        check_xarray(path, groups, engine)
print(f"{len(KINDS)} kinds read by h5py and by xarray with two engines")
