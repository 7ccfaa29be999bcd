use super::tests::{alone, scratch, write};
use super::*;

#[test]
fn a_file_says_what_it_holds() {
    let _alone = alone();
    let run = RunFile::open(write(&scratch("read").join("run.h5"))).unwrap();
    assert_eq!(run.attribute("problem"), Some("loss = quadratic, ε = 0.1"));
    assert_eq!((run.attribute("seed"), run.attribute("tolerance_h_marginal")), (Some("7"), Some("0.001")));
    let names: Vec<&str> = run.groups().iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["density", "moments", "overlaps"]);
    let (group, f) = run.variable("density", "f").unwrap();
    assert_eq!((f.dimensions.join(" "), &f.shape[..]), ("time theta h".into(), &[3, 3, 2][..]));
    assert_eq!(f.long_name, "joint density f(t, θ, h)");
    let h = group.coordinate("h").unwrap();
    assert_eq!((&h.values[..], h.bounds.as_deref()), (&[0.5, 1.5][..], Some(&[[0.0, 1.0], [1.0, 2.0]][..])));
    assert_eq!(group.coordinate("time").unwrap().values, [0.0, 0.5, 2.0]);
    assert!(group.variable("h_bounds").is_none() && group.coordinate("ends").is_none());
    assert_eq!(run.values("density", "f").unwrap().shape(), [3, 3, 2]);
    assert_eq!(run.values_at("density", "f", 2).unwrap()[[2, 1]], 205.0);
    assert_eq!(run.values("moments", "mass").unwrap().into_raw_vec_and_offset().0, [1.0, 1.5, 3.0]);
    assert_eq!(run.values("moments", "gap").unwrap().sum(), 0.25);
    assert_eq!(run.values("overlaps", "q").unwrap()[[1, 1]], 2.0);
    let error = run.values("density", "g").unwrap_err().to_string();
    assert!(error.contains("density/g") && error.contains("density/f, density/rho"), "{error}");
    assert!(run.values_at("density", "f", 3).unwrap_err().to_string().contains("found 3, expected 4"));
    assert!(run.values_at("density", "fitness", 0).is_err());
}

#[test]
fn incomplete_frames_are_left_out() {
    let _alone = alone();
    let path = write(&scratch("killed").join("run.h5"));
    {
        // As after a kill between the values and the times of the third frame.
        let file = library::File::open_rw(&path).unwrap();
        file.dataset("moments/time").unwrap().resize(2).unwrap();
    }
    let run = RunFile::open(&path).unwrap();
    for group in ["density", "moments"] {
        assert_eq!(run.group(group).unwrap().coordinate("time").unwrap().values, [0.0, 0.5], "{group}");
    }
    assert_eq!(run.values("density", "f").unwrap().shape(), [2, 3, 2]);
    assert!(run.values_at("density", "f", 2).is_err());
}

#[test]
fn other_files_are_refused() {
    let _alone = alone();
    let directory = scratch("other");
    let refused = |name: &str| RunFile::open(directory.join(name)).unwrap_err().to_string();
    assert!(refused("missing.h5").contains("No such file"));
    for (name, content) in [("empty.h5", ""), ("text.h5", "time,mean\n0,1\n2,3\n")] {
        std::fs::write(directory.join(name), content).unwrap();
        assert!(refused(name).ends_with("not an HDF5 file; expected the output of a run"), "{}", refused(name));
    }
    std::fs::write(directory.join("cut.h5"), b"\x89HDF\r\n\x1a\nand no more").unwrap();
    assert!(refused("cut.h5").contains("cut.h5: "));
    library::File::create(directory.join("theirs.h5")).unwrap();
    assert!(refused("theirs.h5").ends_with("an HDF5 file, but not one of learning-dynamics"));
}
