#!/bin/sh
# Runs a Python program with its arguments where h5py, netCDF4 and xarray are at hand: in a virtual environment under target/python.
# Exit code 77, and one line, where Python or its packages are not to be had.
set -u
here=$(dirname "$0")
environment="$here/../target/python/readers"
packages="h5py==3.16.0 netCDF4==1.7.5.1.post1 xarray==2026.9.0 h5netcdf==1.8.2 numpy==2.4.6"

missing() {
    echo "the Python readers were not tried: $1"
    exit 77
}

# One at a time: tests run side by side.
mkdir -p "$(dirname "$environment")"
exec 9>"$environment.lock"
flock 9 2>/dev/null
if [ "$(cat "$environment/ready" 2>/dev/null)" != "$packages" ]; then
    command -v python3 >/dev/null 2>&1 || missing "no python3"
    rm -rf "$environment"
    python3 -m venv "$environment" >/dev/null 2>&1 || missing "python3 -m venv does not work"
    # shellcheck disable=SC2086
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check $packages >/dev/null 2>&1 ||
        missing "pip cannot install $packages"
    echo "$packages" >"$environment/ready"
fi
flock -u 9 2>/dev/null
exec "$environment/bin/python" "$@"
