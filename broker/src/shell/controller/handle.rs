//! What the rest of the broker sees of the controller's shell: questions to ask, and news to tell it.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use coordinator::controller::Event;
use coordinator::controller::effect::Answer;
use coordinator::controller::event::Request;
use tokio::sync::{mpsc, oneshot, watch};

/// What the shell is told.
pub(super) enum Command {
    Registered { session: u64, dead_sessions: Vec<i64> },
    SessionLost,
    Ask(Request, oneshot::Sender<Answer>),
    Feed(Event),
    Stop,
}

/// The shell was stopped, so there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the controller was stopped")]
pub struct Stopped;

/// The way to the controller's shell.
pub struct Handle {
    commands: mpsc::Sender<Command>,
    active: watch::Receiver<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    pub(super) const fn new(
        commands: mpsc::Sender<Command>,
        active: watch::Receiver<bool>,
        thread: JoinHandle<()>,
    ) -> Self {
        Self { commands, active, thread: Mutex::new(Some(thread)) }
    }

    /// Whether this broker is the controller.
    #[must_use]
    pub fn is_active(&self) -> bool {
        *self.active.borrow()
    }

    /// Asks the decider; answered with `NotController` while this broker is not the controller.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn ask(&self, request: Request) -> Result<Answer, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Ask(request, answer)).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }

    /// This broker is registered in this session: it may be elected. `/controller` of a dead session is our own leftover.
    pub async fn registered(&self, session: u64, dead_sessions: Vec<i64>) {
        let _stopped = self.commands.send(Command::Registered { session, dead_sessions }).await;
    }

    /// The session has expired: this broker is no longer the controller, nor in the cluster.
    pub async fn session_lost(&self) {
        let _stopped = self.commands.send(Command::SessionLost).await;
    }

    /// Tells the decider that configuration changed.
    pub async fn tell(&self, event: Event) {
        let _stopped = self.commands.send(Command::Feed(event)).await;
    }

    /// Leaves office, if held, and ends the shell. `/controller` goes with the session.
    pub async fn stop(&self) {
        let _stopped = self.commands.send(Command::Stop).await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the controller's thread ended badly");
            }
        }
    }
}
