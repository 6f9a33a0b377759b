//! Transactions, sessions and nodes as bytes in the log and in snapshots.
//! The format is our own; the first byte of a change says what it is, and numbers are never given anew.

use std::sync::Arc;

use zk_schema::model::{Acl, Change, Lifetime, Node, NodeChange, Password, SessionId, SessionImage, Transaction, Zxid};

use crate::jute::{Error, Reader, Write};
use crate::protocol::{decode_acl, encode_acls};

const OPEN_SESSION: i32 = 1;
const CLOSE_SESSION: i32 = 2;
const NODES: i32 = 3;

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const SET_DATA: i32 = 3;
const SET_ACL: i32 = 4;
const CHECK: i32 = 5;

pub fn encode_transaction(out: &mut Vec<u8>, transaction: &Transaction) {
    out.long(transaction.zxid.0);
    out.long(transaction.session.0);
    out.long(transaction.time_ms);
    match &transaction.change {
        Change::OpenSession { timeout_ms, password } => {
            out.int(OPEN_SESSION);
            out.int(*timeout_ms);
            out.buffer(Some(&password.0));
        }
        Change::CloseSession { ephemerals } => {
            out.int(CLOSE_SESSION);
            out.count(ephemerals.len());
            ephemerals.iter().for_each(|path| out.str(path));
        }
        Change::Nodes(changes) => {
            out.int(NODES);
            out.count(changes.len());
            changes.iter().for_each(|change| encode_node_change(out, change));
        }
    }
}

fn encode_node_change(out: &mut Vec<u8>, change: &NodeChange) {
    match change {
        NodeChange::Create { path, data, acl, lifetime, parent_creates } => {
            out.int(CREATE);
            out.str(path);
            out.buffer(data.as_deref());
            encode_acls(out, acl);
            out.long(lifetime.owner());
            out.int(*parent_creates);
        }
        NodeChange::Delete { path } => {
            out.int(DELETE);
            out.str(path);
        }
        NodeChange::SetData { path, data, version } => {
            out.int(SET_DATA);
            out.str(path);
            out.buffer(data.as_deref());
            out.int(*version);
        }
        NodeChange::SetAcl { path, acl, version } => {
            out.int(SET_ACL);
            out.str(path);
            encode_acls(out, acl);
            out.int(*version);
        }
        NodeChange::Check { path } => {
            out.int(CHECK);
            out.str(path);
        }
    }
}

/// Decodes what the two functions above wrote. Equal ACLs in a row share memory.
#[derive(Default)]
pub struct Decoder {
    last_acl: Option<Arc<[Acl]>>,
}

impl Decoder {
    pub fn transaction(&mut self, reader: &mut Reader<'_>) -> Result<Transaction, Error> {
        Ok(Transaction {
            zxid: Zxid(reader.long()?),
            session: SessionId(reader.long()?),
            time_ms: reader.long()?,
            change: self.change(reader)?,
        })
    }

    fn change(&mut self, reader: &mut Reader<'_>) -> Result<Change, Error> {
        match reader.int()? {
            OPEN_SESSION => Ok(Change::OpenSession { timeout_ms: reader.int()?, password: password(reader)? }),
            CLOSE_SESSION => Ok(Change::CloseSession { ephemerals: reader.list(path)? }),
            NODES => Ok(Change::Nodes(reader.list(|reader| self.node_change(reader))?)),
            kind => Err(Error::Value { what: "a kind of transaction", value: kind.into() }),
        }
    }

    fn node_change(&mut self, reader: &mut Reader<'_>) -> Result<NodeChange, Error> {
        match reader.int()? {
            CREATE => Ok(NodeChange::Create {
                path: path(reader)?,
                data: reader.data()?,
                acl: self.acl(reader)?,
                lifetime: Lifetime::from_owner(reader.long()?),
                parent_creates: reader.int()?,
            }),
            DELETE => Ok(NodeChange::Delete { path: path(reader)? }),
            SET_DATA => Ok(NodeChange::SetData { path: path(reader)?, data: reader.data()?, version: reader.int()? }),
            SET_ACL => Ok(NodeChange::SetAcl { path: path(reader)?, acl: self.acl(reader)?, version: reader.int()? }),
            CHECK => Ok(NodeChange::Check { path: path(reader)? }),
            kind => Err(Error::Value { what: "a kind of change", value: kind.into() }),
        }
    }

    pub fn node(&mut self, reader: &mut Reader<'_>) -> Result<(Arc<str>, Node), Error> {
        let path = path(reader)?;
        let node = Node {
            data: reader.data()?,
            acl: self.acl(reader)?,
            lifetime: Lifetime::from_owner(reader.long()?),
            czxid: Zxid(reader.long()?),
            mzxid: Zxid(reader.long()?),
            pzxid: Zxid(reader.long()?),
            ctime_ms: reader.long()?,
            mtime_ms: reader.long()?,
            version: reader.int()?,
            acl_version: reader.int()?,
            creates: reader.int()?,
        };
        Ok((path, node))
    }

    fn acl(&mut self, reader: &mut Reader<'_>) -> Result<Arc<[Acl]>, Error> {
        let acl = reader.list(decode_acl)?;
        if let Some(last) = &self.last_acl
            && **last == *acl
        {
            return Ok(Arc::clone(last));
        }
        let acl: Arc<[Acl]> = acl.into();
        self.last_acl = Some(Arc::clone(&acl));
        Ok(acl)
    }
}

pub fn encode_node(out: &mut Vec<u8>, path: &str, node: &Node) {
    out.str(path);
    out.buffer(node.data.as_deref());
    encode_acls(out, &node.acl);
    out.long(node.lifetime.owner());
    out.long(node.czxid.0);
    out.long(node.mzxid.0);
    out.long(node.pzxid.0);
    out.long(node.ctime_ms);
    out.long(node.mtime_ms);
    out.int(node.version);
    out.int(node.acl_version);
    out.int(node.creates);
}

pub fn encode_session(out: &mut Vec<u8>, session: &SessionImage) {
    out.long(session.id.0);
    out.int(session.timeout_ms);
    out.buffer(Some(&session.password.0));
}

pub fn decode_session(reader: &mut Reader<'_>) -> Result<SessionImage, Error> {
    Ok(SessionImage { id: SessionId(reader.long()?), timeout_ms: reader.int()?, password: password(reader)? })
}

fn path(reader: &mut Reader<'_>) -> Result<Arc<str>, Error> {
    reader.str().map(Arc::from)
}

fn password(reader: &mut Reader<'_>) -> Result<Password, Error> {
    let bytes = reader.buffer()?.unwrap_or_default();
    let wrong = |_| Error::Value { what: "a password's length", value: i64::try_from(bytes.len()).unwrap_or(-1) };
    bytes.try_into().map(Password).map_err(wrong)
}
