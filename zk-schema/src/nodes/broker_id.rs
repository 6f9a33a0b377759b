//! `/brokers/ids/N`: a live broker's endpoints, rack and features. Its czxid is the broker epoch.
//! Source: `kafka.zk.BrokerIdZNode`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::java_order;
use crate::json::{Document, Error, Field, Json, Object};

const NODE: &str = "/brokers/ids/N";

/// What protects the connections of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurityProtocol {
    /// Nothing.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without TLS.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Kafka's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// The number the wire protocol uses.
    #[must_use]
    pub fn code(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    /// The protocol with this number.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl].into_iter().find(|p| p.code() == code)
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SecurityProtocol {
    type Err = String;

    /// Reads the name in any case, as Kafka does.
    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl]
            .into_iter()
            .find(|protocol| protocol.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| format!("no security protocol is called '{name}'"))
    }
}

/// One advertised address of a broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Listener name, upper case.
    pub listener: String,
    /// Host to connect to; may be empty.
    pub host: String,
    /// Port to connect to.
    pub port: i32,
    /// What protects the connection.
    pub security_protocol: SecurityProtocol,
}

impl Endpoint {
    /// `LISTENER://host:port`, IPv6 addresses in brackets.
    #[must_use]
    pub fn connection_string(&self) -> String {
        if self.host.contains(':') {
            format!("{}://[{}]:{}", self.listener, self.host, self.port)
        } else {
            format!("{}://{}:{}", self.listener, self.host, self.port)
        }
    }
}

/// Range of versions of one feature a broker supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// Lowest.
    pub min_version: i16,
    /// Highest.
    pub max_version: i16,
}

/// Content of `/brokers/ids/N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// Layout version, 1 to 5; see [`BrokerRegistration::encode`] for what each adds.
    pub version: i32,
    /// Advertised addresses, in the order of `advertised.listeners`.
    pub endpoints: Vec<Endpoint>,
    /// Port of JMX, `-1` when off.
    pub jmx_port: i32,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Features the broker supports; a 3.9 ZooKeeper-mode broker has none.
    pub features: BTreeMap<String, VersionRange>,
}

impl BrokerRegistration {
    /// The address of a listener, if the broker has it.
    #[must_use]
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.listener == listener)
    }

    /// The bytes to write, in the layout of `self.version`: 2 has endpoints, 3 adds the rack, 4 the listeners' security
    /// protocols, 5 the features.
    #[must_use]
    pub fn encode(&self, timestamp_ms: i64) -> Vec<u8> {
        let plaintext = self.endpoints.iter().find(|e| e.security_protocol == SecurityProtocol::Plaintext);
        let mut fields: Vec<(&str, Json)> = Vec::with_capacity(9);
        if 5 <= self.version {
            fields.push(("features", features_json(&self.features)));
        }
        if 4 <= self.version {
            fields.push(("listener_security_protocol_map", protocols_json(&self.endpoints)));
        }
        fields.push(("endpoints", Json::list(self.endpoints.iter().map(Endpoint::connection_string))));
        if let Some(rack) = self.rack.as_deref().filter(|_| 3 <= self.version) {
            fields.push(("rack", rack.into()));
        }
        fields.push(("jmx_port", self.jmx_port.into()));
        fields.push(("port", plaintext.map_or(-1, |endpoint| endpoint.port).into()));
        // An empty host stands for the wildcard address, which Kafka keeps as null.
        let host = plaintext.map(|endpoint| endpoint.host.as_str()).filter(|host| !host.is_empty());
        fields.push(("host", host.map_or(Json::Null, Json::from)));
        fields.push(("version", self.version.into()));
        fields.push(("timestamp", timestamp_ms.to_string().into()));
        Json::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()).encode()
    }

    /// Reads versions 1 to 5, and later ones as far as they are alike, as Kafka does.
    ///
    /// # Errors
    /// What is wrong with the content.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let document = Document::parse(NODE, bytes)?;
        let object = document.object()?;
        let version = object.version(1..=i32::MAX)?;
        let endpoints = if version == 1 { vec![first_endpoint(&object)?] } else { endpoints(&object)? };
        Ok(Self {
            version,
            endpoints,
            jmx_port: object.require("jmx_port")?.int()?,
            rack: match object.get("rack") {
                Some(field) => field.text_or_null()?.map(str::to_owned),
                None => None,
            },
            features: features(&object)?,
        })
    }
}

fn features_json(features: &BTreeMap<String, VersionRange>) -> Json {
    let range = |range: &VersionRange| {
        Json::object([
            ("max_version", i32::from(range.max_version).into()),
            ("min_version", i32::from(range.min_version).into()),
        ])
    };
    Json::Object(features.iter().map(|(name, versions)| (name.clone(), range(versions))).collect())
}

fn protocols_json(endpoints: &[Endpoint]) -> Json {
    let mut protocols: Vec<(String, Json)> = Vec::new();
    for endpoint in endpoints {
        if !protocols.iter().any(|(listener, _)| *listener == endpoint.listener) {
            protocols.push((endpoint.listener.clone(), endpoint.security_protocol.name().into()));
        }
    }
    Json::Object(java_order::scala_immutable(protocols))
}

/// Version 1 had one host and port.
fn first_endpoint(object: &Object<'_>) -> Result<Endpoint, Error> {
    Ok(Endpoint {
        listener: SecurityProtocol::Plaintext.name().to_owned(),
        host: object.require("host")?.text()?.to_owned(),
        port: object.require("port")?.int()?,
        security_protocol: SecurityProtocol::Plaintext,
    })
}

fn endpoints(object: &Object<'_>) -> Result<Vec<Endpoint>, Error> {
    let mut protocols = BTreeMap::new();
    let map = object.get("listener_security_protocol_map").map(|field| field.object()).transpose()?;
    for (listener, field) in map.iter().flat_map(Object::iter) {
        let protocol: SecurityProtocol = field.text()?.parse().map_err(|why: String| field.invalid(why))?;
        protocols.insert(listener.to_owned(), protocol);
    }
    let protocol_of = |listener: &str, field: &Field<'_>| match &map {
        Some(_) => protocols
            .get(listener)
            .copied()
            .ok_or_else(|| field.invalid(format!("no security protocol given for listener {listener}"))),
        None => listener.parse().map_err(|why: String| field.invalid(why)),
    };
    object.require("endpoints")?.list_of(|field| {
        let text = field.text()?;
        let (listener, host, port) = split_endpoint(text)
            .ok_or_else(|| field.invalid(format!("cannot read '{text}' as LISTENER://host:port")))?;
        let security_protocol = protocol_of(&listener, field)?;
        Ok(Endpoint { listener, host, port, security_protocol })
    })
}

fn split_endpoint(text: &str) -> Option<(String, String, i32)> {
    let (listener, address) = text.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    Some((listener.to_uppercase(), host.to_owned(), port.parse().ok()?))
}

fn features(object: &Object<'_>) -> Result<BTreeMap<String, VersionRange>, Error> {
    let Some(field) = object.get("features") else { return Ok(BTreeMap::new()) };
    let mut features = BTreeMap::new();
    for (name, field) in field.object()?.iter() {
        let range = field.object()?;
        let short = |key: &str| {
            let field = range.require(key)?;
            i16::try_from(field.int()?).map_err(|_| field.invalid("not a 16-bit integer"))
        };
        let versions = VersionRange { min_version: short("min_version")?, max_version: short("max_version")? };
        features.insert(name.to_owned(), versions);
    }
    Ok(features)
}
