//! May this client do that here: the one place where handlers ask.
//! Without an authorizer everybody may do everything, as in Kafka.
//! Source: `AuthHelper`; contract 4.2 (operations) and 4.6 (their numbers).

use super::RequestContext;

/// What is done, by its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are Kafka's")]
pub enum Operation {
    Read = 3,
    Write = 4,
    Create = 5,
    Delete = 6,
    Alter = 7,
    Describe = 8,
    ClusterAction = 9,
    DescribeConfigs = 10,
    AlterConfigs = 11,
    IdempotentWrite = 12,
    CreateTokens = 13,
    DescribeTokens = 14,
}

/// What it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Kafka's")]
pub enum Resource<'a> {
    Topic(&'a str),
    Group(&'a str),
    Cluster,
    TransactionalId(&'a str),
}

/// What an `authorizedOperations` field holds when nobody asked.
pub const NOT_REQUESTED: i32 = i32::MIN;

impl RequestContext<'_> {
    /// Whether the client may do this.
    #[must_use]
    pub const fn may(&self, _operation: Operation, _resource: Resource<'_>) -> bool {
        true
    }

    /// What the client may do to a resource, one bit per operation.
    #[must_use]
    pub fn authorized_operations(&self, resource: Resource<'_>) -> i32 {
        let allowed = resource.operations().iter().filter(|operation| self.may(**operation, resource));
        allowed.fold(0, |bits, operation| bits | 1 << *operation as u8)
    }
}

impl Resource<'_> {
    /// What can be done to a resource of this kind.
    const fn operations(self) -> &'static [Operation] {
        use Operation as Op;
        match self {
            Self::Topic(_) => &[
                Op::Read,
                Op::Write,
                Op::Create,
                Op::Describe,
                Op::Delete,
                Op::Alter,
                Op::DescribeConfigs,
                Op::AlterConfigs,
            ],
            Self::Group(_) => &[Op::Read, Op::Describe, Op::Delete],
            Self::Cluster => &[
                Op::Create,
                Op::ClusterAction,
                Op::DescribeConfigs,
                Op::AlterConfigs,
                Op::IdempotentWrite,
                Op::Alter,
                Op::Describe,
            ],
            Self::TransactionalId(_) => &[Op::Describe, Op::Write],
        }
    }
}
