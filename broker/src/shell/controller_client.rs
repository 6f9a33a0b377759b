//! The way from this broker to the controller's: one connection, to whoever is the controller now.
//! Knows no request. Source: `NodeToControllerChannelManager`, `MetadataCacheControllerNodeProvider`.

use std::sync::Arc;

use client::connection::Options;
use client::{Connection, Error};
use tokio::sync::Mutex;
use wire::Request;
use zk_schema::BrokerId;

use crate::metadata;

/// Calls the controller.
pub struct ControllerClient {
    metadata: Arc<metadata::Cache>,
    listener: String,
    options: Options,
    connection: Mutex<Option<(BrokerId, Arc<Connection>)>>,
}

impl ControllerClient {
    /// A client that finds the controller by what this cache knows, on the listener brokers use among themselves.
    #[must_use]
    pub fn new(metadata: Arc<metadata::Cache>, listener: String, options: Options) -> Self {
        Self { metadata, listener, options, connection: Mutex::new(None) }
    }

    /// Asks the controller in the newest version both sides speak, `newest` at most.
    ///
    /// # Errors
    /// If no controller is known, or the call fails; the next call looks for the controller anew.
    pub async fn call<R: Request>(&self, request: &R, newest: i16) -> Result<R::Response, Error> {
        let connection = self.connect().await?;
        let answered = match connection.version_of::<R>(newest) {
            Ok(version) => connection.call_at(version, request).await,
            Err(error) => Err(error),
        };
        if answered.is_err() {
            self.forget().await;
        }
        answered
    }

    /// The version a call would be made in.
    ///
    /// # Errors
    /// As [`ControllerClient::call`].
    pub async fn version_of<R: Request>(&self, newest: i16) -> Result<i16, Error> {
        self.connect().await?.version_of::<R>(newest)
    }

    /// Looks for the controller anew: the one asked said that it is not.
    pub async fn forget(&self) {
        *self.connection.lock().await = None;
    }

    async fn connect(&self) -> Result<Arc<Connection>, Error> {
        let snapshot = self.metadata.snapshot();
        let controller = snapshot.controller_id.ok_or(Error::UnknownBroker(BrokerId::NONE.0))?;
        let mut held = self.connection.lock().await;
        if let Some((id, connection)) = &*held
            && *id == controller
            && !connection.is_closed()
        {
            return Ok(Arc::clone(connection));
        }
        let endpoint = snapshot.endpoint(controller, &self.listener).ok_or(Error::UnknownBroker(controller.0))?;
        let address = if endpoint.host.contains(':') {
            format!("[{}]:{}", endpoint.host, endpoint.port)
        } else {
            format!("{}:{}", endpoint.host, endpoint.port)
        };
        let connection = Arc::new(Connection::negotiated(&address, &self.options).await?);
        *held = Some((controller, Arc::clone(&connection)));
        Ok(connection)
    }
}
