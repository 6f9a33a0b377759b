//! Modules of the broker use only those declared above them in `src/lib.rs`, which lists them from the ground up.
//! Reads the sources as text: what it looks for is `crate::module` outside of tests.

use std::fs;
use std::path::{Path, PathBuf};

/// The order of the architecture, from the ground up.
const LAYERS: [&str; 14] = [
    "clock",
    "metrics",
    "zk",
    "security",
    "net",
    "quota",
    "acl",
    "metadata",
    "replica",
    "purgatory",
    "shell",
    "broker",
    "api",
    "server",
];

#[test]
fn modules_are_declared_from_the_ground_up() {
    let declared: Vec<_> = declared().iter().map(|module| layer(module)).collect();
    assert!(declared.is_sorted(), "src/lib.rs lists modules in another order than {LAYERS:?}");
}

#[test]
fn modules_use_only_those_above_them() {
    let mut offences = Vec::new();
    for module in declared() {
        for file in files_of(&module) {
            for (number, line) in outside_tests(&fs::read_to_string(&file).unwrap()).enumerate() {
                for used in modules_named_in(line).filter(|used| layer(used) > layer(&module)) {
                    offences.push(format!("{}:{}: {module} uses {used}", file.display(), number + 1));
                }
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn declared() -> Vec<String> {
    let lib = fs::read_to_string(source().join("lib.rs")).expect("src/lib.rs");
    let declaration = |line: &str| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned());
    lib.lines().filter_map(declaration).collect()
}

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| *layer == module)
        .unwrap_or_else(|| panic!("{module} has no layer: add it to LAYERS"))
}

fn files_of(module: &str) -> Vec<PathBuf> {
    let mut files = vec![source().join(format!("{module}.rs"))];
    collect(&source().join(module), &mut files);
    files.retain(|file| file.exists() && !is_test(file));
    files
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().map(Result::unwrap) {
        if entry.path().is_dir() {
            collect(&entry.path(), files);
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            files.push(entry.path());
        }
    }
}

fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

/// The lines before the tests at a file's foot.
fn outside_tests(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]").filter(|line| !line.trim_start().starts_with("//"))
}

fn modules_named_in(line: &str) -> impl Iterator<Item = &str> {
    let word = |rest: &'_ str| rest.len() - rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len();
    let after = line.split("crate::").skip(1).map(move |rest| rest.get(..word(rest)).unwrap_or_default());
    after.filter(|module| LAYERS.contains(module))
}
