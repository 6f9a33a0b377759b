//! Prints `docs/configuration.md` off the rows; `make docs` puts it in place.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().lock().write_all(config::docs::page().as_bytes())
}
