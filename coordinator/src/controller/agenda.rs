//! What the controller is in the middle of: a list of steps still to be done, in order, some of which wait for ZooKeeper.
//! A step that adds steps has them done before those that already waited: a procedure reads from top to bottom, whatever
//! waits in between. Events queue up until the list is empty, so each is handled as if it were alone.
//! Source: the single controller thread of Kafka 3.9, `ControllerEventManager`.

use std::fmt;

use super::active::Active;
use super::effect::{Guard, ZkRead, ZkWrite};
use super::event::{ZkError, ZkFound};
use zk_schema::ZkVersion;

/// What a read brought, one entry per read.
pub(super) type Found = Vec<Result<ZkFound, ZkError>>;
/// What became of writes, one entry per write: the new version of the node.
pub(super) type Written = Vec<Result<ZkVersion, ZkError>>;

pub(super) type Run = Box<dyn FnOnce(&mut Active) + Send>;
pub(super) type OnFound = Box<dyn FnOnce(&mut Active, Found) + Send>;
pub(super) type OnWritten = Box<dyn FnOnce(&mut Active, Written) + Send>;

/// One thing to do.
pub(super) enum Step {
    /// Do it now.
    Run(Run),
    /// Read, then do it with what was found.
    Read(Vec<ZkRead>, OnFound),
    /// Write, then do it with what became of the writes.
    Write(Guard, Vec<ZkWrite>, OnWritten),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(_) => f.write_str("Run"),
            Self::Read(reads, _) => f.debug_tuple("Read").field(reads).finish(),
            Self::Write(guard, writes, _) => f.debug_tuple("Write").field(guard).field(writes).finish(),
        }
    }
}

/// What waits for ZooKeeper's answer.
pub(super) enum Continuation {
    Found(OnFound),
    Written(OnWritten),
}

impl fmt::Debug for Continuation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Found(_) => "Found",
            Self::Written(_) => "Written",
        })
    }
}

/// Steps still to be done.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// The next one last.
    steps: Vec<Step>,
    /// Added by the step that runs now, in order.
    added: Vec<Step>,
}

impl Agenda {
    pub(super) fn add(&mut self, step: Step) {
        self.added.push(step);
    }

    /// The next step, those just added first.
    pub(super) fn next(&mut self) -> Option<Step> {
        self.steps.extend(self.added.drain(..).rev());
        self.steps.pop()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.added.is_empty()
    }
}
