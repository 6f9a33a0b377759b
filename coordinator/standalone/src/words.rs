//! The four-letter words: what an operator asks with `nc` and a dashboard scrapes.
//! Changes nothing. Source: `server/command/` of ZooKeeper 3.8, whose lines tools parse.

use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;

use crate::connection::Connection;
use crate::core::{Core, State};
use crate::protocol::op;

/// The version whose protocol and answers these are.
pub const VERSION: &str = concat!("3.8.4-milena-", env!("CARGO_PKG_VERSION"), ", built on an unknown date");

const WORDS: [&str; 14] =
    ["ruok", "srvr", "stat", "mntr", "cons", "dump", "wchs", "wchc", "wchp", "conf", "envi", "isro", "dirs", "gtmk"];

/// The word these bytes are, if they are one; as a length they would be far too long.
pub fn recognise(bytes: &[u8; 4]) -> Option<String> {
    let word = std::str::from_utf8(bytes).ok()?;
    WORDS.contains(&word).then(|| word.to_owned())
}

/// The answer to a word.
pub fn answer(core: &Core, word: &str) -> String {
    if !core.config.answers(word) {
        return format!("{word} is not executed because it is not in the whitelist.\n");
    }
    let mut out = String::new();
    let state = core.lock();
    // Writing to a string cannot fail.
    let _written = match word {
        "ruok" => write!(out, "imok"),
        "isro" => write!(out, "rw"),
        "srvr" => server(&mut out, core, &state, false),
        "stat" => server(&mut out, core, &state, true),
        "mntr" => monitor(&mut out, core, &state),
        "cons" => connections(&mut out, &state),
        "dump" => dump(&mut out, core, &state),
        "wchs" => watch_summary(&mut out, &state),
        "wchc" => watches_by_session(&mut out, &state),
        "wchp" => watches_by_path(&mut out, &state),
        "conf" => configuration(&mut out, core),
        "envi" => environment(&mut out),
        "dirs" => writeln!(out, "datadir_size: {}\nlogdir_size: 0", state.model.data_bytes()),
        "gtmk" => write!(out, "0"),
        _ => writeln!(out, "{word} is not offered by this server."),
    };
    out
}

fn server(out: &mut String, core: &Core, state: &State, with_clients: bool) -> std::fmt::Result {
    writeln!(out, "Zookeeper version: {VERSION}")?;
    if with_clients {
        writeln!(out, "Clients:")?;
        for connection in state.connections.values() {
            client(out, connection, true)?;
            writeln!(out)?;
        }
        writeln!(out)?;
    }
    let stats = &core.stats;
    writeln!(out, "Latency min/avg/max: {}/{:.4}/{}", stats.min_ms(), stats.avg_ms(), stats.max_ms())?;
    writeln!(out, "Received: {}", stats.received.load(Relaxed))?;
    writeln!(out, "Sent: {}", stats.sent.load(Relaxed))?;
    writeln!(out, "Connections: {}", state.connections.len())?;
    writeln!(out, "Outstanding: {}", outstanding(state))?;
    writeln!(out, "Zxid: {}", state.last_zxid())?;
    writeln!(out, "Mode: standalone")?;
    writeln!(out, "Node count: {}", state.model.node_count())
}

/// Counters by the names of `mntr`, which are also those of the admin server.
pub fn counters(core: &Core, state: &State) -> Vec<(&'static str, String)> {
    let stats = &core.stats;
    let ephemerals: usize = state.model.ephemerals().map(|(_, paths)| paths.count()).sum();
    let watches: usize = state.model.watches().map(|(_, paths)| paths.count()).sum();
    vec![
        ("version", VERSION.to_owned()),
        ("server_state", "standalone".to_owned()),
        ("avg_latency", format!("{:.4}", stats.avg_ms())),
        ("max_latency", stats.max_ms().to_string()),
        ("min_latency", stats.min_ms().to_string()),
        ("packets_received", stats.received.load(Relaxed).to_string()),
        ("packets_sent", stats.sent.load(Relaxed).to_string()),
        ("num_alive_connections", state.connections.len().to_string()),
        ("outstanding_requests", outstanding(state).to_string()),
        ("znode_count", state.model.node_count().to_string()),
        ("watch_count", watches.to_string()),
        ("ephemerals_count", ephemerals.to_string()),
        ("approximate_data_size", state.model.data_bytes().to_string()),
        ("global_sessions", state.model.session_count().to_string()),
        ("local_sessions", "0".to_owned()),
        ("connection_drop_probability", "0.0".to_owned()),
        ("last_zxid", state.last_zxid().to_string()),
    ]
}

fn monitor(out: &mut String, core: &Core, state: &State) -> std::fmt::Result {
    counters(core, state).iter().try_for_each(|(name, value)| writeln!(out, "zk_{name}\t{value}"))
}

fn outstanding(state: &State) -> u64 {
    state.connections.values().map(|connection| connection.outbox.waiting()).sum()
}

fn connections(out: &mut String, state: &State) -> std::fmt::Result {
    for connection in state.connections.values() {
        client(out, connection, false)?;
        writeln!(out)?;
    }
    writeln!(out)
}

fn client(out: &mut String, connection: &Connection, brief: bool) -> std::fmt::Result {
    let stats = &connection.stats;
    let (received, sent) = (stats.received.load(Relaxed), stats.sent.load(Relaxed));
    write!(out, " /{}[1](queued={},recved={received},sent={sent}", connection.peer, connection.outbox.waiting())?;
    if let Some(session) = connection.session().filter(|_| !brief) {
        let (xid, last_op, zxid) = connection.last();
        let established = connection.established.duration_since(std::time::UNIX_EPOCH).map_or(0, |age| age.as_millis());
        write!(out, ",sid={session},lop={},est={established},to={}", op_name(last_op), connection.timeout_ms())?;
        write!(out, ",lcxid={xid:#x},lzxid={zxid:#x}")?;
        write!(out, ",minlat={},avglat={:.0},maxlat={}", stats.min_ms(), stats.avg_ms(), stats.max_ms())?;
    }
    write!(out, ")")
}

/// The short names ZooKeeper gives operations in `cons`.
fn op_name(code: i32) -> &'static str {
    match code {
        op::CREATE | op::CREATE2 | op::CREATE_CONTAINER | op::CREATE_TTL => "CREA",
        op::DELETE => "DELE",
        op::EXISTS => "EXIS",
        op::GET_DATA => "GETD",
        op::SET_DATA => "SETD",
        op::GET_ACL => "GETA",
        op::SET_ACL => "SETA",
        op::GET_CHILDREN | op::GET_CHILDREN2 => "GETC",
        op::SYNC => "SYNC",
        op::PING => "PING",
        op::CHECK => "CHEC",
        op::MULTI => "MULT",
        op::MULTI_READ => "MLTR",
        op::SET_WATCHES => "SETW",
        op::SET_WATCHES2 => "STW2",
        op::ADD_WATCH => "ADDW",
        op::REMOVE_WATCHES => "REMW",
        op::CHECK_WATCHES => "CHKW",
        op::GET_EPHEMERALS => "GETE",
        op::GET_ALL_CHILDREN_NUMBER => "GETACN",
        op::WHO_AM_I => "HOMI",
        op::CLOSE_SESSION => "CLOS",
        _ => "NA",
    }
}

fn dump(out: &mut String, core: &Core, state: &State) -> std::fmt::Result {
    writeln!(out, "SessionTracker dump:")?;
    let now_ms = core.clock.now_ms();
    writeln!(out, "Session Sets ({})/({}):", state.model.session_count(), state.model.session_count())?;
    for (deadline_ms, session) in state.model.sessions_by_deadline() {
        writeln!(out, "1 expire in {} ms:\n\t{session}", deadline_ms - now_ms)?;
    }
    writeln!(out, "ephemeral nodes dump:")?;
    writeln!(out, "Sessions with Ephemerals ({}):", state.model.ephemerals().count())?;
    for (session, paths) in state.model.ephemerals() {
        writeln!(out, "{session}:")?;
        for path in paths {
            writeln!(out, "\t{path}")?;
        }
    }
    writeln!(out, "Connections dump:")?;
    writeln!(out, "Connections Sets ({})/({}):", state.connections.len(), state.connections.len())
}

fn watch_summary(out: &mut String, state: &State) -> std::fmt::Result {
    let (mut sessions, mut watches) = (0, 0);
    for (_, paths) in state.model.watches() {
        sessions += 1;
        watches += paths.count();
    }
    writeln!(out, "{sessions} connections watching {} paths", state.model.watched_path_count())?;
    writeln!(out, "Total watches:{watches}\n")
}

fn watches_by_session(out: &mut String, state: &State) -> std::fmt::Result {
    for (session, paths) in state.model.watches() {
        writeln!(out, "{session}")?;
        for path in paths {
            writeln!(out, "\t{path}")?;
        }
    }
    writeln!(out)
}

fn watches_by_path(out: &mut String, state: &State) -> std::fmt::Result {
    let mut by_path = std::collections::BTreeMap::<_, Vec<_>>::new();
    for (session, paths) in state.model.watches() {
        paths.for_each(|path| by_path.entry(path).or_default().push(session));
    }
    for (path, sessions) in by_path {
        writeln!(out, "{path}")?;
        for session in sessions {
            writeln!(out, "\t{session}")?;
        }
    }
    writeln!(out)
}

/// The configuration by the names of `conf`.
pub fn configured(core: &Core) -> Vec<(&'static str, String)> {
    let config = &core.config;
    let data_dir = config.data_dir.display().to_string();
    vec![
        ("clientPort", config.client_address.port().to_string()),
        ("secureClientPort", "-1".to_owned()),
        ("dataDir", data_dir.clone()),
        ("dataLogDir", data_dir),
        ("tickTime", config.tick_time_ms.to_string()),
        ("maxClientCnxns", config.max_client_connections.to_string()),
        ("minSessionTimeout", config.min_session_timeout_ms.to_string()),
        ("maxSessionTimeout", config.max_session_timeout_ms.to_string()),
        ("clientPortListenBacklog", "-1".to_owned()),
        ("serverId", "0".to_owned()),
    ]
}

fn configuration(out: &mut String, core: &Core) -> std::fmt::Result {
    configured(core).iter().try_for_each(|(name, value)| writeln!(out, "{name}={value}"))
}

/// The environment by the names of `envi`.
pub fn environment_entries() -> Vec<(&'static str, String)> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let directory = std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
    vec![
        ("zookeeper.version", VERSION.to_owned()),
        ("host.name", host.trim().to_owned()),
        ("os.name", std::env::consts::OS.to_owned()),
        ("os.arch", std::env::consts::ARCH.to_owned()),
        ("user.dir", directory),
    ]
}

fn environment(out: &mut String) -> std::fmt::Result {
    writeln!(out, "Environment:")?;
    environment_entries().iter().try_for_each(|(name, value)| writeln!(out, "{name}={value}"))
}
