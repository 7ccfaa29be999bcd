//! What the program says and how it ends.

use super::*;

#[test]
fn every_kind_is_solved_from_its_template_and_says_so_in_one_line() {
    let directory = scratch("kinds");
    for (kind, settings) in KINDS {
        problem(&directory, kind);
        let file = format!("{kind}.toml");
        let said = expect(0, &run(&directory, &solve(settings, &file, "out.h5")));
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("warning: ")).collect();
        assert!(lines.len() == 1 && lines[0].starts_with("wrote out.h5: "), "{kind}: {said}");
        assert!(!said.contains('\x1b') && !said.contains('\r'), "a bar without a terminal: {said:?}");
        let all = read(&directory.join("out.h5")).unwrap();
        assert!(all.values().any(|data| data.grows && data.shape[0] >= 20), "{kind}: too few frames");
        let (checked, free) = (run(&directory, &["check", &file]), directory.join(format!("{kind}.h5")));
        expect(0, &checked);
        assert!(String::from_utf8_lossy(&checked.stdout).contains(" of memory, about "), "{kind}");
        assert!(!free.exists(), "check solves nothing");
        std::fs::remove_file(directory.join("out.h5")).unwrap();
    }
    let left: Vec<String> = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".toml") && name != "out.copy")
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn bad_input_ends_with_2_and_names_what_is_wrong() {
    let directory = scratch("bad");
    problem(&directory, "averaged");
    std::fs::write(directory.join("broken.toml"), "kind = \"averaged\"\n[problem\n").unwrap();
    std::fs::write(directory.join("unknown.toml"), "kind = \"kinetik\"\n").unwrap();
    std::fs::create_dir(directory.join("folder")).unwrap();
    for (arguments, part) in [
        (&["solve", "missing.toml"][..], "missing.toml: "),
        (&["solve", "broken.toml"], "broken.toml:2:"),
        (&["check", "unknown.toml"], "kinetic"),
        (&["solve", "averaged.toml", "--set", "problem.epsilom=1"], "epsilom"),
        (&["solve", "averaged.toml", "--set", "problem.diffusion=-1"], "diffusion"),
        (&["solve", "averaged.toml", "--set", "time.end"], "--set time.end: expected KEY=VALUE"),
        (&["solve", "averaged.toml", "--sweep", "time.end=1,,2"], "--sweep time.end=1,,2"),
        (&["solve", "averaged.toml", "-o", "nowhere/out.h5"], "there is no directory nowhere"),
        (&["solve", "averaged.toml", "-o", "folder"], "expected the name of a file"),
        (&["solve", "averaged.toml", "-o", "averaged.toml", "--force"], "that is the problem file"),
        (&["solve", "averaged.toml", "--threads", "0"], "--threads"),
        (&["solve", "averaged.toml", "--force", "--resume"], "--resume"),
        (&["template", "nothing"], "neuron-density"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let said = expect(2, &run(&directory, arguments));
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 4, "nothing is written");
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn results_are_not_replaced_unasked() {
    let directory = scratch("replace");
    problem(&directory, "neurons");
    expect(0, &run(&directory, &["solve", "neurons.toml"]));
    let first = std::fs::read(directory.join("neurons.h5")).unwrap();
    let said = expect(2, &run(&directory, &["solve", "neurons.toml"]));
    assert!(said.contains("--force"), "{said}");
    let said = expect(0, &run(&directory, &["solve", "neurons.toml", "--resume"]));
    assert!(said.contains("is finished already"), "{said}");
    let said = expect(2, &run(&directory, &["solve", "neurons.toml", "--resume", "--set", "time.end=2"]));
    assert!(said.contains("another problem"), "{said}");
    assert!(std::fs::read(directory.join("neurons.h5")).unwrap() == first);
    let output = run(&directory, &["solve", "neurons.toml", "--force", "--quiet", "--set", "time.end=2"]);
    assert_eq!(expect(0, &output), "", "--quiet");
    let file = hdf5::File::open(directory.join("neurons.h5")).unwrap();
    let text = file.attr("problem").unwrap().read_scalar::<hdf5::types::VarLenUnicode>().unwrap();
    assert!(text.contains("\"time.end\" = 2"), "{text}");
    assert_eq!(file.dataset("neurons/time").unwrap().read_raw::<f64>().unwrap().last(), Some(&2.0));
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn threads_do_not_change_results() {
    let directory = scratch("threads");
    problem(&directory, "agents");
    let solve = |threads, out| {
        let settings = ["--set", "population.agents=3000", "--set", "time.end=1", "--threads", threads, "-o", out];
        expect(0, &run(&directory, &[&["solve", "agents.toml"], &settings[..]].concat()));
    };
    solve("1", "one.h5");
    solve("3", "three.h5");
    same(&directory.join("three.h5"), &read(&directory.join("one.h5")).unwrap(), "3 threads");
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_full_disk_is_an_error_and_what_was_written_stays_readable() {
    let directory = scratch("full");
    problem(&directory, "kinetic");
    let (_, settings) = KINDS[0];
    let arguments = solve(settings, "kinetic.toml", "out.h5");
    // Files end at 600 blocks of 512 bytes, as on a full disk, instead of a signal.
    let script = r#"trap "" XFSZ; ulimit -f 600; exec "$0" "$@""#;
    let mut shell = Command::new("sh");
    let shell =
        shell.args(["-c", script, env!("CARGO_BIN_EXE_learning-dynamics")]).args(arguments).current_dir(&directory);
    let said = expect(1, &shell.output().unwrap());
    assert!(said.contains("the frames so far are in out.partial.h5"), "{said}");
    let left = read(&directory.join("out.partial.h5")).unwrap();
    assert!(left["/density/f"].shape[0] >= 1, "{:?}", left["/density/f"].shape);
    assert!(!directory.join("out.h5").exists());
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn help_documents_exit_codes_and_completions_name_the_commands() {
    let directory = scratch("help");
    for arguments in [&["--help"][..], &["solve", "--help"]] {
        let output = run(&directory, arguments);
        expect(0, &output);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("xit codes:") && text.contains('3') && !text.contains('\x1b'), "{text}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&directory, &["completions", shell]);
        expect(0, &output);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("converge") && text.contains("resume"), "{shell}");
    }
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn refinement_shows_the_order_of_the_grid() {
    let directory = scratch("converge");
    problem(&directory, "averaged");
    let output = run(&directory, &["converge", "averaged.toml", "--set", "grid.h.cells=120", "--quiet"]);
    assert_eq!(expect(0, &output), "");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let grid = text.split("\n\n").find(|part| part.trim_start().starts_with("grid")).unwrap();
    let line = grid.lines().find(|line| line.starts_with("density/rho")).unwrap();
    let order: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
    // Cell means of second order; the initial law jumps on faces at every level.
    assert!((1.7..2.3).contains(&order), "{text}");
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn files_are_described_drawn_and_compared() {
    let directory = scratch("inspect");
    problem(&directory, "averaged");
    let solve = |cells: &str, out: &str| {
        let settings = ["--set", cells, "--set", "grid.theta.cells=128"];
        expect(0, &run(&directory, &[&["solve", "averaged.toml", "-o", out], &settings[..]].concat()));
    };
    solve("grid.h.cells=120", "a.h5");
    solve("grid.h.cells=240", "b.h5");
    let text = |arguments: &[&str]| {
        let output = run(&directory, arguments);
        expect(0, &output);
        String::from_utf8(output.stdout).unwrap()
    };
    let info = text(&["info", "a.h5"]);
    for part in ["version", "rho(time, h)", "effective_fitness(h)", "120 from", "\"grid.h.cells\" = 120"] {
        assert!(info.contains(part), "{part}: {info}");
    }
    // The text of the problem gives the same file again.
    std::fs::write(directory.join("again.toml"), text(&["info", "a.h5", "--problem"])).unwrap();
    expect(0, &run(&directory, &["solve", "again.toml"]));
    same(&directory.join("again.h5"), &read(&directory.join("a.h5")).unwrap(), "solved again");
    assert_eq!(text(&["plot", "a.h5"]), "a.png\n");
    let table = text(&["compare", "a.h5", "b.h5", "-o", "both.png"]);
    assert!(table.contains("density/rho"), "{table}");
    for picture in ["a.png", "both.png"] {
        assert!(std::fs::read(directory.join(picture)).unwrap().starts_with(b"\x89PNG"), "{picture}");
    }
    for arguments in [&["info", "again.toml"][..], &["plot", "missing.h5"], &["compare", "a.h5", "missing.h5"]] {
        expect(2, &run(&directory, arguments));
    }
    std::fs::remove_dir_all(directory).unwrap();
}
