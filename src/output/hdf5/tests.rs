use std::io::Write as _;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hdf5_metno_sys::{h5a, h5t};
use library::types::{FixedAscii, VarLenUnicode};

use super::*;
use crate::frame::Coordinate;
use crate::frame::Frame;
use crate::output::provenance::{COMMIT, Provenance, VERSION};

fn axis(name: &'static str, n: usize) -> Arc<Coordinate> {
    let centre = |i: usize| i as f64 + 0.5;
    Arc::new(Coordinate {
        name,
        description: "cells of width 1",
        values: (0..n).map(centre).collect(),
        bounds: Some((0..n).map(|i| [i as f64, i as f64 + 1.0]).collect()),
    })
}

fn points(name: &'static str, n: usize) -> Arc<Coordinate> {
    let values = (0..n).map(|i| i as f64).collect();
    Arc::new(Coordinate { name, description: "points", values, bounds: None })
}

fn fields(theta: &Arc<Coordinate>, h: &Arc<Coordinate>, time: f64) -> Vec<Field<'static>> {
    let (n, m) = (theta.values.len(), h.values.len());
    let f: Vec<f64> = (0..n * m).map(|i| 100.0 * time + i as f64).collect();
    let rho: Vec<f64> = (0..m).map(|i| time - i as f64).collect();
    vec![
        Field::array("density", "f", "joint density f(t, θ, h)", &[theta, h], f),
        Field::array("density", "rho", "marginal density of h", &[h], rho),
        Field::scalar("moments", "mass", "total mass", 1.0 + time),
    ]
}

/// A child process inherits open files with their locks until it is done, so that no test may have a file open while
/// another one starts Python.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory of its own for each test.
pub fn scratch(test: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("learning-dynamics-{}-{test}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// Three frames, constants before and after, a square field over two like axes.
pub fn write(path: &Path) -> PathBuf {
    let (theta, h, neuron, neuron_2) = (axis("theta", 3), axis("h", 2), points("neuron", 2), points("neuron_2", 2));
    let provenance = Provenance::new("loss = quadratic, ε = 0.1").seed(7).tolerance("h_marginal", 1e-3);
    let mut file = Hdf5File::create(path, &provenance).unwrap();
    file.write_constants(&[Field::array("density", "fitness", "F(h)", &[&h], vec![5.0, 6.0])]).unwrap();
    for time in [0.0, 0.5, 2.0] {
        file.write_frame(&Frame { time, fields: fields(&theta, &h, time) }).unwrap();
    }
    let overlap = Field::array("overlaps", "q", "overlap", &[&neuron, &neuron_2], vec![1.0, 0.5, 0.5, 2.0]);
    file.write_constants(&[overlap, Field::scalar("moments", "gap", "spectral gap", 0.25)]).unwrap();
    assert!(!path.exists() && file.temporary().exists());
    file.finish().unwrap()
}

fn string(location: &library::Location, name: &str) -> String {
    location.attr(name).unwrap().read_scalar::<VarLenUnicode>().unwrap().to_string()
}

/// (is null-terminated, has fixed length, size in bytes)
fn string_type(location: &library::Location, name: &str) -> (bool, bool, usize) {
    let attribute = location.attr(name).unwrap();
    library::sync::sync(|| {
        // SAFETY: the lock is held; the identifiers come from a live attribute.
        unsafe {
            let datatype = h5a::H5Aget_type(attribute.id());
            let found = (
                h5t::H5Tget_strpad(datatype) == h5t::H5T_str_t::H5T_STR_NULLTERM,
                h5t::H5Tis_variable_str(datatype) == 0,
                h5t::H5Tget_size(datatype),
            );
            h5t::H5Tclose(datatype);
            found
        }
    })
}

#[test]
fn scales_have_the_raw_attributes_that_netcdf_asks_for() {
    let _alone = alone();
    let path = write(&scratch("raw").join("run.h5"));
    let file = library::File::open(&path).unwrap();
    for (scale, uses) in [
        ("density/time", vec![("f", 0), ("rho", 0)]),
        ("density/h", vec![("h_bounds", 0), ("fitness", 0), ("f", 2), ("rho", 1)]),
        ("density/theta", vec![("theta_bounds", 0), ("f", 1)]),
        ("moments/time", vec![("mass", 0)]),
        ("overlaps/neuron_2", vec![("q", 1)]),
    ] {
        let name = scale.split('/').next_back().unwrap();
        let dataset = file.dataset(scale).unwrap();
        assert_eq!(string_type(&dataset, "CLASS"), (true, true, 16), "{scale}");
        assert_eq!(string_type(&dataset, "NAME"), (true, true, name.len() + 1), "{scale}");
        let found = dataset.attr("NAME").unwrap().read_scalar::<FixedAscii<80>>().unwrap();
        assert_eq!(found.as_str(), name);
        assert_eq!(reference_list(&file, &dataset), uses.iter().map(|u| (u.0.to_owned(), u.1)).collect::<Vec<_>>());
    }
    assert_eq!(dimension_list(&file, "density/f"), ["time", "theta", "h"]);
    assert_eq!(dimension_list(&file, "overlaps/q"), ["neuron", "neuron_2"]);
    let ends = file.dataset("density/ends").unwrap();
    let name = ends.attr("NAME").unwrap().read_scalar::<FixedAscii<80>>().unwrap();
    assert_eq!(name.as_str(), "This is a netCDF dimension but not a netCDF variable.         2");
}

fn last(name: String) -> String {
    name.rsplit('/').next().unwrap().to_owned()
}

fn dataset_name(file: &library::File, reference: &library::ObjectReference1) -> String {
    match file.dereference(reference).unwrap() {
        library::ReferencedObject::Dataset(dataset) => last(dataset.name()),
        other => panic!("{other:?}"),
    }
}

fn dimension_list(file: &library::File, dataset: &str) -> Vec<String> {
    let attribute = file.dataset(dataset).unwrap().attr("DIMENSION_LIST").unwrap();
    let list = attribute.read_raw::<library::types::VarLenArray<library::ObjectReference1>>().unwrap();
    list.iter().map(|one| dataset_name(file, &one[0])).collect()
}

fn reference_list(file: &library::File, scale: &library::Dataset) -> Vec<(String, i32)> {
    let list = scale.attr("REFERENCE_LIST").unwrap().read_raw::<attributes::Use>().unwrap();
    list.iter().map(|one| (dataset_name(file, &one.dataset), one.dimension)).collect()
}

#[test]
fn values_and_provenance_come_back() {
    let _alone = alone();
    let path = write(&scratch("values").join("run.h5"));
    let file = library::File::open(&path).unwrap();
    assert_eq!(file.dataset("density/time").unwrap().read_raw::<f64>().unwrap(), [0.0, 0.5, 2.0]);
    let f = file.dataset("density/f").unwrap();
    assert_eq!(f.shape(), [3, 3, 2]);
    assert!(f.is_resizable());
    let expected: Vec<f64> = [0.0, 50.0, 200.0].iter().flat_map(|t| (0..6).map(move |i| t + f64::from(i))).collect();
    assert_eq!(f.read_raw::<f64>().unwrap(), expected);
    assert_eq!(file.dataset("density/h_bounds").unwrap().read_raw::<f64>().unwrap(), [0.0, 1.0, 1.0, 2.0]);
    assert_eq!(file.dataset("moments/gap").unwrap().read_scalar::<f64>().unwrap(), 0.25);
    assert_eq!((string(&f, "long_name"), string(&f, "units")), ("joint density f(t, θ, h)".into(), "1".into()));
    assert_eq!(string(&file.dataset("density/h").unwrap(), "bounds"), "h_bounds");
    assert_eq!(string(&file, "problem"), "loss = quadratic, ε = 0.1");
    assert_eq!(string(&file, "version"), VERSION);
    assert_eq!(string(&file, "commit"), COMMIT);
    assert_eq!(file.attr("seed").unwrap().read_scalar::<u64>().unwrap(), 7);
    assert_eq!(file.attr("tolerance_h_marginal").unwrap().read_scalar::<f64>().unwrap(), 1e-3);
    assert!(file.attr("wall_time_seconds").unwrap().read_scalar::<f64>().unwrap() > 0.0);
}

#[test]
fn a_nan_never_reaches_the_file_and_the_rest_stays_readable() {
    let _alone = alone();
    let path = scratch("nan").join("run.h5");
    let (theta, h) = (axis("theta", 3), axis("h", 2));
    let mut file = Hdf5File::create(&path, &Provenance::default()).unwrap();
    file.write_frame(&Frame { time: 0.0, fields: fields(&theta, &h, 0.0) }).unwrap();
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut fields = fields(&theta, &h, 1.0);
        fields[1].values.to_mut()[1] = bad;
        let error = file.write_frame(&Frame { time: 1.0, fields }).unwrap_err();
        assert_eq!(error.to_string(), format!("density/rho[1] is {bad} at t = 1: expected a finite number"));
    }
    file.write_frame(&Frame { time: 2.0, fields: fields(&theta, &h, 2.0) }).unwrap();
    let temporary = file.temporary().to_path_buf();
    assert_eq!(temporary.file_name().unwrap(), "run.partial.h5");
    drop(file);
    assert!(!path.exists());
    let file = library::File::open(temporary).unwrap();
    for (name, length) in [("density/time", 2), ("density/f", 12), ("density/rho", 4), ("moments/mass", 2)] {
        let values = file.dataset(name).unwrap().read_raw::<f64>().unwrap();
        assert!(values.len() == length && values.iter().all(|value| value.is_finite()), "{name}: {values:?}");
    }
}

#[test]
fn what_was_flushed_can_be_read_while_the_run_goes_on() {
    let _alone = alone();
    let (theta, h) = (axis("theta", 3), axis("h", 2));
    let mut file = Hdf5File::create(scratch("flush").join("run.h5"), &Provenance::default()).unwrap();
    file.write_frame(&Frame { time: 0.0, fields: fields(&theta, &h, 0.0) }).unwrap();
    // A copy of the bytes now on disk is what a killed run would leave.
    let copy = file.temporary().with_file_name("copy.h5");
    std::fs::copy(file.temporary(), &copy).unwrap();
    let copy = library::File::open(copy).unwrap();
    assert_eq!(copy.dataset("density/rho").unwrap().read_raw::<f64>().unwrap(), [0.0, -1.0]);
}

#[test]
fn a_file_taken_up_is_cut_back_and_goes_on() {
    let _alone = alone();
    let directory = scratch("resume");
    let (theta, h) = (axis("theta", 3), axis("h", 2));
    let provenance = Provenance::new("a = 1\nb = 2");
    let constant = [Field::array("density", "fitness", "F(h)", &[&h], vec![5.0, 6.0])];
    let write = |file: &mut Hdf5File, times: &[f64]| {
        file.write_constants(&constant).unwrap();
        for &time in times {
            file.write_frame(&Frame { time, fields: fields(&theta, &h, time) }).unwrap();
        }
    };
    let mut file = Hdf5File::create(directory.join("run.h5"), &provenance).unwrap();
    write(&mut file, &[0.0, 1.0, 1.5, 1.75]);
    let error = Hdf5File::create(directory.join("run.h5"), &provenance).unwrap_err().to_string();
    assert!(error.contains("another run is writing"), "{error}");
    drop(file);
    let other = Hdf5File::resume(directory.join("run.h5"), &Provenance::new("a = 1\nb = 3"), 2).unwrap_err();
    assert!(other.to_string().ends_with(r#"it had "b = 2" where there is now "b = 3""#), "{other}");
    let more = Hdf5File::resume(directory.join("run.h5"), &provenance, 5).unwrap_err();
    assert!(matches!(more, Error::Shape { found: 4, expected: 5, .. }), "{more}");
    let mut file = Hdf5File::resume(directory.join("run.h5"), &provenance, 2).unwrap();
    assert_eq!(file.frames(), 2);
    assert!(file.write_frame(&Frame { time: 1.0, fields: fields(&theta, &h, 1.0) }).is_err());
    let wider = file.write_frame(&Frame { time: 2.0, fields: fields(&theta, &axis("h", 4), 2.0) }).unwrap_err();
    assert!(wider.to_string().contains("has the shape [2] in the file: expected [4]"), "{wider}");
    drop(file);
    let mut file = Hdf5File::resume(directory.join("run.h5"), &provenance, 2).unwrap();
    write(&mut file, &[2.0, 3.0]);
    let resumed = file.finish().unwrap();
    let mut file = Hdf5File::create(directory.join("whole.h5"), &provenance).unwrap();
    write(&mut file, &[0.0, 1.0, 2.0, 3.0]);
    let whole = file.finish().unwrap();
    let read = |path: &Path| {
        let file = library::File::open(path).unwrap();
        let groups = file.groups().unwrap();
        let datasets = groups.iter().flat_map(|group| group.datasets().unwrap()).map(|dataset| {
            let uses = dataset.attr("REFERENCE_LIST").is_ok().then(|| reference_list(&file, &dataset));
            (dataset.name(), dataset.shape(), dataset.read_raw::<f64>().unwrap(), uses)
        });
        datasets.collect::<Vec<_>>()
    };
    assert_eq!(read(&resumed), read(&whole));
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 2, "the copies are gone");
}

#[test]
fn clashes_and_wrong_shapes_are_named_and_nothing_is_written() {
    let _alone = alone();
    let (theta, h, other) = (axis("theta", 3), axis("h", 2), axis("h", 4));
    let path = scratch("clash").join("run.h5");
    let mut file = Hdf5File::create(&path, &Provenance::default()).unwrap();
    let array = |group, name, axes: &[&Arc<Coordinate>], n: usize| Field::array(group, name, "", axes, vec![0.0; n]);
    for (fields, part) in [
        (vec![array("a", "x", &[&h], 2), array("a", "y", &[&other], 4)], "two different axes h in the group a"),
        (vec![array("a", "x", &[&h, &h], 4)], "two axes h of a/x"),
        (vec![array("a", "h", &[&h], 2)], "a/h beside an axis"),
        (vec![array("a", "h_bounds", &[&h], 2)], "a/h_bounds beside an axis"),
        (vec![array("a", "time", &[&h], 2)], "a/time beside an axis"),
        (vec![array("a", "x", &[&h], 2), array("a", "x", &[&h], 2)], "two fields a/x"),
        (vec![array("a", "x/y", &[&h], 2)], "the name \"x/y\""),
        (vec![array("a", "x", &[&h], 3)], "a/x: found 3, expected 2"),
        (vec![array("a", "x", &[&axis("empty", 0)], 0)], "axis empty of a/x: found 0"),
    ] {
        let error = file.write_frame(&Frame { time: 0.0, fields }).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    file.write_frame(&Frame { time: 0.0, fields: fields(&theta, &h, 0.0) }).unwrap();
    for (time, fields, part) in [
        (0.0, fields(&theta, &h, 0.0), "time of a frame = 0"),
        (f64::NAN, fields(&theta, &h, 0.0), "time of a frame = NaN"),
        (1.0, fields(&theta, &other, 0.0), "other axes of density/f"),
        (1.0, fields(&theta, &h, 0.0)[..2].to_vec(), "fields of the frame at t = 1: found 2, expected 3"),
        (1.0, fields(&theta, &h, 0.0).into_iter().rev().collect(), "moments/mass in the place of density/f"),
    ] {
        let error = file.write_frame(&Frame { time, fields }).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let path = file.finish().unwrap();
    let file = library::File::open(path).unwrap();
    assert_eq!(file.dataset("density/time").unwrap().read_raw::<f64>().unwrap(), [0.0]);
    assert_eq!(file.member_names().unwrap(), ["density", "moments"]);
    let error = Hdf5File::create("/nonexistent/run.h5", &Provenance::default()).unwrap_err();
    assert!(matches!(error, Error::File { path, .. } if path.starts_with("/nonexistent/run.partial")));
}

#[test]
fn chunks_are_neither_tiny_nor_huge() {
    use library::Extent;
    assert_eq!(group::chunk(&[Extent::resizable(0)]), [1024]);
    assert_eq!(group::chunk(&[Extent::resizable(0), Extent::fixed(100)]), [10, 100]);
    assert_eq!(group::chunk(&[Extent::resizable(0), Extent::fixed(256), Extent::fixed(256)]), [1, 256, 256]);
    assert_eq!(group::chunk(&[Extent::resizable(0), Extent::fixed(4096), Extent::fixed(4096)]), [1, 256, 4096]);
    assert_eq!(group::chunk(&[Extent::fixed(10_000_000)]), [1 << 20]);
}

/// h5py, netCDF4 and xarray read what was written. Says so in a line, and passes, where Python or its packages are
/// missing: the raw attributes are then checked above all the same.
#[test]
fn python_readers_see_named_axes() {
    let _alone = alone();
    let path = write(&scratch("python").join("run.h5"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [runner, program] = ["python.sh", "read_output.py"].map(|name| root.join("validation").join(name));
    let output = Command::new("sh").arg(runner).arg(program).arg(&path).current_dir(root).output();
    match output {
        // 77: not to be had here.
        Ok(output) if output.status.code() == Some(77) => say(&output.stdout),
        Ok(output) => assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => say(format!("the Python readers were not tried: no sh ({error})\n").as_bytes()),
    }
}

/// Past the capture of the test harness, which would swallow it.
fn say(line: &[u8]) {
    std::io::stderr().write_all(line).unwrap();
}
