//! Which paths a node may have.
//! Never looks whether a node of that path exists.
//! Source: `PathUtils.validatePath` of ZooKeeper 3.8.

use super::Error;

/// Checks a node's path.
///
/// # Errors
/// [`Error::BadArguments`] unless it is absolute and made of proper names.
pub fn validate(path: &str) -> Result<(), Error> {
    if path == "/" {
        return Ok(());
    }
    let names = path.strip_prefix('/').ok_or(Error::BadArguments)?;
    if names.split('/').all(is_name) { Ok(()) } else { Err(Error::BadArguments) }
}

/// The path of a node's parent. The root is its own parent.
pub fn parent(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(slash) => path.get(..slash).unwrap_or("/"),
    }
}

/// The last name of a path; empty for the root.
pub fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// A path and its ancestors up to the root, nearest first.
pub fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |&path| (path != "/").then(|| parent(path)))
}

/// The nodes every ZooKeeper has and nobody may delete.
pub fn is_reserved(path: &str) -> bool {
    matches!(path, "/" | "/zookeeper" | "/zookeeper/quota" | "/zookeeper/config")
}

fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.chars().any(is_forbidden)
}

fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_unfinished_and_dotted_paths_are_refused() {
        for path in ["", "a", "/a/", "//", "/a//b", "/.", "/a/../b", "/a\0", "/\u{1}", "/\u{7f}", "/\u{e000}"] {
            assert_eq!(validate(path), Err(Error::BadArguments), "{path:?}");
        }
        for path in ["/", "/a", "/a/b.c", "/…", "/a/...", "/a b"] {
            assert_eq!(validate(path), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn ancestors_end_at_the_root() {
        assert_eq!(ancestors("/a/b").collect::<Vec<_>>(), ["/a/b", "/a", "/"]);
        assert_eq!(ancestors("/").collect::<Vec<_>>(), ["/"]);
    }
}
