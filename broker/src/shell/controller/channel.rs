//! The way to one broker: orders leave in the order given, one at a time, and are tried again until the broker takes
//! them or is no longer connected to. Source: contract 2.12 "Transport"; `ControllerChannelManager.RequestSendThread`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use client::connection::Options;
use client::{Connection, Error};
use coordinator::controller::effect::{LeaderAndIsr, LiveBroker, MetadataBody, StopReplica};
use coordinator::controller::event::{Event, OrderAnswer};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;
use wire::messages::StopReplicaRequest;
use zk_schema::{BrokerEpoch, BrokerId};

use super::orders::{self, Versions};

/// Pause before an order is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How orders reach brokers.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub controller: BrokerId,
    pub versions: Versions,
    /// Listener named in LeaderAndIsr as where leaders are found.
    pub inter_broker_listener: String,
    /// Listeners to connect to, the first that a broker has.
    pub listeners: Vec<String>,
    pub options: Options,
}

/// Something to be sent to one broker.
#[derive(Debug)]
pub(super) enum Order {
    LeaderAndIsr(LeaderAndIsr),
    UpdateMetadata { broker_epoch: BrokerEpoch, body: Arc<MetadataBody> },
    StopReplica(StopReplica),
}

/// The channel to one broker. Dropping it drops the orders that wait.
///
/// The queue has no bound: an order must not be lost while its broker is registered, and a broker that takes none for
/// long loses its registration.
pub(super) struct Channel {
    orders: mpsc::UnboundedSender<Order>,
    broker: watch::Sender<Arc<LiveBroker>>,
    _task: AbortOnDropHandle<()>,
}

impl Channel {
    pub(super) fn open(broker: Arc<LiveBroker>, route: Arc<Route>, answers: mpsc::Sender<Event>) -> Self {
        let (orders, queue) = mpsc::unbounded_channel();
        let (broker, watched) = watch::channel(broker);
        let sender = Sender { broker: watched, route, answers, connection: None };
        Self { orders, broker, _task: AbortOnDropHandle::new(tokio::spawn(sender.run(queue))) }
    }

    /// Whether this is the channel to that registration.
    pub(super) fn leads_to(&self, broker: &LiveBroker) -> bool {
        self.broker.borrow().epoch == broker.epoch
    }

    /// The broker changed its addresses: they are used from the next connection on. Orders that wait go on waiting.
    pub(super) fn readdress(&self, broker: Arc<LiveBroker>) {
        self.broker.send_replace(broker);
    }

    pub(super) fn send(&self, order: Order) {
        // The task ends only with the channel.
        let _ended = self.orders.send(order);
    }
}

/// The task behind one channel.
struct Sender {
    broker: watch::Receiver<Arc<LiveBroker>>,
    route: Arc<Route>,
    answers: mpsc::Sender<Event>,
    connection: Option<Connection>,
}

impl Sender {
    async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Order>) {
        while let Some(order) = queue.recv().await {
            let broker = self.broker.borrow().id;
            let (broker_epoch, answers) = match order {
                Order::LeaderAndIsr(order) => (order.broker_epoch, vec![self.lead_or_follow(&order).await]),
                Order::UpdateMetadata { broker_epoch, body } => {
                    (broker_epoch, vec![self.update_metadata(broker_epoch, &body).await])
                }
                Order::StopReplica(order) => (order.broker_epoch, self.stop_replicas(&order).await),
            };
            for answer in answers {
                let event = Event::OrderAnswered { broker, broker_epoch, answer };
                if self.answers.send(event).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn lead_or_follow(&mut self, order: &LeaderAndIsr) -> OrderAnswer {
        let version = self.route.versions.leader_and_isr;
        let listener = self.route.inter_broker_listener.clone();
        let request = orders::leader_and_isr(self.route.controller, order, version, &listener);
        let response = self.until_answered(version, &request).await;
        orders::leader_and_isr_answer(order, &response)
    }

    async fn update_metadata(&mut self, broker_epoch: BrokerEpoch, body: &MetadataBody) -> OrderAnswer {
        let version = self.route.versions.update_metadata;
        let request = orders::update_metadata(self.route.controller, broker_epoch, body, version);
        let response = self.until_answered(version, &request).await;
        orders::update_metadata_answer(&response)
    }

    async fn stop_replicas(&mut self, order: &StopReplica) -> Vec<OrderAnswer> {
        let version = self.route.versions.stop_replica;
        let mut requests: VecDeque<(StopReplica, StopReplicaRequest)> =
            orders::stop_replica(self.route.controller, order, version).into();
        let mut answers = Vec::with_capacity(requests.len());
        while let Some((part, request)) = requests.pop_front() {
            let response = self.until_answered(version, &request).await;
            answers.push(orders::stop_replica_answer(&part, &response));
        }
        answers
    }

    /// Sends until there is an answer; only dropping the channel ends it otherwise.
    async fn until_answered<R: wire::Request>(&mut self, version: i16, request: &R) -> R::Response {
        let mut told = false;
        loop {
            match self.try_once(version, request).await {
                Ok(response) => return response,
                Err(error) => {
                    self.connection = None;
                    let broker = self.broker.borrow().id;
                    if std::mem::replace(&mut told, true) {
                        tracing::debug!("order to broker {broker} not delivered: {error}");
                    } else {
                        tracing::warn!("order to broker {broker} not delivered, trying again: {error}");
                    }
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    async fn try_once<R: wire::Request>(&mut self, version: i16, request: &R) -> Result<R::Response, Error> {
        if self.connection.as_ref().is_none_or(Connection::is_closed) {
            self.connection = Some(Connection::plain(&self.address()?, &self.route.options).await?);
        }
        match &self.connection {
            Some(connection) => connection.call_at(version, request).await,
            None => Err(Error::UnknownBroker(self.broker.borrow().id.0)),
        }
    }

    fn address(&self) -> Result<String, Error> {
        let broker = self.broker.borrow();
        let endpoints = &broker.endpoints;
        let wanted = self.route.listeners.iter();
        let endpoint = wanted
            .filter_map(|listener| endpoints.iter().find(|endpoint| endpoint.listener == *listener))
            .next()
            .ok_or_else(|| Error::BadAddress(format!("broker {} has no inter-broker listener", broker.id)))?;
        Ok(if endpoint.host.contains(':') {
            format!("[{}]:{}", endpoint.host, endpoint.port)
        } else {
            format!("{}:{}", endpoint.host, endpoint.port)
        })
    }
}
