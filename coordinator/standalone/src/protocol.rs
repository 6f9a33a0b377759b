//! ZooKeeper's client protocol: which bytes stand for which request and reply of the model.
//! Never decides an answer. Source: `zookeeper.jute` and `ZooDefs.OpCode` of ZooKeeper 3.8.

use zk_schema::model::{
    Acl, CreateMode, Error, Event, Identity, Permissions, Read, Reply, Request, SetWatches, Stat, WatchKind, WatchMode,
    Write, Written,
};

use crate::jute::{self, Reader, Write as _};

/// Operation codes.
pub mod op {
    /// A new node; the reply has its path.
    pub const CREATE: i32 = 1;
    /// Takes a node away.
    pub const DELETE: i32 = 2;
    /// A node's Stat.
    pub const EXISTS: i32 = 3;
    /// A node's data.
    pub const GET_DATA: i32 = 4;
    /// Sets a node's data.
    pub const SET_DATA: i32 = 5;
    /// A node's ACL.
    pub const GET_ACL: i32 = 6;
    /// Sets a node's ACL.
    pub const SET_ACL: i32 = 7;
    /// A node's children.
    pub const GET_CHILDREN: i32 = 8;
    /// Waits for what was written before.
    pub const SYNC: i32 = 9;
    /// Keeps the session alive.
    pub const PING: i32 = 11;
    /// A node's children and Stat.
    pub const GET_CHILDREN2: i32 = 12;
    /// Requires a version.
    pub const CHECK: i32 = 13;
    /// All or none.
    pub const MULTI: i32 = 14;
    /// A new node; the reply has its Stat too.
    pub const CREATE2: i32 = 15;
    /// Changes an ensemble's members.
    pub const RECONFIG: i32 = 16;
    /// Whether there is such a watch.
    pub const CHECK_WATCHES: i32 = 17;
    /// Takes watches away.
    pub const REMOVE_WATCHES: i32 = 18;
    /// A new container.
    pub const CREATE_CONTAINER: i32 = 19;
    /// A new node with a time to live.
    pub const CREATE_TTL: i32 = 21;
    /// Several reads.
    pub const MULTI_READ: i32 = 22;
    /// Proves an identity.
    pub const AUTH: i32 = 100;
    /// Sets one-shot watches again.
    pub const SET_WATCHES: i32 = 101;
    /// One step of a SASL login.
    pub const SASL: i32 = 102;
    /// The session's ephemeral nodes.
    pub const GET_EPHEMERALS: i32 = 103;
    /// How many nodes lie below.
    pub const GET_ALL_CHILDREN_NUMBER: i32 = 104;
    /// Sets all watches again.
    pub const SET_WATCHES2: i32 = 105;
    /// A watch that stays.
    pub const ADD_WATCH: i32 = 106;
    /// The session's identities.
    pub const WHO_AM_I: i32 = 107;
    /// Ends the session.
    pub const CLOSE_SESSION: i32 = -11;
    /// An error in the place of a multi's result.
    pub const ERROR: i32 = -1;
}

/// The `xid` of watch events.
pub const XID_EVENT: i32 = -1;
/// The server does not change members: the number of `ReconfigDisabledException`.
pub const RECONFIG_DISABLED: i32 = -123;

/// What a client says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The last transaction it saw anywhere.
    pub last_zxid_seen: i64,
    /// The session timeout it would like, in milliseconds.
    pub timeout_ms: i32,
    /// The session it comes back to, or 0.
    pub session: i64,
    /// That session's password.
    pub password: Vec<u8>,
    /// Whether it knows read-only servers; very old clients send nothing of the kind.
    pub read_only: Option<bool>,
}

impl Connect {
    /// Decodes a client's first packet.
    pub fn decode(frame: &[u8]) -> Result<Connect, jute::Error> {
        let mut reader = Reader::new(frame);
        let version = reader.int()?;
        if version != 0 {
            return Err(jute::Error::Value { what: "the protocol version", value: version.into() });
        }
        Ok(Connect {
            last_zxid_seen: reader.long()?,
            timeout_ms: reader.int()?,
            session: reader.long()?,
            password: reader.buffer()?.unwrap_or_default().to_vec(),
            read_only: if reader.is_empty() { None } else { Some(reader.bool()?) },
        })
    }
}

/// Appends the answer to a client's first packet. A timeout of 0 says the session is gone.
pub fn encode_connected(out: &mut Vec<u8>, timeout_ms: i32, session: i64, password: [u8; 16], read_only: Option<bool>) {
    frame(out, |out| {
        out.int(0);
        out.int(timeout_ms);
        out.long(session);
        out.buffer(Some(&password));
        if read_only.is_some() {
            out.bool(false);
        }
    });
}

/// Which request, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The client's number for the request.
    pub xid: i32,
    /// Operation code.
    pub op: i32,
}

impl Header {
    /// Takes the header off a frame.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Header, jute::Error> {
        Ok(Header { xid: reader.int()?, op: reader.int()? })
    }
}

/// What cannot be decoded, and what to tell the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// The bytes are wrong; the reply says so, and the connection goes on.
    Malformed(jute::Error),
    /// What they say is not allowed.
    Invalid(Error),
    /// There is no such operation; the connection ends.
    Unknown,
}

impl From<jute::Error> for Refused {
    fn from(error: jute::Error) -> Refused {
        Refused::Malformed(error)
    }
}

/// Decodes the body of a request that the model answers, and the operations of a multi: its results repeat them.
pub fn decode_request(op: i32, reader: &mut Reader<'_>) -> Result<(Request, Vec<i32>), Refused> {
    let mut kinds = Vec::new();
    let request = match op {
        op::CREATE
        | op::CREATE2
        | op::CREATE_CONTAINER
        | op::CREATE_TTL
        | op::DELETE
        | op::SET_DATA
        | op::SET_ACL
        | op::CHECK => Request::Write(decode_write(op, reader)?),
        op::MULTI => Request::Multi(decode_multi(reader, &mut kinds, decode_write)?),
        op::MULTI_READ => Request::MultiRead(decode_multi(reader, &mut kinds, decode_read)?),
        op::EXISTS => Request::Exists { path: reader.string()?, watch: reader.bool()? },
        op::GET_DATA => Request::GetData { path: reader.string()?, watch: reader.bool()? },
        op::GET_CHILDREN | op::GET_CHILDREN2 => Request::GetChildren { path: reader.string()?, watch: reader.bool()? },
        op::GET_ACL => Request::GetAcl { path: reader.string()? },
        op::SYNC => Request::Sync { path: reader.string()? },
        op::GET_EPHEMERALS => Request::GetEphemerals { prefix: reader.string()? },
        op::GET_ALL_CHILDREN_NUMBER => Request::GetAllChildrenNumber { path: reader.string()? },
        op::ADD_WATCH => Request::AddWatch { path: reader.string()?, mode: watch_mode(reader.int()?)? },
        op::CHECK_WATCHES => Request::CheckWatches { path: reader.string()?, kind: watch_kind(reader.int()?)? },
        op::REMOVE_WATCHES => Request::RemoveWatches { path: reader.string()?, kind: watch_kind(reader.int()?)? },
        op::SET_WATCHES | op::SET_WATCHES2 => Request::SetWatches(decode_set_watches(op, reader)?),
        op::WHO_AM_I => Request::WhoAmI,
        op::CLOSE_SESSION => Request::CloseSession,
        _ => return Err(Refused::Unknown),
    };
    Ok((request, kinds))
}

fn decode_write(op: i32, reader: &mut Reader<'_>) -> Result<Write, Refused> {
    match op {
        op::CREATE | op::CREATE2 | op::CREATE_CONTAINER | op::CREATE_TTL => {
            let path = reader.string()?;
            let data = reader.data()?;
            let acl = reader.list(decode_acl)?;
            let flags = reader.int()?;
            let ttl_ms = if op == op::CREATE_TTL { reader.long()? } else { 0 };
            Ok(Write::Create { path, data, acl, mode: create_mode(flags, ttl_ms)? })
        }
        op::DELETE => Ok(Write::Delete { path: reader.string()?, version: reader.int()? }),
        op::SET_DATA => Ok(Write::SetData { path: reader.string()?, data: reader.data()?, version: reader.int()? }),
        op::SET_ACL => {
            Ok(Write::SetAcl { path: reader.string()?, acl: reader.list(decode_acl)?, version: reader.int()? })
        }
        op::CHECK => Ok(Write::Check { path: reader.string()?, version: reader.int()? }),
        _ => Err(Refused::Invalid(Error::Unimplemented)),
    }
}

fn decode_read(op: i32, reader: &mut Reader<'_>) -> Result<Read, Refused> {
    let read = match op {
        op::GET_DATA => Read::GetData { path: reader.string()? },
        op::GET_CHILDREN => Read::GetChildren { path: reader.string()? },
        _ => return Err(Refused::Invalid(Error::Unimplemented)),
    };
    // The watch flag of a single read is there too, and means nothing here.
    reader.bool()?;
    Ok(read)
}

fn decode_multi<T>(
    reader: &mut Reader<'_>,
    kinds: &mut Vec<i32>,
    decode: impl Fn(i32, &mut Reader<'_>) -> Result<T, Refused>,
) -> Result<Vec<T>, Refused> {
    let mut operations = Vec::new();
    loop {
        let op = reader.int()?;
        let done = reader.bool()?;
        reader.int()?;
        if done {
            return Ok(operations);
        }
        operations.push(decode(op, reader)?);
        kinds.push(op);
    }
}

fn decode_set_watches(op: i32, reader: &mut Reader<'_>) -> Result<SetWatches, jute::Error> {
    let mut watches = SetWatches {
        relative_zxid: reader.long()?,
        data: reader.list(Reader::string)?,
        exist: reader.list(Reader::string)?,
        child: reader.list(Reader::string)?,
        ..SetWatches::default()
    };
    if op == op::SET_WATCHES2 {
        watches.persistent = reader.list(Reader::string)?;
        watches.persistent_recursive = reader.list(Reader::string)?;
    }
    Ok(watches)
}

/// One entry of an ACL.
pub fn decode_acl(reader: &mut Reader<'_>) -> Result<Acl, jute::Error> {
    let permissions = Permissions(reader.int()?);
    Ok(Acl::new(permissions, Identity::new(reader.str()?, reader.str()?)))
}

fn create_mode(flags: i32, ttl_ms: i64) -> Result<CreateMode, Refused> {
    match flags {
        0 => Ok(CreateMode::Persistent),
        1 => Ok(CreateMode::Ephemeral),
        2 => Ok(CreateMode::PersistentSequential),
        3 => Ok(CreateMode::EphemeralSequential),
        4 => Ok(CreateMode::Container),
        5 => Ok(CreateMode::PersistentTtl(ttl_ms)),
        6 => Ok(CreateMode::PersistentSequentialTtl(ttl_ms)),
        _ => Err(Refused::Invalid(Error::BadArguments)),
    }
}

fn watch_mode(mode: i32) -> Result<WatchMode, Refused> {
    match mode {
        0 => Ok(WatchMode::Persistent),
        1 => Ok(WatchMode::PersistentRecursive),
        value => Err(jute::Error::Value { what: "a watch mode", value: value.into() }.into()),
    }
}

fn watch_kind(kind: i32) -> Result<WatchKind, Refused> {
    match kind {
        1 => Ok(WatchKind::Children),
        2 => Ok(WatchKind::Data),
        3 => Ok(WatchKind::Any),
        4 => Ok(WatchKind::Persistent),
        5 => Ok(WatchKind::PersistentRecursive),
        value => Err(jute::Error::Value { what: "a kind of watch", value: value.into() }.into()),
    }
}

/// Appends a reply without a body.
pub fn encode_header(out: &mut Vec<u8>, xid: i32, zxid: i64, error: i32) {
    frame(out, |out| header(out, xid, zxid, error));
}

/// Appends a whole reply. `kinds` are the operations of a multi, as [`decode_request`] gives them.
pub fn encode_reply(out: &mut Vec<u8>, to: Header, zxid: i64, reply: &Result<Reply, Error>, kinds: &[i32]) {
    frame(out, |out| {
        let error = reply.as_ref().err().map_or(0, |error| error.code());
        header(out, to.xid, zxid, error);
        if let Ok(reply) = reply {
            body(out, to.op, reply, kinds);
        }
    });
}

/// Appends a watch event.
pub fn encode_event(out: &mut Vec<u8>, event: &Event) {
    const SYNC_CONNECTED: i32 = 3;
    frame(out, |out| {
        header(out, XID_EVENT, -1, 0);
        out.int(event.kind as i32);
        out.int(SYNC_CONNECTED);
        out.str(&event.path);
    });
}

fn body(out: &mut Vec<u8>, op: i32, reply: &Reply, kinds: &[i32]) {
    match reply {
        Reply::Written(written) => encode_written(out, op, written),
        Reply::Multi(results) => {
            for (written, &kind) in results.iter().zip(kinds) {
                multi_header(out, kind, false, 0);
                encode_written(out, kind, written);
            }
            multi_header(out, -1, true, -1);
        }
        Reply::MultiFailed { index, error, count } => {
            for place in 0..*count {
                let code = match place.cmp(index) {
                    std::cmp::Ordering::Less => 0,
                    std::cmp::Ordering::Equal => error.code(),
                    std::cmp::Ordering::Greater => Error::RuntimeInconsistency.code(),
                };
                encode_multi_error(out, code);
            }
            multi_header(out, -1, true, -1);
        }
        Reply::MultiRead(results) => {
            for (result, &kind) in results.iter().zip(kinds) {
                match result {
                    Err(error) => encode_multi_error(out, error.code()),
                    Ok(reply) => {
                        multi_header(out, kind, false, 0);
                        body(out, kind, reply, &[]);
                    }
                }
            }
            multi_header(out, -1, true, -1);
        }
        Reply::Data { data, stat } => {
            out.buffer(data.as_deref());
            encode_stat(out, stat);
        }
        Reply::Stat(stat) => encode_stat(out, stat),
        Reply::Children { names, stat } => {
            out.count(names.len());
            names.iter().for_each(|name| out.str(name));
            if op == op::GET_CHILDREN2 {
                encode_stat(out, stat);
            }
        }
        Reply::Acl { acl, stat } => {
            encode_acls(out, acl);
            encode_stat(out, stat);
        }
        Reply::Count(count) => out.int(*count),
        Reply::Paths(paths) => {
            out.count(paths.len());
            paths.iter().for_each(|path| out.str(path));
        }
        Reply::Synced(path) => out.str(path),
        Reply::Identities(identities) => encode_client_infos(out, identities),
        // The body of an addWatch reply is an error code once more.
        Reply::Done if op == op::ADD_WATCH => out.int(0),
        Reply::Done => {}
    }
}

fn encode_written(out: &mut Vec<u8>, op: i32, written: &Written) {
    match written {
        Written::Created { path, stat } => {
            out.str(path);
            if op != op::CREATE {
                encode_stat(out, stat);
            }
        }
        Written::Set(stat) => encode_stat(out, stat),
        Written::Deleted | Written::Checked => {}
    }
}

fn encode_multi_error(out: &mut Vec<u8>, code: i32) {
    multi_header(out, op::ERROR, false, code);
    out.int(code);
}

fn multi_header(out: &mut Vec<u8>, op: i32, done: bool, error: i32) {
    out.int(op);
    out.bool(done);
    out.int(error);
}

/// Appends an ACL.
pub fn encode_acls(out: &mut Vec<u8>, acl: &[Acl]) {
    out.count(acl.len());
    for entry in acl {
        out.int(entry.permissions.0);
        out.str(&entry.identity.scheme);
        out.str(&entry.identity.id);
    }
}

/// A digest identity shows its user, never the digest.
fn encode_client_infos(out: &mut Vec<u8>, identities: &[Identity]) {
    out.count(identities.len());
    for identity in identities {
        let user = match &*identity.scheme {
            "digest" => identity.id.split(':').next().unwrap_or_default(),
            _ => &identity.id,
        };
        out.str(&identity.scheme);
        out.str(user);
    }
}

fn encode_stat(out: &mut Vec<u8>, stat: &Stat) {
    out.long(stat.czxid);
    out.long(stat.mzxid);
    out.long(stat.ctime);
    out.long(stat.mtime);
    out.int(stat.version);
    out.int(stat.cversion);
    out.int(stat.aversion);
    out.long(stat.ephemeral_owner);
    out.int(stat.data_length);
    out.int(stat.num_children);
    out.long(stat.pzxid);
}

fn header(out: &mut Vec<u8>, xid: i32, zxid: i64, error: i32) {
    out.int(xid);
    out.long(zxid);
    out.int(error);
}

/// Appends what `write` appends, with its length in front.
fn frame(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.int(0);
    write(out);
    let body = out.len() - start - 4;
    let length = i32::try_from(body).unwrap_or(i32::MAX).to_be_bytes();
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn any_bytes_decode_or_are_refused() {
        let seed = 4711;
        let mut random = StdRng::seed_from_u64(seed);
        let mut decoded = 0;
        for round in 0..50_000 {
            // Small numbers make lengths and counts that nearly fit.
            let byte =
                |random: &mut StdRng| if random.random_bool(0.7) { 0 } else { random.random_range(0..=255) >> 4 };
            let bytes: Vec<u8> = (0..random.random_range(0..80)).map(|_| byte(&mut random)).collect();
            let code = round % 110;
            decoded += usize::from(decode_request(code, &mut Reader::new(&bytes)).is_ok());
            decoded += usize::from(Connect::decode(&bytes).is_ok());
        }
        assert!(1_000 < decoded, "seed {seed}: only {decoded} got through");
    }

    #[test]
    fn a_request_that_is_not_there_is_unknown() {
        for code in [0, -1, 10, 20, 23, 99, 108, i32::MAX, i32::MIN] {
            assert_eq!(decode_request(code, &mut Reader::new(&[])).unwrap_err(), Refused::Unknown, "{code}");
        }
    }

    #[test]
    fn a_packet_is_as_the_jute_file_says() {
        let mut bytes = Vec::new();
        let reply = Ok(Reply::Written(Written::Created { path: "/a".into(), stat: Stat::default() }));
        encode_reply(&mut bytes, Header { xid: 7, op: op::CREATE }, 9, &reply, &[]);
        let expected = [0, 0, 0, 22, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 2, b'/', b'a'];
        assert_eq!(bytes, expected);
        let mut bytes = Vec::new();
        let event = Event { kind: zk_schema::model::EventKind::Deleted, path: "/a".into() };
        encode_event(&mut bytes, &event);
        let header = [0, 0, 0, 30, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0];
        assert_eq!(bytes, [&header[..], &[0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2, b'/', b'a']].concat());
    }
}
