//! Replaces `${provider:path:key}` in values by what a file, a directory or the environment holds.
//! A variable of a provider nobody configured, or a key that is not there, stays as written, as in Kafka.
//! Source: `ConfigTransformer` and the providers in `org.apache.kafka.common.config.provider` of Kafka 3.9.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

use crate::error::Error;
use crate::properties_file;
use crate::table::Texts;

const PROVIDERS: &str = "config.providers";

/// Whether a property configures providers.
pub(crate) fn owns(name: &str) -> bool {
    name == PROVIDERS || name.strip_prefix(PROVIDERS).is_some_and(|rest| rest.starts_with('.'))
}

/// One place values may come from.
#[derive(Debug)]
enum Provider {
    /// A properties file.
    File(AllowedPaths),
    /// A directory: one file per key.
    Directory(AllowedPaths),
    /// The environment, of which only names matching the pattern are seen.
    Environment(Option<Regex>),
}

/// The providers a configuration names.
#[derive(Debug, Default)]
pub(crate) struct Providers(BTreeMap<String, Provider>);

/// Reads `config.providers` and what configures each of them.
pub(crate) fn configured(texts: &Texts) -> Result<Providers, Error> {
    let mut providers = BTreeMap::new();
    let names = texts.get(PROVIDERS).map_or("", String::as_str);
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let class_property = format!("{PROVIDERS}.{name}.class");
        let class = texts
            .get(&class_property)
            .ok_or_else(|| Error::Conflict(format!("{PROVIDERS} names {name}, but {class_property} is not set")))?;
        let parameter = |name_of: &str| texts.get(&format!("{PROVIDERS}.{name}.param.{name_of}"));
        providers.insert(name.to_owned(), provider(&class_property, class.trim(), parameter)?);
    }
    Ok(Providers(providers))
}

fn provider<'a>(
    property: &str,
    class: &str,
    parameter: impl Fn(&str) -> Option<&'a String>,
) -> Result<Provider, Error> {
    let simple_name = class.strip_prefix("org.apache.kafka.common.config.provider.").unwrap_or(class);
    match simple_name {
        "FileConfigProvider" => Ok(Provider::File(AllowedPaths::new(parameter("allowed.paths")))),
        "DirectoryConfigProvider" => Ok(Provider::Directory(AllowedPaths::new(parameter("allowed.paths")))),
        "EnvVarConfigProvider" => {
            let pattern = parameter("allowlist.pattern")
                .map(|pattern| Regex::new(&format!("^(?:{pattern})$")))
                .transpose()
                .map_err(|error| Error::invalid(property, class, format!("allowlist.pattern: {error}")))?;
            Ok(Provider::Environment(pattern))
        }
        _ => Err(Error::invalid(
            property,
            class,
            "use FileConfigProvider, DirectoryConfigProvider or EnvVarConfigProvider of \
             org.apache.kafka.common.config.provider",
        )),
    }
}

impl Providers {
    /// Every text with its variables replaced.
    pub(crate) fn resolve_all(&self, texts: Texts) -> Result<Texts, Error> {
        if self.0.is_empty() {
            return Ok(texts);
        }
        texts
            .into_iter()
            .map(|(name, text)| {
                let resolved = if owns(&name) { text } else { self.resolve(&name, &text)? };
                Ok((name, resolved))
            })
            .collect()
    }

    /// One text with its variables replaced. What was put in is not looked at again.
    fn resolve(&self, property: &str, text: &str) -> Result<String, Error> {
        let mut resolved = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, from) = rest.split_at(start);
            resolved.push_str(before);
            let Some(end) = from.find('}') else {
                rest = from;
                break;
            };
            let (variable, after) = from.split_at(end + 1);
            match self.lookup(property, &variable[2..end])? {
                Some(value) => resolved.push_str(&value),
                None => resolved.push_str(variable),
            }
            rest = after;
        }
        resolved.push_str(rest);
        Ok(resolved)
    }

    /// `provider:path:key` or `provider:key`.
    fn lookup(&self, property: &str, variable: &str) -> Result<Option<String>, Error> {
        let Some((name, rest)) = variable.split_once(':') else {
            return Ok(None);
        };
        let (path, key) = rest.split_once(':').unwrap_or(("", rest));
        match self.0.get(name) {
            None => Ok(None),
            Some(provider) => {
                provider.get(path, key).map_err(|reason| Error::invalid(property, format!("${{{variable}}}"), reason))
            }
        }
    }
}

impl Provider {
    fn get(&self, path: &str, key: &str) -> Result<Option<String>, String> {
        match self {
            Self::File(allowed) => match allowed.open(path) {
                Some(file) => {
                    let bytes = fs::read(&file)
                        .map_err(|error| format!("Could not read properties from file {path}: {error}"))?;
                    Ok(properties_file::parse(&bytes)?.remove(key))
                }
                None => Ok(None),
            },
            Self::Directory(allowed) => match allowed.open(path) {
                Some(directory) if is_file_name(key) => read_if_there(&directory.join(key)),
                _ => Ok(None),
            },
            // Differs from Kafka: a path beside the environment is an error there as well, at the first use.
            Self::Environment(_) if !path.is_empty() => {
                Err(format!("Path is not supported for EnvVarConfigProvider, invalid value '{path}'"))
            }
            Self::Environment(pattern) => {
                let is_seen = pattern.as_ref().is_none_or(|pattern| pattern.is_match(key));
                Ok(if is_seen { env::var(key).ok() } else { None })
            }
        }
    }
}

fn read_if_there(file: &Path) -> Result<Option<String>, String> {
    if !file.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(file).map_err(|error| format!("Could not read file {}: {error}", file.display()))?;
    Ok(Some(text))
}

/// A key may not lead out of its directory.
fn is_file_name(key: &str) -> bool {
    let mut components = Path::new(key).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(_)), None))
}

/// Where files may be read from; without a list, everywhere.
#[derive(Debug)]
struct AllowedPaths(Option<Vec<PathBuf>>);

impl AllowedPaths {
    fn new(list: Option<&String>) -> Self {
        let paths = |list: &String| list.split(',').map(|path| PathBuf::from(path.trim())).collect::<Vec<_>>();
        Self(list.filter(|list| !list.trim().is_empty()).map(paths))
    }

    /// The path if it may be opened.
    fn open(&self, path: &str) -> Option<PathBuf> {
        if path.is_empty() {
            return None;
        }
        let path = PathBuf::from(path);
        match &self.0 {
            None => Some(path),
            Some(allowed) => {
                let climbs = path.components().any(|component| component == Component::ParentDir);
                (!climbs && allowed.iter().any(|root| path.starts_with(root))).then_some(path)
            }
        }
    }
}

#[cfg(test)]
#[path = "providers/tests.rs"]
mod tests;
