//! Notes the git commit that is built, for the provenance of output files.

use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The log of HEAD changes with each commit and checkout, and lies elsewhere in a linked worktree.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| std::path::Path::new(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
    // A package unpacked inside some other repository must not take that one's commit for its own.
    let own = git(&["ls-files", "--error-unmatch", "build.rs"]).is_some();
    let commit = git(&["rev-parse", "HEAD"]).filter(|_| own).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=LEARNING_DYNAMICS_COMMIT={commit}");
}
