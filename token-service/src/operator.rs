//! `token-service revoke`, `restore` and `revocations`: what an operator says to a running service, on its own port.

use std::{net::SocketAddr, time::Duration};

use kernel::Secret;

use crate::revocations::{Order, REVOCATIONS_PATH};

/// The longest that the service may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// Shut somebody out.
    Revoke(Order),
    /// Let them in again.
    Restore(Order),
    /// List who is shut out.
    List,
}

/// What is said, and to whom.
#[derive(Clone, Debug)]
pub struct Call {
    /// The service's port for the operator.
    pub admin_address: SocketAddr,
    /// By which the service knows its operator.
    pub token: Secret,
    pub say: Say,
}

impl Call {
    /// Says it. Returns the service's answer, one JSON object.
    ///
    /// # Errors
    /// When the service cannot be reached, or says no: the status and its words.
    pub async fn make(&self) -> anyhow::Result<String> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let url = format!("http://{}{REVOCATIONS_PATH}", self.admin_address);
        let request = match &self.say {
            Say::Revoke(order) => client.post(url).json(order),
            Say::Restore(order) => client.delete(url).json(order),
            Say::List => client.get(url),
        };
        let response = request.bearer_auth(self.token.expose()).send().await?;
        let (status, text) = (response.status(), response.text().await?);
        anyhow::ensure!(
            status != reqwest::StatusCode::NOT_FOUND,
            "the service at {} has no operator's token configured (TOKEN_SERVICE_OPERATOR_TOKEN)",
            self.admin_address
        );
        anyhow::ensure!(status.is_success(), "{}: {}", status.as_u16(), text.trim());
        Ok(text)
    }
}
