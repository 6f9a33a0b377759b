//! One connection: reads frames, starts requests in order, sends replies in order.
//! A single task, written as one poll function: nothing is handed between threads for a request that needs no waiting.
//!
//! While replies cannot be sent, nothing is read; while a request that runs alone waits, nothing is started. A
//! request once started runs to its end, also when the peer is gone.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use wire::frame;

use super::input::Input;
use super::memory_pool::{MemoryPool, Permit};
use super::registry::{Handle, Registry};
use super::send::Output;
use super::{ConnectionContext, Handling, Reply, ReplyBody, ReplyFuture, RequestHandler};

/// Requests of one connection that may wait at once.
const WAITING_MAX: usize = 64;
/// Bytes of requests of one connection that may wait at once.
const WAITING_BYTES_MAX: usize = 32 << 20;
/// Replies held in memory before they are sent, and so before further requests start.
const OUTPUT_MAX: usize = 256 << 10;

/// What a connection works with.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub handler: &'a dyn RequestHandler,
    pub context: &'a ConnectionContext,
    pub handle: &'a Handle,
    pub registry: &'a Registry,
    pub pool: &'a MemoryPool,
    pub frame_size_max: usize,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the peer closed it")]
    PeerClosed,
    #[error("the peer closed it amid a frame")]
    PeerClosedAmidFrame,
    #[error("it was told to close")]
    Told,
    #[error("{0}")]
    Handler(String),
    #[error("{0}")]
    Frame(#[from] frame::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

pub(super) struct Connection<'a> {
    around: Surroundings<'a>,
    stream: TcpStream,
    input: Input,
    output: Output,
    waiting: VecDeque<Slot<'a>>,
    waiting_bytes: usize,
    mute: Option<Pin<Box<Sleep>>>,
    permit: Option<Permit>,
    permit_coming: Option<Pin<Box<dyn Future<Output = Permit> + Send + 'a>>>,
    ending: Option<End>,
}

/// A request that was started, in the order its reply leaves.
struct Slot<'a> {
    state: SlotState<'a>,
    frame_len: usize,
    alone: bool,
    _permit: Option<Permit>,
}

enum SlotState<'a> {
    Waiting(ReplyFuture<'a>),
    Done(Reply),
}

impl<'a> Connection<'a> {
    pub fn new(stream: TcpStream, around: Surroundings<'a>) -> Self {
        Self {
            stream,
            input: Input::new(around.frame_size_max),
            around,
            output: Output::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            mute: None,
            permit: None,
            permit_coming: None,
            ending: None,
        }
    }

    /// Serves until the connection ends; then the socket is closed. What is left are requests still being handled.
    pub async fn serve(mut self) -> (End, Unfinished<'a>) {
        let end = poll_fn(|cx| self.poll(cx)).await;
        (end, Unfinished(self.waiting))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if self.around.handle.poll_closing(cx) {
            return Poll::Ready(End::Told);
        }
        let polled = self.poll_steps(cx);
        if polled.is_pending() {
            self.around.handle.note(self.around.registry.now_ms(), !self.waiting.is_empty());
        }
        polled.map(|result| result.unwrap_or_else(|end| end))
    }

    fn poll_steps(&mut self, cx: &mut Context<'_>) -> Poll<Result<End, End>> {
        loop {
            self.collect_replies(cx);
            ready!(self.output.poll_send(&mut self.stream, cx)).map_err(End::Io)?;
            if let Some(end) = self.ending.take() {
                return Poll::Ready(Ok(end));
            }
            if self.is_muted(cx) {
                return Poll::Pending;
            }
            if self.start_requests(cx)? {
                continue;
            }
            if !self.may_start() || self.permit_coming.is_some() {
                return Poll::Pending;
            }
            ready!(self.poll_read(cx))?;
        }
    }

    /// Polls what waits and moves finished replies from the front to the output.
    fn collect_replies(&mut self, cx: &mut Context<'_>) {
        for slot in &mut self.waiting {
            if let SlotState::Waiting(reply) = &mut slot.state
                && let Poll::Ready(reply) = reply.as_mut().poll(cx)
            {
                slot.state = SlotState::Done(reply);
            }
        }
        while self.ending.is_none() && matches!(self.waiting.front(), Some(Slot { state: SlotState::Done(_), .. })) {
            if let Some(Slot { state: SlotState::Done(reply), frame_len, .. }) = self.waiting.pop_front() {
                self.waiting_bytes -= frame_len;
                self.reply(reply);
            }
        }
    }

    fn reply(&mut self, reply: Reply) {
        match reply.body {
            ReplyBody::Frame(frame) => self.output.push_frame(frame),
            ReplyBody::Rope(rope) => self.output.push_rope(rope),
            ReplyBody::Nothing => {}
            ReplyBody::Close(reason) => self.ending = Some(End::Handler(reason)),
        }
        if !reply.mute_for.is_zero() {
            self.mute = Some(Box::pin(sleep_until(Instant::now() + reply.mute_for)));
        }
    }

    fn is_muted(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(mute) = &mut self.mute {
            if mute.as_mut().poll(cx).is_pending() {
                return true;
            }
            self.mute = None;
        }
        false
    }

    /// Starts requests whose frames are here. Whether anything came of it that the next round has to look at.
    fn start_requests(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        let mut started = false;
        while self.may_start() && self.ending.is_none() && self.mute.is_none() && self.output.memory() < OUTPUT_MAX {
            if !self.has_memory(cx) {
                break;
            }
            let Some(frame) = self.input.next_frame()? else { break };
            started = true;
            let frame_len = frame.len();
            let permit = self.permit.take();
            let around = self.around;
            let (mut reply, alone) = match around.handler.handle(around.context, frame) {
                Handling::Done(reply) if self.waiting.is_empty() => {
                    self.reply(reply);
                    continue;
                }
                Handling::Done(reply) => {
                    self.queue(SlotState::Done(reply), frame_len, false, permit);
                    continue;
                }
                Handling::Alone(reply) => (reply, true),
                Handling::Overlapping(reply) => (reply, false),
            };
            // Polled at once: what has to happen in order happens before the next request starts.
            let state = match reply.as_mut().poll(cx) {
                Poll::Ready(reply) if self.waiting.is_empty() => {
                    self.reply(reply);
                    continue;
                }
                Poll::Ready(reply) => SlotState::Done(reply),
                Poll::Pending => SlotState::Waiting(reply),
            };
            self.queue(state, frame_len, alone, permit);
        }
        Ok(started)
    }

    fn queue(&mut self, state: SlotState<'a>, frame_len: usize, alone: bool, permit: Option<Permit>) {
        self.waiting_bytes += frame_len;
        self.waiting.push_back(Slot { state, frame_len, alone, _permit: permit });
    }

    fn may_start(&self) -> bool {
        match self.waiting.back() {
            None => true,
            Some(last) => {
                let is_waiting_alone = last.alone && matches!(last.state, SlotState::Waiting(_));
                !is_waiting_alone && self.waiting.len() < WAITING_MAX && self.waiting_bytes < WAITING_BYTES_MAX
            }
        }
    }

    /// Whether memory has been granted for the frame at the front. If not, the task is woken once it is.
    fn has_memory(&mut self, cx: &mut Context<'_>) -> bool {
        if self.permit.is_some() {
            return true;
        }
        let Some(announced) = self.input.announced() else { return true };
        if self.permit_coming.is_none() {
            self.permit = self.around.pool.try_take(announced);
            if self.permit.is_some() {
                return true;
            }
            self.permit_coming = Some(Box::pin(self.around.pool.take(announced)));
        }
        match self.permit_coming.as_mut().map(|coming| coming.as_mut().poll(cx)) {
            Some(Poll::Ready(permit)) => {
                self.permit = Some(permit);
                self.permit_coming = None;
                true
            }
            _ => false,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let Self { stream, input, .. } = self;
        let received = match pin!(stream.read_buf(input.with_room())).poll(cx) {
            Poll::Ready(received) => received.map_err(End::Io)?,
            Poll::Pending => {
                input.rest();
                return Poll::Pending;
            }
        };
        input.received(received);
        match received {
            0 if input.is_amid_frame() => Poll::Ready(Err(End::PeerClosedAmidFrame)),
            0 => Poll::Ready(Err(End::PeerClosed)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

/// Requests that were being handled when their connection ended.
pub(super) struct Unfinished<'a>(VecDeque<Slot<'a>>);

impl Unfinished<'_> {
    /// Lets them run to their end; their replies go nowhere.
    pub async fn finish(self) {
        for slot in self.0 {
            if let SlotState::Waiting(reply) = slot.state {
                reply.await;
            }
        }
    }
}
