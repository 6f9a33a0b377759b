//! What a node's Stat says, and how long a node lives.
//! Never counts or stamps anything itself; `tree.rs` does.
//! Source: `Stat` in ZooKeeper's jute file; `EphemeralType` for the numbers that stand for lifetimes where they are kept.

/// A ZooKeeper session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i64);

impl std::fmt::Display for SessionId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:#x}", self.0)
    }
}

/// The number of a transaction. Transactions are numbered without gaps, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zxid(pub i64);

impl Zxid {
    /// The number of the transaction after this one.
    pub fn next(self) -> Zxid {
        Zxid(self.0 + 1)
    }
}

impl std::fmt::Display for Zxid {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:#x}", self.0)
    }
}

/// What clients are told about a node, field by field as on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Transaction that created the node.
    pub czxid: i64,
    /// Transaction that last set its data.
    pub mzxid: i64,
    /// When it was created, in milliseconds since 1970.
    pub ctime: i64,
    /// When its data was last set, in milliseconds since 1970.
    pub mtime: i64,
    /// How often its data was set.
    pub version: i32,
    /// How often a child was created or deleted.
    pub cversion: i32,
    /// How often its ACL was set.
    pub aversion: i32,
    /// Owning session of an ephemeral node; 0 for all others.
    pub ephemeral_owner: i64,
    /// Bytes of data.
    pub data_length: i32,
    /// Children.
    pub num_children: i32,
    /// Transaction that last created or deleted a child.
    pub pzxid: i64,
}

/// How long a node lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until somebody deletes it.
    Persistent,
    /// Until its session ends.
    Ephemeral(SessionId),
    /// Until its last child is gone.
    Container,
    /// Until it has no children and was not written for so many milliseconds.
    Ttl(i64),
}

const CONTAINER_OWNER: i64 = i64::MIN;
const TTL_MARK: u64 = 0xff00_0000_0000_0000;

impl Lifetime {
    /// Longest time to live, in milliseconds: forty bits.
    pub const TTL_MS_MAX: i64 = 0xff_ffff_ffff;

    /// The owner a Stat shows: that of an ephemeral node.
    pub(super) fn shown_owner(self) -> i64 {
        match self {
            Lifetime::Ephemeral(session) => session.0,
            Lifetime::Persistent | Lifetime::Container | Lifetime::Ttl(_) => 0,
        }
    }

    /// The one number that stands for it where it is kept.
    pub fn owner(self) -> i64 {
        match self {
            Lifetime::Persistent => 0,
            Lifetime::Ephemeral(session) => session.0,
            Lifetime::Container => CONTAINER_OWNER,
            Lifetime::Ttl(ttl_ms) => ttl_ms | TTL_MARK.cast_signed(),
        }
    }

    /// The inverse of [`Lifetime::owner`].
    pub fn from_owner(owner: i64) -> Lifetime {
        if owner == 0 {
            return Lifetime::Persistent;
        }
        if owner == CONTAINER_OWNER {
            return Lifetime::Container;
        }
        if owner.cast_unsigned() & TTL_MARK == TTL_MARK {
            return Lifetime::Ttl(owner & Lifetime::TTL_MS_MAX);
        }
        Lifetime::Ephemeral(SessionId(owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_survives_being_kept_as_a_number() {
        for lifetime in [
            Lifetime::Persistent,
            Lifetime::Container,
            Lifetime::Ttl(1),
            Lifetime::Ttl(Lifetime::TTL_MS_MAX),
            Lifetime::Ephemeral(SessionId(0x0100_2a5b_3c4d_0000)),
        ] {
            assert_eq!(Lifetime::from_owner(lifetime.owner()), lifetime);
        }
    }
}
