//! Facts about values that come from elsewhere.

use super::*;

fn texts(pairs: &[(&str, &str)]) -> Texts {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn resolved(pairs: &[(&str, &str)], name: &str) -> Result<String, Error> {
    let texts = texts(pairs);
    Ok(configured(&texts)?.resolve_all(texts)?.remove(name).unwrap())
}

const FILE: &str = "org.apache.kafka.common.config.provider.FileConfigProvider";
const DIRECTORY: &str = "org.apache.kafka.common.config.provider.DirectoryConfigProvider";
const ENVIRONMENT: &str = "org.apache.kafka.common.config.provider.EnvVarConfigProvider";

#[test]
fn a_file_gives_the_value_of_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secrets.properties");
    fs::write(&file, "key=s3cret\n").unwrap();
    let text = format!("a${{file:{}:key}}b", file.display());

    let value = resolved(&[("config.providers", "file"), ("config.providers.file.class", FILE), ("x", &text)], "x");
    assert_eq!(value.unwrap(), "as3cretb");
}

#[test]
fn a_key_that_is_not_there_and_an_unknown_provider_stay_as_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p");
    fs::write(&file, "").unwrap();
    for text in
        [format!("${{file:{}:key}}", file.display()), "${vault:a:b}".to_owned(), "${open".to_owned(), "$}".to_owned()]
    {
        let value = resolved(&[("config.providers", "file"), ("config.providers.file.class", FILE), ("x", &text)], "x");
        assert_eq!(value.unwrap(), text);
    }
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let pairs = [("config.providers", "f"), ("config.providers.f.class", FILE), ("x", "${f:/does/not/exist:key}")];
    let error = resolved(&pairs, "x").unwrap_err().to_string();
    assert!(error.starts_with("Invalid value ${f:/does/not/exist:key} for configuration x: "), "{error}");
}

#[test]
fn a_directory_gives_the_content_of_a_file_and_nothing_outside() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("password"), "s3cret").unwrap();
    let path = dir.path().display();
    let provider = [("config.providers", "dir"), ("config.providers.dir.class", DIRECTORY)];
    let value = |text: String| resolved(&[provider[0], provider[1], ("x", &text)], "x").unwrap();

    assert_eq!(value(format!("${{dir:{path}:password}}")), "s3cret");
    let outside = format!("${{dir:{path}:../password}}");
    assert_eq!(value(outside.clone()), outside);
}

#[test]
fn only_allowed_paths_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("password"), "s3cret").unwrap();
    let text = format!("${{dir:{}:password}}", dir.path().display());
    let pairs = [
        ("config.providers", "dir"),
        ("config.providers.dir.class", DIRECTORY),
        ("config.providers.dir.param.allowed.paths", "/nowhere"),
        ("x", text.as_str()),
    ];
    assert_eq!(resolved(&pairs, "x").unwrap(), text);
}

#[test]
fn the_environment_gives_what_its_pattern_lets_through() {
    let pairs = |pattern: &'static str| {
        [
            ("config.providers", "env"),
            ("config.providers.env.class", ENVIRONMENT),
            ("config.providers.env.param.allowlist.pattern", pattern),
            ("x", "${env:CARGO_PKG_NAME}"),
        ]
    };
    assert_eq!(resolved(&pairs("CARGO_.*"), "x").unwrap(), "config");
    assert_eq!(resolved(&pairs("CARGO"), "x").unwrap(), "${env:CARGO_PKG_NAME}");
}

#[test]
fn an_unknown_provider_class_is_refused() {
    let pairs = [("config.providers", "v"), ("config.providers.v.class", "com.example.Vault"), ("x", "y")];
    assert!(resolved(&pairs, "x").is_err());
    assert!(resolved(&[("config.providers", "v"), ("x", "y")], "x").is_err());
}
