//! Who may do what to a node: the schemes world, auth, digest and ip.
//! Never proves an identity; whoever speaks to the client hands in identities already proven.
//! Source: `PrepRequestProcessor.fixupACL`, `ZooKeeperServer.checkACL` and the providers of ZooKeeper 3.8.

use std::net::IpAddr;
use std::sync::Arc;

use super::Error;

/// A set of permissions, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permissions(pub i32);

impl Permissions {
    /// Read data and list children.
    pub const READ: Permissions = Permissions(1);
    /// Set data.
    pub const WRITE: Permissions = Permissions(2);
    /// Create children.
    pub const CREATE: Permissions = Permissions(4);
    /// Delete children.
    pub const DELETE: Permissions = Permissions(8);
    /// Set the ACL.
    pub const ADMIN: Permissions = Permissions(16);
    /// All of them.
    pub const ALL: Permissions = Permissions(31);

    fn meet(self, other: Permissions) -> bool {
        self.0 & other.0 != 0
    }
}

/// Somebody, by a scheme and an id within it: `world:anyone`, `digest:alice:…`, `ip:10.0.0.0/8`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// How the id was, or is to be, proven.
    pub scheme: Arc<str>,
    /// Who.
    pub id: Arc<str>,
}

impl Identity {
    /// An identity of a scheme.
    pub fn new(scheme: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Identity {
        Identity { scheme: scheme.into(), id: id.into() }
    }

    /// Everybody.
    pub fn anyone() -> Identity {
        Identity::new("world", "anyone")
    }

    fn is_anyone(&self) -> bool {
        &*self.scheme == "world" && &*self.id == "anyone"
    }

    /// Whether `auth` in an ACL stands for this one: it was proven, not merely observed as an address is.
    fn is_proven(&self) -> bool {
        &*self.scheme == "digest"
    }

    /// Whether an ACL may name it.
    fn is_valid(&self) -> bool {
        match &*self.scheme {
            "world" => self.is_anyone(),
            "digest" => self.id.split(':').count() == 2,
            "ip" => Network::parse(&self.id).is_some(),
            _ => false,
        }
    }

    /// Whether this entry of an ACL covers a session's identity.
    fn covers(&self, proven: &Identity) -> bool {
        if self.scheme != proven.scheme {
            return false;
        }
        if &*self.scheme != "ip" {
            return self.id == proven.id;
        }
        match (Network::parse(&self.id), proven.id.parse()) {
            (Some(network), Ok(address)) => network.holds(address),
            _ => false,
        }
    }
}

/// One entry of a node's ACL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acl {
    /// What is allowed.
    pub permissions: Permissions,
    /// To whom.
    pub identity: Identity,
}

impl Acl {
    /// An entry allowing somebody something.
    pub fn new(permissions: Permissions, identity: Identity) -> Acl {
        Acl { permissions, identity }
    }

    /// Anybody may do anything.
    pub fn open() -> Vec<Acl> {
        vec![Acl::new(Permissions::ALL, Identity::anyone())]
    }

    /// Whoever creates the node may do anything.
    pub fn creator_all() -> Vec<Acl> {
        vec![Acl::new(Permissions::ALL, Identity::new("auth", ""))]
    }
}

/// Checks an ACL a client sent and puts the client's own identities in place of `auth`.
///
/// # Errors
/// [`Error::InvalidAcl`] if it is empty, has an unknown scheme or a malformed id, or says `auth` of a client that has
/// proven nothing.
pub(super) fn resolve(acl: &[Acl], session: &[Identity]) -> Result<Vec<Acl>, Error> {
    let mut resolved = Vec::with_capacity(acl.len());
    for entry in acl {
        if &*entry.identity.scheme != "auth" {
            if !entry.identity.is_valid() {
                return Err(Error::InvalidAcl);
            }
            push_once(&mut resolved, entry.clone());
            continue;
        }
        let mut proven = session.iter().filter(|identity| identity.is_proven()).peekable();
        if proven.peek().is_none() {
            return Err(Error::InvalidAcl);
        }
        proven.for_each(|identity| push_once(&mut resolved, Acl::new(entry.permissions, identity.clone())));
    }
    if resolved.is_empty() { Err(Error::InvalidAcl) } else { Ok(resolved) }
}

/// Whether a session holding these identities has one of the permissions wanted.
pub(super) fn check(acl: &[Acl], wanted: Permissions, session: &[Identity]) -> Result<(), Error> {
    if session.iter().any(|identity| &*identity.scheme == "super") {
        return Ok(());
    }
    let allowed = acl
        .iter()
        .filter(|entry| entry.permissions.meet(wanted))
        .any(|entry| entry.identity.is_anyone() || session.iter().any(|identity| entry.identity.covers(identity)));
    if allowed { Ok(()) } else { Err(Error::NoAuth) }
}

/// The ACL as shown to somebody who may not administer it: without the digests of passwords.
pub(super) fn masked(acl: &[Acl]) -> Vec<Acl> {
    let mask = |entry: &Acl| match entry.identity.id.split_once(':') {
        Some((user, _)) if &*entry.identity.scheme == "digest" => {
            Acl::new(entry.permissions, Identity::new("digest", format!("{user}:x")))
        }
        _ => entry.clone(),
    };
    acl.iter().map(mask).collect()
}

fn push_once(entries: &mut Vec<Acl>, entry: Acl) {
    if !entries.contains(&entry) {
        entries.push(entry);
    }
}

/// An address and how many of its leading bits count.
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        (bits <= width).then_some(Network { address, bits })
    }

    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differing = u64::from(ours.to_bits() ^ theirs.to_bits());
                differing >> (32 - self.bits) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(entry: &str, address: &str) -> bool {
        Identity::new("ip", entry).covers(&Identity::new("ip", address))
    }

    #[test]
    fn an_ip_entry_covers_its_network_and_nothing_else() {
        assert!(covers("10.1.0.0/16", "10.1.2.3"));
        assert!(!covers("10.1.0.0/16", "10.2.2.3"));
        assert!(covers("10.1.2.3", "10.1.2.3"));
        assert!(!covers("10.1.2.3", "10.1.2.4"));
        assert!(covers("0.0.0.0/0", "10.1.2.4"));
        assert!(covers("fd00::/8", "fd12::1"));
        assert!(covers("::/0", "fd12::1"));
        assert!(!covers("::/0", "10.1.2.4"));
    }

    #[test]
    fn auth_becomes_the_proven_identities_of_the_session() {
        let session = [Identity::new("ip", "127.0.0.1"), Identity::new("digest", "a:x")];
        let resolved = resolve(&Acl::creator_all(), &session).unwrap();
        assert_eq!(resolved, [Acl::new(Permissions::ALL, Identity::new("digest", "a:x"))]);
        assert_eq!(resolve(&Acl::creator_all(), &session[..1]), Err(Error::InvalidAcl));
    }

    #[test]
    fn malformed_entries_are_invalid() {
        for (scheme, id) in [("world", "me"), ("digest", "a"), ("ip", "10.0.0.0/33"), ("sasl", "kafka"), ("", "")] {
            let acl = [Acl::new(Permissions::READ, Identity::new(scheme, id))];
            assert_eq!(resolve(&acl, &[]), Err(Error::InvalidAcl), "{scheme}:{id}");
        }
        assert_eq!(resolve(&[], &[]), Err(Error::InvalidAcl));
    }
}
