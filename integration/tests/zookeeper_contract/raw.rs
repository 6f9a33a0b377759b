//! A connection that says exactly the bytes it is told: for what no client library can express.
//! Knows ZooKeeper's framing and nothing of what requests mean.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Long enough for a busy machine; a server that answers at all answers well before.
const PATIENCE: Duration = Duration::from_secs(20);

/// One packet from the server.
#[derive(Debug, PartialEq, Eq)]
pub struct Packet {
    pub xid: i32,
    pub error: i32,
    pub body: Vec<u8>,
}

/// A session, as the server answered the first packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub timeout_ms: i32,
    pub id: i64,
    pub password: Vec<u8>,
}

impl Session {
    /// What a client without a session shows.
    pub fn none() -> Session {
        Session { timeout_ms: 10_000, id: 0, password: vec![0; 16] }
    }
}

/// A connection.
pub struct Raw {
    stream: TcpStream,
}

/// Builds request bodies.
#[derive(Default)]
pub struct Body(Vec<u8>);

impl Body {
    pub fn int(mut self, value: i32) -> Body {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn long(mut self, value: i64) -> Body {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn bool(mut self, value: bool) -> Body {
        self.0.push(u8::from(value));
        self
    }

    pub fn str(self, value: &str) -> Body {
        self.bytes(value.as_bytes())
    }

    pub fn bytes(self, value: &[u8]) -> Body {
        let mut body = self.int(i32::try_from(value.len()).unwrap());
        body.0.extend(value);
        body
    }

    /// The ACL that lets anybody do anything.
    pub fn open_acl(self) -> Body {
        self.int(1).int(31).str("world").str("anyone")
    }

    pub fn strs(self, values: &[&str]) -> Body {
        values.iter().fold(self.int(i32::try_from(values.len()).unwrap()), |body, value| body.str(value))
    }
}

impl Raw {
    /// A connection that has said nothing yet.
    pub fn open(address: &str) -> Raw {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Raw { stream }
    }

    /// A connection with a session of its own.
    pub fn connect(address: &str) -> (Raw, Session) {
        Raw::attach(address, &Session::none(), 0).unwrap()
    }

    /// A connection to a session that was there before.
    pub fn attach(address: &str, session: &Session, last_zxid: i64) -> io::Result<(Raw, Session)> {
        let mut raw = Raw::open(address);
        let body = Body::default().int(0).long(last_zxid).int(session.timeout_ms).long(session.id);
        raw.send_frame(&body.bytes(&session.password).bool(false).0);
        let answer = raw.read_frame()?;
        let field = |range: std::ops::Range<usize>| answer[range].to_vec();
        let session = Session {
            timeout_ms: i32::from_be_bytes(field(4..8).try_into().unwrap()),
            id: i64::from_be_bytes(field(8..16).try_into().unwrap()),
            password: field(20..answer.len().min(36)),
        };
        Ok((raw, session))
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a frame.
    pub fn send_frame(&mut self, frame: &[u8]) {
        let mut bytes = i32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(frame);
        self.send(&bytes);
    }

    /// Sends a request.
    pub fn request(&mut self, xid: i32, op: i32, body: Body) {
        let mut frame = Body::default().int(xid).int(op).0;
        frame.extend(body.0);
        self.send_frame(&frame);
    }

    /// Reads the next packet.
    pub fn packet(&mut self) -> io::Result<Packet> {
        let frame = self.read_frame()?;
        Ok(Packet {
            xid: i32::from_be_bytes(frame[..4].try_into().unwrap()),
            error: i32::from_be_bytes(frame[12..16].try_into().unwrap()),
            body: frame[16..].to_vec(),
        })
    }

    /// Sends a request and reads the next packet.
    pub fn ask(&mut self, xid: i32, op: i32, body: Body) -> Packet {
        self.request(xid, op, body);
        self.packet().unwrap()
    }

    /// Whether the server has hung up.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Reads until the server hangs up.
    pub fn rest(&mut self) -> String {
        let mut text = Vec::new();
        self.stream.read_to_end(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn read_frame(&mut self) -> io::Result<Vec<u8>> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(len)).unwrap()];
        self.stream.read_exact(&mut frame)?;
        Ok(frame)
    }
}
