//! What an administrator sets up beside conversations: webhooks, roles, addresses, the service's configuration.

use kernel::Timestamp;
use sandbox_callbacks::Method;

use crate::change::Refusal;
use crate::model::{CONVERSATION_ROLE_SID, USER_ROLE_SID};
use crate::rest::form::Form;
use crate::webhooks::{ScopedWebhook, ServiceWebhooks, Target, Webhooks};

/// Webhooks that a conversation may have.
///
/// Inferred: the number, and the refusal.
const SCOPED_WEBHOOKS: usize = 5;

/// What users and participants may do. The sandbox shows roles; it does not act on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub sid: String,
    pub friendly_name: String,
    /// `conversation` or `service`.
    pub kind: String,
    pub permissions: Vec<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// The service's configuration. The sandbox shows it; it does not act on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceConfiguration {
    pub creator_role_sid: String,
    pub conversation_role_sid: String,
    pub service_role_sid: String,
    pub reachability_enabled: bool,
}

/// One of the call centre's own addresses, and what a customer's first message to it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub sid: String,
    /// `sms`, `whatsapp`, …
    pub kind: String,
    pub address: String,
    pub friendly_name: Option<String>,
    pub enabled: bool,
    /// `webhook`, `studio` or `default`.
    pub creation: String,
    pub service_sid: Option<String>,
    pub webhook_url: Option<String>,
    pub webhook_method: Method,
    pub webhook_filters: Vec<String>,
    pub studio_flow_sid: Option<String>,
    pub studio_retry_count: u32,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Admin {
    seed: u64,
    made: u64,
    pub started: Timestamp,
    pub service_name: String,
    pub configuration: ServiceConfiguration,
    pub webhooks: Webhooks,
    pub roles: Vec<Role>,
    pub addresses: Vec<Address>,
}

impl Admin {
    pub(crate) fn new(seed: u64, now: Timestamp) -> Self {
        let role = |sid: &str, name: &str, kind: &str, permissions: &[&str]| Role {
            sid: sid.to_owned(),
            friendly_name: name.to_owned(),
            kind: kind.to_owned(),
            permissions: permissions.iter().map(|&one| one.to_owned()).collect(),
            created: now,
            updated: now,
        };
        let may =
            ["sendMessage", "sendMediaMessage", "leaveConversation", "editOwnMessage", "deleteOwnMessage"];
        Self {
            seed,
            made: 0,
            started: now,
            service_name: "Flex Chat Service".to_owned(),
            configuration: ServiceConfiguration {
                creator_role_sid: CONVERSATION_ROLE_SID.to_owned(),
                conversation_role_sid: CONVERSATION_ROLE_SID.to_owned(),
                service_role_sid: USER_ROLE_SID.to_owned(),
                reachability_enabled: false,
            },
            webhooks: Webhooks::default(),
            roles: vec![
                role(CONVERSATION_ROLE_SID, "channel user", "conversation", &may),
                role(USER_ROLE_SID, "service user", "service", &["createConversation", "joinConversation"]),
            ],
            addresses: Vec::new(),
        }
    }

    fn sid(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{:016x}{:016x}", self.seed, self.made)
    }

    pub(crate) fn configure_service(&mut self, form: &Form) -> Result<(), Refusal> {
        let configuration = &mut self.configuration;
        for (name, field) in [
            ("DefaultConversationCreatorRoleSid", &mut configuration.creator_role_sid),
            ("DefaultConversationRoleSid", &mut configuration.conversation_role_sid),
            ("DefaultChatServiceRoleSid", &mut configuration.service_role_sid),
        ] {
            if let Some(sid) = form.owned(name) {
                *field = sid;
            }
        }
        if let Some(enabled) = form.flag("ReachabilityEnabled")? {
            configuration.reachability_enabled = enabled;
        }
        Ok(())
    }

    pub(crate) fn add_scoped(
        &mut self,
        conversation: &str,
        form: &Form,
        now: Timestamp,
    ) -> Result<ScopedWebhook, Refusal> {
        let target = match form.required("Target")? {
            "webhook" => Target::Webhook,
            "trigger" => Target::Trigger,
            "studio" => Target::Studio,
            _ => return Err(Refusal::invalid("Target is none that there is")),
        };
        if matches!(target, Target::Webhook | Target::Trigger) {
            form.required("Configuration.Url")?;
        }
        let mut webhook = ScopedWebhook {
            sid: self.sid("WH"),
            target,
            url: None,
            method: Method::default(),
            filters: Vec::new(),
            triggers: Vec::new(),
            flow_sid: None,
            replay_after: form.parsed("Configuration.ReplayAfter")?,
            created: now,
            updated: now,
        };
        configure_scoped(&mut webhook, form)?;
        let all = self.webhooks.scoped.entry(conversation.to_owned()).or_default();
        if all.len() >= SCOPED_WEBHOOKS {
            let message = format!("A conversation has at most {SCOPED_WEBHOOKS} webhooks");
            return Err(Refusal::new(400, 50361, message));
        }
        all.push(webhook.clone());
        Ok(webhook)
    }

    pub(crate) fn update_scoped(
        &mut self,
        conversation: &str,
        sid: &str,
        form: &Form,
        now: Timestamp,
    ) -> Result<ScopedWebhook, Refusal> {
        let all = self.webhooks.scoped.get_mut(conversation);
        let found = all.and_then(|all| all.iter_mut().find(|webhook| webhook.sid == sid));
        let webhook = found.ok_or_else(|| Refusal::missing("Webhook"))?;
        configure_scoped(webhook, form)?;
        webhook.updated = now;
        Ok(webhook.clone())
    }

    pub(crate) fn add_role(&mut self, form: &Form, now: Timestamp) -> Result<Role, Refusal> {
        let kind = form.required("Type")?;
        if !["conversation", "service"].contains(&kind) {
            return Err(Refusal::invalid("Type is none that there is"));
        }
        let role = Role {
            sid: self.sid("RL"),
            friendly_name: form.required("FriendlyName")?.to_owned(),
            kind: kind.to_owned(),
            permissions: form.list("Permission").unwrap_or_default(),
            created: now,
            updated: now,
        };
        self.roles.push(role.clone());
        Ok(role)
    }

    pub(crate) fn add_address(&mut self, form: &Form, now: Timestamp) -> Result<Address, Refusal> {
        let (kind, number) = (form.required("Type")?.to_owned(), form.required("Address")?.to_owned());
        if self.addresses.iter().any(|known| known.address == number) {
            // Inferred: status and code.
            return Err(Refusal::new(409, 50351, "There is a configuration of this address already"));
        }
        let mut address = Address {
            sid: self.sid("IG"),
            kind,
            address: number,
            friendly_name: None,
            enabled: false,
            creation: "default".to_owned(),
            service_sid: None,
            webhook_url: None,
            webhook_method: Method::default(),
            webhook_filters: Vec::new(),
            studio_flow_sid: None,
            studio_retry_count: 0,
            created: now,
            updated: now,
        };
        configure_address(&mut address, form)?;
        self.addresses.push(address.clone());
        Ok(address)
    }

    pub(crate) fn update_address(
        &mut self,
        name: &str,
        form: &Form,
        now: Timestamp,
    ) -> Result<Address, Refusal> {
        let mut found = self.addresses.iter_mut().filter(|one| one.sid == name || one.address == name);
        let address = found.next().ok_or_else(|| Refusal::missing("Address"))?;
        configure_address(address, form)?;
        address.updated = now;
        Ok(address.clone())
    }
}

/// Webhooks of a service or an account: what is not given stays, and an empty URL is none any more.
pub(crate) fn configure_webhooks(webhooks: &mut ServiceWebhooks, form: &Form) -> Result<(), Refusal> {
    let method = method(form, "Method")?;
    for (name, url) in [("PreWebhookUrl", &mut webhooks.pre_url), ("PostWebhookUrl", &mut webhooks.post_url)]
    {
        if let Some(given) = form.owned(name) {
            *url = Some(given).filter(|given| !given.is_empty());
        }
    }
    if let Some(filters) = form.list("Filters") {
        webhooks.filters = filters;
    }
    if let Some(method) = method {
        webhooks.method = method;
    }
    Ok(())
}

fn configure_scoped(webhook: &mut ScopedWebhook, form: &Form) -> Result<(), Refusal> {
    let method = method(form, "Configuration.Method")?;
    if let Some(url) = form.owned("Configuration.Url") {
        webhook.url = Some(url);
    }
    if let Some(method) = method {
        webhook.method = method;
    }
    if let Some(filters) = form.list("Configuration.Filters") {
        webhook.filters = filters;
    }
    if let Some(triggers) = form.list("Configuration.Triggers") {
        webhook.triggers = triggers;
    }
    if let Some(flow) = form.owned("Configuration.FlowSid") {
        webhook.flow_sid = Some(flow);
    }
    Ok(())
}

fn configure_address(address: &mut Address, form: &Form) -> Result<(), Refusal> {
    let creation = form.text("AutoCreation.Type").filter(|text| !text.is_empty());
    if creation.is_some_and(|kind| !["webhook", "studio", "default"].contains(&kind)) {
        return Err(Refusal::invalid("AutoCreation.Type is none that there is"));
    }
    let method = method(form, "AutoCreation.WebhookMethod")?;
    let enabled = form.flag("AutoCreation.Enabled")?;
    let retries = form.parsed("AutoCreation.StudioRetryCount")?;
    if let Some(creation) = creation {
        address.creation = creation.to_owned();
    }
    for (name, field) in [
        ("FriendlyName", &mut address.friendly_name),
        ("AutoCreation.ConversationServiceSid", &mut address.service_sid),
        ("AutoCreation.WebhookUrl", &mut address.webhook_url),
        ("AutoCreation.StudioFlowSid", &mut address.studio_flow_sid),
    ] {
        if let Some(given) = form.owned(name) {
            *field = Some(given).filter(|given| !given.is_empty());
        }
    }
    if let Some(filters) = form.list("AutoCreation.WebhookFilters") {
        address.webhook_filters = filters;
    }
    address.webhook_method = method.unwrap_or(address.webhook_method);
    address.enabled = enabled.unwrap_or(address.enabled);
    address.studio_retry_count = retries.unwrap_or(address.studio_retry_count);
    Ok(())
}

fn method(form: &Form, name: &str) -> Result<Option<Method>, Refusal> {
    match form.text(name).map(str::to_ascii_uppercase).as_deref() {
        None | Some("") => Ok(None),
        Some("GET") => Ok(Some(Method::Get)),
        Some("POST") => Ok(Some(Method::Post)),
        Some(_) => Err(Refusal::invalid(format!("{name} is neither GET nor POST"))),
    }
}

impl Admin {
    /// What a first message to this address of ours starts, if anything.
    pub(crate) fn auto_creation(&self, to: &str) -> Option<&Address> {
        self.addresses.iter().find(|one| one.enabled && one.address == to)
    }

    /// The webhook that an address gives to each conversation that it starts.
    pub(crate) fn attach(&mut self, conversation: &str, address: &Address, now: Timestamp) {
        let Some(url) = address.webhook_url.clone().filter(|_| address.creation == "webhook") else { return };
        let webhook = ScopedWebhook {
            sid: self.sid("WH"),
            target: Target::Webhook,
            url: Some(url),
            method: address.webhook_method,
            filters: address.webhook_filters.clone(),
            triggers: Vec::new(),
            flow_sid: None,
            replay_after: None,
            created: now,
            updated: now,
        };
        self.webhooks.scoped.entry(conversation.to_owned()).or_default().push(webhook);
    }
}
