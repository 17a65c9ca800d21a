//! The directions in which the crates may depend on each other, read from cargo, and the smallest rules of style
//! that a machine can check. Docs: architecture.md, CONTRIBUTING.md.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Each crate of the workspace with the crates of the workspace that it may name, for tests too.
const MAY_USE: &[(&str, &[&str])] = &[
    ("syncbridge-proto", &[]),
    ("bridge-core", &["syncbridge-proto"]),
    ("bridge-node", &["syncbridge-proto", "bridge-core"]),
    ("bridge-client", &["syncbridge-proto", "bridge-core", "bridge-node"]),
    ("bridge-server", &["syncbridge-proto", "bridge-core", "bridge-node"]),
    ("syncbridge-py", &["bridge-core", "bridge-client", "bridge-server"]),
    ("syncbridge-java", &["bridge-core", "bridge-client", "bridge-server"]),
    ("syncbridge-simulation", &["syncbridge-proto", "bridge-core", "bridge-node", "bridge-client"]),
    (
        "syncbridge-tests",
        &["syncbridge-proto", "bridge-core", "bridge-node", "bridge-client", "bridge-server"],
    ),
];

/// What must not appear anywhere below a crate that is built by itself with its default features.
const NEVER_BELOW: &[(&str, &[&str])] = &[
    (
        "bridge-core",
        &["tokio", "tonic", "hyper", "h2", "mio", "getrandom", "rand", "parking_lot", "libc", "rustix"],
    ),
    ("bridge-node", &["tokio", "tonic", "hyper", "h2", "mio"]),
    ("bridge-client", &["bridge-server", "clap", "tracing-subscriber"]),
    ("bridge-server", &["bridge-client"]),
];

/// Above this many lines a file no longer shows its idea.
const FILE_LINES_MAX: usize = 700;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("invariant: tests/ is in the workspace")
        .to_path_buf()
}

fn cargo(arguments: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().context("cargo")?;
    ensure!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The name of each package of the workspace with those that it declares.
fn packages() -> Result<Vec<(String, Vec<Value>)>> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version=1", "--no-deps", "--locked"])?)?;
    metadata["packages"]
        .as_array()
        .context("packages")?
        .iter()
        .map(|package| {
            let name = package["name"].as_str().context("name")?.to_owned();
            Ok((name, package["dependencies"].as_array().context("dependencies")?.clone()))
        })
        .collect()
}

#[test]
fn crates_depend_in_one_direction() -> Result<()> {
    let packages = packages()?;
    let ours: Vec<&str> = packages.iter().map(|(name, _)| name.as_str()).collect();
    let mut wrong = Vec::new();
    for (name, dependencies) in &packages {
        let Some((_, may_use)) = MAY_USE.iter().find(|(crate_name, _)| crate_name == name) else {
            wrong.push(format!("{name} is new: give it its place in MAY_USE"));
            continue;
        };
        for dependency in dependencies {
            let used = dependency["name"].as_str().context("name")?;
            if ours.contains(&used) && !may_use.contains(&used) {
                wrong.push(format!("{name} must not use {used}; it may use {may_use:?}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_engine_knows_no_runtime_no_network_and_no_randomness() -> Result<()> {
    let mut wrong = Vec::new();
    for (name, never) in NEVER_BELOW {
        let tree = cargo(&[
            "tree",
            "--locked",
            "--package",
            name,
            "--edges=normal",
            "--prefix=none",
            "--format={p}",
        ])?;
        let below: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        wrong.extend(
            never.iter().filter(|one| below.contains(one)).map(|one| format!("{one} is below {name}")),
        );
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_core_is_safe_and_meets_the_wire_in_one_place() -> Result<()> {
    for name in ["bridge-core", "bridge-node"] {
        let text = std::fs::read_to_string(root().join(name).join("src/lib.rs"))?;
        ensure!(text.contains("#![forbid(unsafe_code)]"), "{name}/src/lib.rs does not forbid unsafe code");
    }
    for file in sources(&["bridge-core/src"])? {
        let wire = file.ends_with("wire.rs") || file.components().any(|part| part.as_os_str() == "wire");
        ensure!(
            wire || !std::fs::read_to_string(&file)?.contains("syncbridge_proto"),
            "{} uses syncbridge-proto; only wire.rs may",
            file.display()
        );
    }
    Ok(())
}

#[test]
fn files_fit_in_a_head() -> Result<()> {
    let mut long = Vec::new();
    for file in sources(&[
        "bridge-core",
        "bridge-node",
        "bridge-client",
        "bridge-server",
        "py-bindings",
        "java-bindings",
        "proto",
        "tests",
        "examples",
        "benches",
        "scripts",
    ])? {
        let lines = std::fs::read_to_string(&file)?.lines().count();
        if lines > FILE_LINES_MAX {
            long.push(format!("{}: {lines} lines, {FILE_LINES_MAX} at most", file.display()));
        }
    }
    ensure!(long.is_empty(), "split these:\n{}", long.join("\n"));
    Ok(())
}

/// The program text below the given directories of the workspace, without what builds leave there.
fn sources(directories: &[&str]) -> Result<Vec<PathBuf>> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "--"])
        .args(directories)
        .current_dir(root())
        .output()
        .context("git")?;
    ensure!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let text = String::from_utf8(listed.stdout)?;
    let program = |file: &PathBuf| {
        file.is_file()
            && file
                .extension()
                .and_then(|one| one.to_str())
                .is_some_and(|one| ["rs", "py", "pyi", "java"].contains(&one))
    };
    Ok(text.lines().map(|line| root().join(line)).filter(program).collect())
}
