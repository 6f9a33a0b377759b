//! `/kafka-acl/<Type>/<name>` and `/kafka-acl-extended/prefixed/<Type>/<name>`: who may do what to a resource; and the
//! notifications that a resource's ACLs changed. Decides nothing itself.
//! Source: `kafka.zk.ResourceZNode`, `kafka.zk.ZkAclChangeStore`, `AclEntry`.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::json::{self, Document, Error, Json};
use crate::paths;

/// An enum of Kafka's ACL vocabulary with its three spellings: `DescribeConfigs` in nodes, `DESCRIBE_CONFIGS` in
/// notifications and tools, and a number on the wire.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal, $upper:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The number on the wire.
            #[must_use]
            pub fn code(self) -> i8 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The one with this number, unless it is "unknown", "any" or beyond what nodes can hold.
            #[must_use]
            pub fn from_code(code: i8) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.code() == code)
            }

            /// The spelling in nodes.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// The spelling in notifications and tools.
            #[must_use]
            pub fn upper_name(self) -> &'static str {
                match self { $(Self::$variant => $upper,)* }
            }
        }

        impl FromStr for $name {
            type Err = String;

            /// Reads either spelling in any case.
            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|v| v.name().eq_ignore_ascii_case(text) || v.upper_name().eq_ignore_ascii_case(text))
                    .ok_or_else(|| format!(concat!("no ", stringify!($name), " is called '{}'"), text))
            }
        }
    };
}

vocabulary! {
    /// What an ACL is about.
    ResourceType {
        /// A topic.
        Topic = 2, "TOPIC";
        /// A consumer group.
        Group = 3, "GROUP";
        /// The cluster; its only resource is `kafka-cluster`.
        Cluster = 4, "CLUSTER";
        /// A transactional id.
        TransactionalId = 5, "TRANSACTIONAL_ID";
        /// A delegation token.
        DelegationToken = 6, "DELEGATION_TOKEN";
        /// A user.
        User = 7, "USER";
    }
}

vocabulary! {
    /// What may be done.
    AclOperation {
        /// Everything the resource knows.
        All = 2, "ALL";
        /// Read.
        Read = 3, "READ";
        /// Write.
        Write = 4, "WRITE";
        /// Create.
        Create = 5, "CREATE";
        /// Delete.
        Delete = 6, "DELETE";
        /// Alter.
        Alter = 7, "ALTER";
        /// Describe.
        Describe = 8, "DESCRIBE";
        /// What only brokers do to each other.
        ClusterAction = 9, "CLUSTER_ACTION";
        /// Read configs.
        DescribeConfigs = 10, "DESCRIBE_CONFIGS";
        /// Change configs.
        AlterConfigs = 11, "ALTER_CONFIGS";
        /// Produce with a producer id.
        IdempotentWrite = 12, "IDEMPOTENT_WRITE";
        /// Create delegation tokens for a user.
        CreateTokens = 13, "CREATE_TOKENS";
        /// Describe delegation tokens of a user.
        DescribeTokens = 14, "DESCRIBE_TOKENS";
    }
}

vocabulary! {
    /// Whether an ACL allows or denies.
    Permission {
        /// Denies, whatever else allows.
        Deny = 2, "DENY";
        /// Allows.
        Allow = 3, "ALLOW";
    }
}

vocabulary! {
    /// How an ACL names its resources.
    PatternType {
        /// By its name; `*` is any.
        Literal = 3, "LITERAL";
        /// By how its name begins.
        Prefixed = 4, "PREFIXED";
    }
}

/// The resources an ACL is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourcePattern {
    /// What they are.
    pub resource_type: ResourceType,
    /// Name or prefix.
    pub name: String,
    /// Which of the two.
    pub pattern_type: PatternType,
}

impl ResourcePattern {
    /// The node that holds the ACLs.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", store(self.pattern_type, self.resource_type), self.name)
    }

    /// The path to hand to the sequential create of the notification.
    #[must_use]
    pub fn change_path(&self) -> String {
        let parent = match self.pattern_type {
            PatternType::Literal => paths::ACL_CHANGES,
            PatternType::Prefixed => paths::EXTENDED_ACL_CHANGES,
        };
        paths::sequential(parent, paths::ACL_CHANGE_PREFIX)
    }

    /// The bytes of the notification.
    #[must_use]
    pub fn encode_change(&self) -> Vec<u8> {
        match self.pattern_type {
            PatternType::Literal => format!("{}:{}", self.resource_type.upper_name(), self.name).into_bytes(),
            PatternType::Prefixed => Json::object([
                ("version", 1.into()),
                ("resourceType", self.resource_type.upper_name().into()),
                ("name", self.name.as_str().into()),
                ("patternType", self.pattern_type.upper_name().into()),
            ])
            .encode(),
        }
    }

    /// Reads a notification found below [`paths::ACL_CHANGES`].
    ///
    /// # Errors
    /// What is wrong with the content.
    pub fn decode_literal_change(bytes: &[u8]) -> Result<Self, Error> {
        const NODE: &str = "/kafka-acl-changes/acl_changes_N";
        let text = json::text(NODE, bytes)?;
        let (kind, name) = text
            .split_once(':')
            .ok_or_else(|| json::malformed(NODE, format!("'{text}' is not ResourceType:ResourceName")))?;
        let resource_type = kind.parse().map_err(|why: String| json::malformed(NODE, why))?;
        Ok(Self { resource_type, name: name.to_owned(), pattern_type: PatternType::Literal })
    }

    /// Reads a notification found below [`paths::EXTENDED_ACL_CHANGES`].
    ///
    /// # Errors
    /// What is wrong with the content.
    pub fn decode_extended_change(bytes: &[u8]) -> Result<Self, Error> {
        let document = Document::parse("/kafka-acl-extended-changes/acl_changes_N", bytes)?;
        let object = document.object()?;
        object.version(i32::MIN..=1)?;
        let kind = object.require("resourceType")?;
        let pattern = object.require("patternType")?;
        Ok(Self {
            resource_type: kind.text()?.parse().map_err(|why: String| kind.invalid(why))?,
            name: object.require("name")?.text()?.to_owned(),
            pattern_type: pattern.text()?.parse().map_err(|why: String| pattern.invalid(why))?,
        })
    }
}

/// Parent of the nodes of one kind of pattern and resource.
#[must_use]
pub fn store(pattern_type: PatternType, resource_type: ResourceType) -> String {
    let root = match pattern_type {
        PatternType::Literal => paths::ACLS,
        PatternType::Prefixed => paths::PREFIXED_ACLS,
    };
    format!("{root}/{}", resource_type.name())
}

/// One rule about a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessControlEntry {
    /// `Type:name`; `User:*` is anyone.
    pub principal: String,
    /// Address the request comes from; `*` is any.
    pub host: String,
    /// What it is about.
    pub operation: AclOperation,
    /// Allow or deny.
    pub permission: Permission,
}

/// The bytes of a resource's node.
#[must_use]
pub fn encode(entries: &BTreeSet<AccessControlEntry>) -> Vec<u8> {
    let entries = entries.iter().map(|entry| {
        Json::object([
            ("principal", entry.principal.as_str().into()),
            ("permissionType", entry.permission.name().into()),
            ("host", entry.host.as_str().into()),
            ("operation", entry.operation.name().into()),
        ])
    });
    Json::object([("acls", Json::List(entries.collect())), ("version", 1.into())]).encode()
}

/// Reads a resource's rules; a node without data has none.
///
/// # Errors
/// What is wrong with the content.
pub fn decode(bytes: &[u8]) -> Result<BTreeSet<AccessControlEntry>, Error> {
    if bytes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let document = Document::parse("/kafka-acl/TYPE/NAME", bytes)?;
    let object = document.object()?;
    object.version(1..=1)?;
    let entries = object.require("acls")?.list_of(|field| {
        let entry = field.object()?;
        let operation = entry.require("operation")?;
        let permission = entry.require("permissionType")?;
        let principal = entry.require("principal")?;
        if !principal.text()?.contains(':') {
            return Err(principal.invalid("expected Type:name"));
        }
        Ok(AccessControlEntry {
            principal: principal.text()?.to_owned(),
            host: entry.require("host")?.text()?.to_owned(),
            operation: operation.text()?.parse().map_err(|why: String| operation.invalid(why))?,
            permission: permission.text()?.parse().map_err(|why: String| permission.invalid(why))?,
        })
    })?;
    Ok(entries.into_iter().collect())
}
