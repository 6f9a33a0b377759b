//! One connection to one broker: requests go out as they come, answers are matched in order.
//! A task of its own reads the answers; it ends with the connection, and every waiting call with it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use wire::{ApiKey, ErrorCode, Request, StrBytes, frame};

use crate::error::Error;

/// Largest answer believed; a longer one is a broken or hostile peer. Fetches may be 55 MiB and more.
const ANSWER_BYTES_MAX: usize = 1 << 30;
/// An answer's buffer grows as bytes arrive, at least by this much.
const READ_STEP: usize = 1 << 20;

/// How to connect and how long to wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// What we call ourselves.
    pub client_id: String,
    /// Longest wait for the TCP connection.
    pub connect_timeout: Duration,
    /// Longest wait for an answer, counted from the call.
    pub request_timeout: Duration,
    /// The socket's buffer for what is sent, in bytes; the system's choice when `None`.
    pub send_buffer_bytes: Option<usize>,
    /// The socket's buffer for what is received.
    pub receive_buffer_bytes: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: "milena".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
        }
    }
}

struct Waiting {
    correlation_id: i32,
    answer: oneshot::Sender<Bytes>,
}

struct Shared {
    address: String,
    /// Calls that wait for their answers, in the order they were sent; `None` once the connection has ended.
    waiting: Mutex<Option<VecDeque<Waiting>>>,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Option<VecDeque<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets nobody wait any more: those who do learn of it, those who come are refused.
    fn end(&self) {
        *self.waiting() = None;
    }
}

/// An open connection. Calls may overlap; answers arrive in the order of the calls.
pub struct Connection {
    shared: Arc<Shared>,
    write: tokio::sync::Mutex<OwnedWriteHalf>,
    next_correlation_id: AtomicI32,
    client_id: StrBytes,
    request_timeout: Duration,
    versions: BTreeMap<i16, RangeInclusive<i16>>,
    reader: JoinHandle<()>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects and asks which versions the broker serves, as every client does.
    ///
    /// # Errors
    /// [`Error::Connect`], or what the question for versions gave.
    pub async fn negotiated(address: &str, options: &Options) -> Result<Self, Error> {
        let mut connection = Self::plain(address, options).await?;
        connection.versions = connection.ask_versions().await?;
        Ok(connection)
    }

    /// Connects without asking for versions: the caller knows them, as a controller does from the IBP.
    ///
    /// # Errors
    /// [`Error::Connect`].
    pub async fn plain(address: &str, options: &Options) -> Result<Self, Error> {
        let failed = |source| Error::Connect { address: address.to_owned(), source };
        let stream = tokio::time::timeout(options.connect_timeout, TcpStream::connect(address))
            .await
            .map_err(|_| failed(std::io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let socket = SockRef::from(&stream);
        options.send_buffer_bytes.map_or(Ok(()), |size| socket.set_send_buffer_size(size)).map_err(failed)?;
        options.receive_buffer_bytes.map_or(Ok(()), |size| socket.set_recv_buffer_size(size)).map_err(failed)?;
        let (read, write) = stream.into_split();
        let shared = Arc::new(Shared { address: address.to_owned(), waiting: Mutex::new(Some(VecDeque::new())) });
        let reader = tokio::spawn(read_answers(read, Arc::clone(&shared)));
        Ok(Self {
            shared,
            write: tokio::sync::Mutex::new(write),
            next_correlation_id: AtomicI32::new(0),
            client_id: wire::text(&options.client_id),
            request_timeout: options.request_timeout,
            versions: BTreeMap::new(),
            reader,
        })
    }

    /// `host:port` of the broker.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// Whether the connection has ended; further calls fail.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.waiting().is_none()
    }

    /// The versions of an API this broker said it serves; `None` if it does not, or was not asked.
    #[must_use]
    pub fn served(&self, api: ApiKey) -> Option<&RangeInclusive<i16>> {
        self.versions.get(&api.key())
    }

    /// Every API key the broker named, known here or not, with its versions.
    #[must_use]
    pub fn all_served(&self) -> &BTreeMap<i16, RangeInclusive<i16>> {
        &self.versions
    }

    /// The newest version of `R` both sides speak, not above `newest`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when there is none.
    pub fn version_of<R: Request>(&self, newest: i16) -> Result<i16, Error> {
        let api = api_of::<R>();
        let ours = *api.versions().start()..=newest.min(*api.versions().end());
        self.served(api)
            .and_then(|theirs| wire::versions::newest_common(&ours, theirs))
            .ok_or_else(|| Error::Unsupported { address: self.shared.address.clone(), api })
    }

    /// Asks in the newest version both sides speak.
    ///
    /// # Errors
    /// Any but [`Error::Broker`]: error codes inside the answer are the caller's to read.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Response, Error> {
        self.call_at(self.version_of::<R>(i16::MAX)?, request).await
    }

    /// Asks in a given version.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn call_at<R: Request>(&self, version: i16, request: &R) -> Result<R::Response, Error> {
        self.call_within(version, request, self.request_timeout).await
    }

    /// Asks in a given version and waits no longer than `timeout`.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn call_within<R: Request>(
        &self,
        version: i16,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Response, Error> {
        let frame = self.exchange(version, request, timeout).await?;
        let (_, response) = wire::decode_response_body::<R>(frame, version)
            .map_err(|source| Error::Decode { address: self.shared.address.clone(), source })?;
        Ok(response)
    }

    /// Sends without expecting an answer: Produce with acks=0.
    ///
    /// # Errors
    /// [`Error::Encode`] or [`Error::Disconnected`].
    pub async fn send_unanswered<R: Request>(&self, version: i16, request: &R) -> Result<(), Error> {
        let (_, bytes) = self.encode(version, request)?;
        let sent = tokio::time::timeout(self.request_timeout, self.write::<R>(&bytes, |_| {})).await;
        sent.unwrap_or_else(|_| Err(self.timed_out::<R>(self.request_timeout)))
    }

    /// Sends, and gives the bare frame that answers (without its size).
    async fn exchange<R: Request>(&self, version: i16, request: &R, timeout: Duration) -> Result<Bytes, Error> {
        let answered = tokio::time::timeout(timeout, async {
            let (correlation_id, bytes) = self.encode(version, request)?;
            let (answer, answered) = oneshot::channel();
            self.write::<R>(&bytes, |waiting| waiting.push_back(Waiting { correlation_id, answer })).await?;
            answered.await.map_err(|_| self.disconnected::<R>())
        })
        .await;
        match answered {
            Ok(answer) => answer,
            Err(_) => {
                // The broker is stuck or gone, and later calls would wait behind this one.
                self.close();
                Err(self.timed_out::<R>(timeout))
            }
        }
    }

    /// Writes a request; `queue` notes who waits for its answer, in the order of the bytes on the wire.
    async fn write<R: Request>(&self, bytes: &[u8], queue: impl FnOnce(&mut VecDeque<Waiting>)) -> Result<(), Error> {
        let mut write = self.write.lock().await;
        match &mut *self.shared.waiting() {
            Some(waiting) => queue(waiting),
            None => return Err(self.disconnected::<R>()),
        }
        // Whoever stops half-way, also by being dropped, leaves half a request on the wire: nothing can follow it.
        let unfinished = CloseOnDrop(self);
        let written = write.write_all(bytes).await;
        if written.is_err() {
            return Err(self.disconnected::<R>());
        }
        std::mem::forget(unfinished);
        Ok(())
    }

    fn encode<R: Request>(&self, version: i16, request: &R) -> Result<(i32, Bytes), Error> {
        let correlation_id = self.next_correlation_id.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        let bytes = wire::encode_request_body(version, correlation_id, Some(self.client_id.clone()), request)?;
        Ok((correlation_id, bytes))
    }

    fn timed_out<R: Request>(&self, after: Duration) -> Error {
        Error::TimedOut { address: self.shared.address.clone(), api: api_of::<R>(), after }
    }

    fn disconnected<R: Request>(&self) -> Error {
        Error::Disconnected { address: self.shared.address.clone(), api: api_of::<R>() }
    }

    /// Ends the connection; waiting calls fail with [`Error::Disconnected`].
    pub fn close(&self) {
        self.reader.abort();
        self.shared.end();
    }

    async fn ask_versions(&self) -> Result<BTreeMap<i16, RangeInclusive<i16>>, Error> {
        let newest = *ApiKey::ApiVersions.versions().end();
        let mut request = ApiVersionsRequest::default();
        request.client_software_name = wire::text("milena");
        request.client_software_version = wire::text(env!("CARGO_PKG_VERSION"));
        let frame = self.exchange(newest, &request, self.request_timeout).await?;
        // A broker that does not know our version says so in version 0, and which versions it has.
        let too_new = frame.get(4..6) == Some(&ErrorCode::UnsupportedVersion.code().to_be_bytes()[..]);
        let decode = |frame: Bytes, version| {
            wire::decode_response_body::<ApiVersionsRequest>(frame, version)
                .map_err(|source| Error::Decode { address: self.shared.address.clone(), source })
        };
        let mut response = decode(frame, if too_new { 0 } else { newest })?.1;
        if too_new {
            let theirs = ranges(&response);
            let unsupported = || Error::Unsupported { address: self.shared.address.clone(), api: ApiKey::ApiVersions };
            let range = theirs.get(&ApiKey::ApiVersions.key()).cloned().unwrap_or(0..=0);
            let ours = ApiKey::ApiVersions.versions();
            let version = wire::versions::newest_common(&ours, &range).ok_or_else(unsupported)?;
            if version < 3 {
                request = ApiVersionsRequest::default();
            }
            response = decode(self.exchange(version, &request, self.request_timeout).await?, version)?.1;
        }
        crate::error::check(response.error_code, None, || format!("{}: ApiVersions", self.shared.address))?;
        Ok(ranges(&response))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

struct CloseOnDrop<'a>(&'a Connection);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn ranges(response: &ApiVersionsResponse) -> BTreeMap<i16, RangeInclusive<i16>> {
    response.api_keys.iter().map(|row| (row.api_key, row.min_version..=row.max_version)).collect()
}

/// The API a request type belongs to. Every type of the codec's ZooKeeper-mode set has one.
fn api_of<R: Request>() -> ApiKey {
    ApiKey::from_key(R::KEY).expect("requests are made of the APIs in the table")
}

/// Answers come in the order of the requests; anything else ends the connection.
async fn read_answers(mut read: OwnedReadHalf, shared: Arc<Shared>) {
    while let Ok(frame) = read_frame(&mut read).await {
        let correlation_id = frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
        let Some(waiting) = shared.waiting().as_mut().and_then(VecDeque::pop_front) else {
            tracing::debug!("{}: an answer nobody asked for", shared.address);
            break;
        };
        if correlation_id != Some(waiting.correlation_id) {
            tracing::warn!(
                "{}: answer {correlation_id:?} where {} was due; connection closed",
                shared.address,
                waiting.correlation_id
            );
            break;
        }
        // A caller that gave up is not there to take it.
        let _gone = waiting.answer.send(frame);
    }
    shared.end();
}

async fn read_frame(read: &mut OwnedReadHalf) -> std::io::Result<Bytes> {
    let mut head = [0; 4];
    read.read_exact(&mut head).await?;
    let invalid = |error: frame::Error| std::io::Error::new(std::io::ErrorKind::InvalidData, error);
    let size = frame::size(&head, ANSWER_BYTES_MAX).map_err(invalid)?.unwrap_or(0);
    let mut frame = BytesMut::with_capacity(size.min(READ_STEP));
    while frame.len() < size {
        frame.reserve((size - frame.len()).min(READ_STEP));
        let mut rest = (&mut *read).take(u64::try_from(size - frame.len()).unwrap_or(u64::MAX));
        if rest.read_buf(&mut frame).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(frame.freeze())
}

#[cfg(test)]
mod tests;
