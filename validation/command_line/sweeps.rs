//! Sweeps.

use std::process::Stdio;
use std::time::Duration;

use super::*;

const SMALL: [&str; 6] =
    ["--set", "grid.theta.cells=64", "--set", "grid.h.cells=60", "--set", "time.outputs=[0.5, 5.0]"];

#[test]
fn swept_keys_are_the_leading_dimensions() {
    let directory = scratch("sweep");
    let file = problem(&directory, "averaged");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        format!("{text}\n[sweep]\n\"problem.diffusion\" = [0.1, 0.2]\n\"problem.selection.beta\" = [7.0]\n"),
    )
    .unwrap();
    let sweeps =
        ["--sweep", "problem.selection.beta=0.5,1,2", "--sweep", r#"problem.loss="0.5*(theta - h)^2",(theta - h)^2"#];
    let output = run(&directory, &[&["solve", "averaged.toml", "-o", "out.h5"], &SMALL[..], &sweeps].concat());
    let said = expect(0, &output);
    assert!(said.contains("12 of 12 cases") && said.contains("wrote out.h5"), "{said}");
    let out = hdf5::File::open(directory.join("out.h5")).unwrap();
    let beta = out.dataset("moments/beta").unwrap().read_raw::<f64>().unwrap();
    let diffusion = out.dataset("moments/diffusion").unwrap().read_raw::<f64>().unwrap();
    let loss = out.dataset("moments/loss").unwrap();
    assert_eq!(
        (beta, diffusion, loss.read_raw::<f64>().unwrap()),
        (vec![0.5, 1.0, 2.0], vec![0.1, 0.2], vec![0.0, 1.0])
    );
    let texts = loss.attr("values").unwrap().read_scalar::<hdf5::types::VarLenUnicode>().unwrap();
    assert_eq!(texts.as_str(), "\"0.5*(theta - h)^2\"\n(theta - h)^2");
    drop(out);
    let all = read(&directory.join("out.h5")).unwrap();
    let mean = &all["/moments/mean_h"];
    assert_eq!(mean.shape, [3, 2, 2, 2]);
    // One of the cases alone: β = 2, the first loss, D = 0.2.
    let single = ["--set", "problem.selection.beta=2", "--set", "problem.diffusion=0.2"];
    std::fs::write(&file, text).unwrap();
    expect(0, &run(&directory, &[&["solve", "averaged.toml", "-o", "one.h5"], &SMALL[..], &single].concat()));
    let one = read(&directory.join("one.h5")).unwrap();
    let at = (2 * 2) * 2 + 1;
    assert_eq!(mean.bits[2 * at..2 * at + 2], one["/moments/mean_h"].bits[..]);
    assert_ne!(mean.bits[..2], one["/moments/mean_h"].bits[..]);
    assert!(!directory.join("out.sweep").exists());
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_cannot_be_one_file_is_an_error_with_key_and_value() {
    let directory = scratch("unlike");
    problem(&directory, "averaged");
    let output = run(
        &directory,
        &[&["solve", "averaged.toml", "--sweep", "grid.h.cells=40,60"], &SMALL[..2], &SMALL[4..]].concat(),
    );
    let said = expect(1, &output);
    assert!(said.contains("another axis h of ") && said.contains("grid.h.cells = 60"), "{said}");
    let said =
        expect(2, &run(&directory, &["solve", "averaged.toml", "-o", "x.h5", "--sweep", "problem.diffusion=0.1,-1"]));
    assert!(said.contains("-1"), "{said}");
    let output = run(&directory, &["check", "averaged.toml", "--sweep", "problem.diffusion=0.1,0.2"]);
    expect(0, &output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("2 cases"));
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_sweep_keeps_what_is_done() {
    let directory = scratch("sweep-stop");
    problem(&directory, "sgd");
    let arguments = ["solve", "sgd.toml", "--sweep", "simulation.seed=1,2,3,4,5,6", "--set", "simulation.runs=2"];
    let whole = [&arguments[..], &["-o", "whole.h5", "--threads", "1"]].concat();
    expect(0, &run(&directory, &whole));
    let reference = read(&directory.join("whole.h5")).unwrap();
    let mut command = program();
    command.args(arguments).args(["-o", "out.h5", "--threads", "1"]).current_dir(&directory).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    while !directory.join("out.sweep/00001.h5").exists() {
        assert!(!directory.join("out.h5").exists(), "done before it could be stopped");
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    let said = expect(3, &child.wait_with_output().unwrap());
    assert!(said.contains("--resume"), "{said}");
    let done = std::fs::metadata(directory.join("out.sweep/00000.h5")).unwrap().modified().unwrap();
    let said = expect(2, &run(&directory, &[&arguments[..], &["-o", "out.h5"]].concat()));
    assert!(said.contains("did not finish"), "{said}");
    std::fs::copy(directory.join("out.sweep/00000.h5"), directory.join("kept.h5")).unwrap();
    assert_eq!(std::fs::metadata(directory.join("out.sweep/00000.h5")).unwrap().modified().unwrap(), done);
    expect(0, &run(&directory, &[&arguments[..], &["-o", "out.h5", "--resume"]].concat()));
    same(&directory.join("out.h5"), &reference, "sweep after a stop");
    std::fs::remove_dir_all(directory).unwrap();
}
