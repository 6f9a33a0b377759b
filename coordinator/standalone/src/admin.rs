//! The admin server: the read-only answers of ZooKeeper's, as JSON over HTTP, for dashboards.
//! Answers `GET /commands/NAME` and nothing else; changes nothing. Source: `AdminServer` of ZooKeeper 3.8.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::Core;
use crate::words;

/// Requests answered at once.
const CONNECTIONS_MAX: usize = 16;
/// How long a request may take to come and its answer to go.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request that are read at most; its first line is all that matters.
const REQUEST_BYTES_MAX: usize = 4096;

/// Begins to answer, if configured. A port that cannot be had is no reason not to serve clients.
pub async fn start(core: &Arc<Core>, tasks: &TaskTracker, stop: &CancellationToken) -> Option<SocketAddr> {
    let address = core.config.admin_address?;
    match TcpListener::bind(address).await {
        Ok(listener) => {
            let bound = listener.local_addr().ok();
            tasks.spawn(accept(Arc::clone(core), listener, tasks.clone(), stop.clone()));
            bound
        }
        Err(error) => {
            tracing::warn!(%address, %error, "the admin server cannot listen; set admin.enableServer=false or admin.serverPort");
            None
        }
    }
}

async fn accept(core: Arc<Core>, listener: TcpListener, tasks: TaskTracker, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match (accepted, Arc::clone(&places).try_acquire_owned()) {
            (Ok((stream, _)), Ok(place)) => {
                let core = Arc::clone(&core);
                tasks.spawn(async move {
                    // Whoever is slow or leaves gets no answer, and nothing is lost.
                    drop(tokio::time::timeout(PATIENCE, answer(&core, stream)).await);
                    drop(place);
                });
            }
            (Ok(_), Err(_)) => {}
            (Err(error), _) => {
                tracing::warn!(%error, "accept an admin connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(core: &Core, mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.contains(&b'\n') && request.len() < REQUEST_BYTES_MAX {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let (status, body) = respond(core, &String::from_utf8_lossy(&request));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

fn respond(core: &Core, request: &str) -> (&'static str, String) {
    let mut parts = request.split_ascii_whitespace();
    let (method, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if method != "GET" {
        return ("405 Method Not Allowed", object("", &[("error", "only GET is offered".to_owned())]));
    }
    let path = target.split('?').next().unwrap_or_default().trim_end_matches('/');
    if path == "/commands" {
        let names = COMMANDS.map(|name| format!("\"{name}\"")).join(", ");
        return ("200 OK", format!("{{\"commands\": [{names}]}}\n"));
    }
    let command = path.strip_prefix("/commands/").unwrap_or_default();
    match command_fields(core, command) {
        Some(fields) => ("200 OK", object(command, &fields)),
        None => ("404 Not Found", object(command, &[("error", format!("unknown command: {command}"))])),
    }
}

const COMMANDS: [&str; 12] = [
    "configuration",
    "environment",
    "hash",
    "is_read_only",
    "monitor",
    "ruok",
    "server_stats",
    "stats",
    "watch_summary",
    "leader",
    "connections",
    "dirs",
];

fn command_fields(core: &Core, command: &str) -> Option<Vec<(&'static str, String)>> {
    let state = core.lock();
    let fields = match command {
        "ruok" => vec![],
        "is_read_only" | "isro" => vec![("read_only", "false".to_owned())],
        "leader" | "lead" => vec![("is_leader", "true".to_owned()), ("leader_id", "0".to_owned())],
        "monitor" | "mntr" | "server_stats" | "srvr" | "stats" | "stat" => words::counters(core, &state),
        "configuration" | "conf" | "config" => words::configured(core),
        "environment" | "env" | "envi" => words::environment_entries(),
        "connections" | "cons" => vec![("connections", state.connections.len().to_string())],
        "dirs" => vec![("datadir_size", state.model.data_bytes().to_string()), ("logdir_size", "0".to_owned())],
        "hash" => vec![("last_zxid", state.last_zxid().to_string())],
        "watch_summary" | "wchs" => {
            let watches: usize = state.model.watches().map(|(_, paths)| paths.count()).sum();
            let sessions = state.model.watches().count();
            vec![
                ("num_connections", sessions.to_string()),
                ("num_paths", state.model.watched_path_count().to_string()),
                ("num_total_watches", watches.to_string()),
            ]
        }
        _ => return None,
    };
    Some(fields)
}

fn object(command: &str, fields: &[(&str, String)]) -> String {
    let mut lines: Vec<String> = fields.iter().map(|(name, value)| format!("  \"{name}\" : {}", json(value))).collect();
    lines.push(format!("  \"command\" : {}", json(command)));
    if !fields.iter().any(|(name, _)| *name == "error") {
        lines.push("  \"error\" : null".to_owned());
    }
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// Numbers and booleans as they are, all else as a string.
fn json(value: &str) -> String {
    if matches!(value, "true" | "false") || (value.parse::<f64>().is_ok_and(f64::is_finite) && !value.starts_with('+'))
    {
        return value.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::json;

    #[test]
    fn text_is_quoted_and_numbers_are_not() {
        assert_eq!(json("12.5"), "12.5");
        assert_eq!(json("-1"), "-1");
        assert_eq!(json("a\"b\n"), "\"a\\\"b\\u000a\"");
    }
}
