"""Asserts that h5py, netCDF4 and xarray see, in the file that the tests of src/output/hdf5 write, what was written."""

import sys

import h5py
import netCDF4
import numpy as np
import xarray as xr

path = sys.argv[1]
times = [0.0, 0.5, 2.0]
joint = 100 * np.array(times)[:, None, None] + np.arange(6.0).reshape(1, 3, 2)

with h5py.File(path) as file:
    f = file["density/f"]
    assert [dim[0].name for dim in f.dims] == ["/density/time", "/density/theta", "/density/h"]
    assert all(file["density"][name].is_scale for name in ["time", "theta", "h", "ends"])
    assert f.maxshape == (None, 3, 2) and f.compression is None
    assert f.attrs["long_name"] == "joint density f(t, θ, h)" and f.attrs["units"] == "1"
    assert file.attrs["problem"] == "loss = quadratic, ε = 0.1" and file.attrs["seed"] == 7
    assert list(file) == ["density", "moments", "overlaps"], list(file)
    assert np.array_equal(f[()], joint)

with netCDF4.Dataset(path) as file:
    density = file["density"]
    assert density.dimensions["time"].isunlimited() and not density.dimensions["h"].isunlimited()
    assert set(density.dimensions) == {"time", "theta", "h", "ends"}, density.dimensions
    assert set(density.variables) == {"time", "theta", "theta_bounds", "h", "h_bounds", "fitness", "f", "rho"}
    assert density["f"].dimensions == ("time", "theta", "h")
    assert density["rho"].dimensions == ("time", "h")
    assert density["h_bounds"].dimensions == ("h", "ends")
    assert density["h"].bounds == "h_bounds"
    assert density["f"].long_name == "joint density f(t, θ, h)" and density["f"].units == "1"
    assert file["overlaps"]["q"].dimensions == ("neuron", "neuron_2")
    assert file.Conventions == "CF-1.10" and file.seed == 7 and file.tolerance_h_marginal == 1e-3
    assert np.array_equal(density["f"][:], joint)
    assert np.array_equal(file["moments"]["mass"][:], [1.0, 1.5, 3.0])

for engine in ["h5netcdf", "netcdf4"]:
    with xr.open_dataset(path, group="density", engine=engine) as density:
        assert density["f"].dims == ("time", "theta", "h"), (engine, density)
        assert set(density.coords) >= {"time", "theta", "h"}, (engine, density)
        assert density["f"].attrs["units"] == "1", engine
        assert density["f"].sel(time=0.5, theta=1.5, h=0.5).item() == 52.0, engine
        assert density["fitness"].dims == ("h",), engine
        assert density.encoding["unlimited_dims"] == {"time"}, (engine, density.encoding)
        assert density["time"].values.tolist() == times, engine
    with xr.open_dataset(path, group="moments", engine=engine) as moments:
        assert moments["mass"].dims == ("time",) and moments["gap"].item() == 0.25, engine
    with xr.open_dataset(path, engine=engine) as root:
        assert root.attrs["problem"] == "loss = quadratic, ε = 0.1", engine
