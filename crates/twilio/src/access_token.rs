//! Access tokens: the JWT by which a Voice client says who it is.
//!
//! Minting writes the JWT by hand, in the order in which Twilio's own libraries write it, so that a token can be
//! compared with theirs byte by byte (`tests/golden.rs`). Verifying is done by the `jsonwebtoken` crate, so the two
//! directions check each other.
//!
//! Format: <https://www.twilio.com/docs/iam/access-tokens>; claim order as in twilio-node 3.84, 5.8 and 6.2.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use kernel::{AccountSid, Identity, Secret, Timestamp};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};

use crate::{ApiKey, ApiKeySid, ApplicationSid, WorkerSid, hex};

/// The longest life of a token, in seconds: a day less one second.
///
/// Twilio documents "at most 24 hours"; its page on error 31207 (expiration too long) advises to stay one second
/// below. <https://www.twilio.com/docs/api/errors/31207>
pub const MAX_TTL_SECONDS: u64 = 86_399;

/// The life of a token when none is said, in seconds; the same as in Twilio's libraries.
pub const DEFAULT_TTL_SECONDS: u64 = 3_600;

/// The region of accounts that have chosen none. Tokens for it do not name it.
pub const DEFAULT_REGION: &str = "us1";

/// A Voice token and its claims find room in this many bytes; others make more.
const ROOM: usize = 640;

/// The content type that marks a JWT as a Twilio access token.
const CONTENT_TYPE: &str = "twilio-fpa;v=1";

/// What the token's holder may do with Voice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoiceGrant {
    /// May register and be called.
    pub incoming: bool,
    /// May place calls through this TwiML application.
    pub outgoing: Option<OutgoingGrant>,
    /// May have calls announced by push notifications of this credential (CR…).
    pub push_credential_sid: Option<String>,
    /// Tells one device of an identity from another.
    pub endpoint_id: Option<String>,
}

/// The right to place calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingGrant {
    /// The application that decides what becomes of the call.
    pub application_sid: ApplicationSid,
    /// What the application is told with each call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<BTreeMap<String, String>>,
}

impl VoiceGrant {
    /// May be called, may not call: what a second voice client of an agent needs, and no more.
    #[must_use]
    pub const fn incoming_only() -> Self {
        Self { incoming: true, outgoing: None, push_credential_sid: None, endpoint_id: None }
    }
}

#[derive(Deserialize)]
struct VoiceGrantJson {
    incoming: Option<Allow>,
    outgoing: Option<OutgoingGrant>,
    push_credential_sid: Option<String>,
    endpoint_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Allow {
    allow: bool,
}

impl Serialize for VoiceGrant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.incoming {
            map.serialize_entry("incoming", &Allow { allow: true })?;
        }
        if let Some(outgoing) = &self.outgoing {
            map.serialize_entry("outgoing", outgoing)?;
        }
        if let Some(sid) = &self.push_credential_sid {
            map.serialize_entry("push_credential_sid", sid)?;
        }
        if let Some(id) = &self.endpoint_id {
            map.serialize_entry("endpoint_id", id)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for VoiceGrant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = VoiceGrantJson::deserialize(deserializer)?;
        Ok(Self {
            incoming: json.incoming.is_some_and(|i| i.allow),
            outgoing: json.outgoing,
            push_credential_sid: json.push_credential_sid,
            endpoint_id: json.endpoint_id,
        })
    }
}

/// What the token's holder may do with Video.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoGrant {
    /// The one room, by name or SID; `None` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
}

impl VideoGrant {
    /// This room and no other. A grant without a room would be one for every room of the account.
    #[must_use]
    pub fn room(room: impl Into<String>) -> Self {
        Self { room: Some(room.into()) }
    }
}

/// What the token's holder may do with Conversations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatGrant {
    /// The service (IS…).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_sid: Option<String>,
    /// Tells one device of an identity from another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<String>,
    /// The role (RL…) that the identity has in the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_role_sid: Option<String>,
    /// For push notifications (CR…).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_credential_sid: Option<String>,
}

/// What the token's holder may do with Sync.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncGrant {
    /// The service (IS…).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_sid: Option<String>,
    /// Tells one device of an identity from another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<String>,
}

/// What the token's holder may do with TaskRouter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRouterGrant {
    /// The workspace (WS…).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_sid: Option<String>,
    /// The worker as whom the holder acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_sid: Option<WorkerSid>,
    /// `worker`, as a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// Lets the token's holder play a media stream: what Twilio's API gave for it, in its own spelling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaybackGrant {
    /// Always there, and empty as a rule.
    pub request_credentials: Option<String>,
    /// Where the stream is.
    pub playback_url: String,
    /// The stream (VJ…).
    pub player_streamer_sid: String,
}

/// Who the token is for and what it permits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// The client identity that the holder speaks as.
    pub identity: Identity,
    /// The Voice grant; `None` when the token is of no use to a Voice client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<VoiceGrant>,
    /// Video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoGrant>,
    /// Conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<ChatGrant>,
    /// Sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_sync: Option<SyncGrant>,
    /// TaskRouter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_router: Option<TaskRouterGrant>,
    /// Live media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlaybackGrant>,
}

impl Grants {
    /// Nothing but a name.
    #[must_use]
    pub const fn none(identity: Identity) -> Self {
        Self {
            identity,
            voice: None,
            video: None,
            chat: None,
            data_sync: None,
            task_router: None,
            player: None,
        }
    }
}

/// The claims of a token. Times are in whole seconds since the Unix epoch, as JWT has them.
///
/// The order of the fields is the order on the wire; see the module's documentation before changing it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The token's own name. Unique per token only if whoever mints makes it so ([`AccessToken::unique`]).
    pub jti: String,
    /// Who the token is for and what it permits.
    pub grants: Grants,
    /// Not valid before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// When it was issued, by the issuer's clock.
    pub iat: u64,
    /// Not valid from this second on.
    pub exp: u64,
    /// The API key whose secret signed the token.
    pub iss: ApiKeySid,
    /// The account that the token is for.
    pub sub: AccountSid,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    cty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    twr: Option<&'a str>,
}

/// An access token in the making.
///
/// ```
/// # use kernel::{AccountSid, Identity, Secret, Timestamp};
/// # use twilio::{ApiKey, ApiKeySid, access_token::{AccessToken, VoiceGrant}};
/// # fn main() -> Result<(), kernel::InvalidId> {
/// let account = AccountSid::new("AC11111111111111111111111111111111")?;
/// let key = ApiKey::new(ApiKeySid::new("SK22222222222222222222222222222222")?, Secret::new("secret"));
/// let now = Timestamp::from_millis(1_700_000_000_000);
/// let jwt = AccessToken::new(account, &key, Identity::new("ext_alice")?, now)
///     .voice(VoiceGrant::incoming_only())
///     .ttl_seconds(600)
///     .to_jwt();
/// # let _ = jwt;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AccessToken<'k> {
    key: &'k ApiKey,
    region: Option<String>,
    claims: Claims,
}

impl<'k> AccessToken<'k> {
    /// A token for `identity`, issued `now`, without grants, named `<key>-<second>` as Twilio's libraries name it.
    #[must_use]
    pub fn new(account_sid: AccountSid, key: &'k ApiKey, identity: Identity, now: Timestamp) -> Self {
        let iat = now.as_millis() / 1000;
        let claims = Claims {
            jti: format!("{}-{iat}", key.sid()),
            grants: Grants::none(identity),
            nbf: None,
            iat,
            exp: iat.saturating_add(DEFAULT_TTL_SECONDS),
            iss: key.sid().clone(),
            sub: account_sid,
        };
        Self { key, region: None, claims }
    }

    /// Grants all of these instead of what was granted before; also replaces the identity.
    #[must_use]
    pub fn grants(mut self, grants: Grants) -> Self {
        self.claims.grants = grants;
        self
    }

    /// Grants Voice.
    #[must_use]
    pub fn voice(mut self, grant: VoiceGrant) -> Self {
        self.claims.grants.voice = Some(grant);
        self
    }

    /// Grants Video.
    #[must_use]
    pub fn video(mut self, grant: VideoGrant) -> Self {
        self.claims.grants.video = Some(grant);
        self
    }

    /// Lets the token live for this many seconds, cut to [`MAX_TTL_SECONDS`].
    #[must_use]
    pub fn ttl_seconds(mut self, ttl: u64) -> Self {
        self.claims.exp = self.claims.iat.saturating_add(ttl.min(MAX_TTL_SECONDS));
        self
    }

    /// Makes the token valid only from this second on.
    #[must_use]
    pub const fn not_before(mut self, second: u64) -> Self {
        self.claims.nbf = Some(second);
        self
    }

    /// The region that the token is for, as `au1`. The signing key must be of that region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Names the token uniquely: `<key>-<second>-<24 hexadecimal digits>`.
    ///
    /// Twilio lets the application choose `jti`. The name that its libraries give is the same for every token of one
    /// second, so two tokens of one identity would be the same text and could not be told apart in an audit.
    #[must_use]
    pub fn unique(mut self, random: [u8; 12]) -> Self {
        self.claims.jti = format!("{}-{}-{}", self.key.sid(), self.claims.iat, hex(&random));
        self
    }

    /// The claims as they will be signed.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Signs the token (HMAC-SHA256 with the API key's secret).
    #[must_use]
    pub fn to_jwt(&self) -> Secret {
        let header = Header { alg: "HS256", typ: "JWT", cty: CONTENT_TYPE, twr: self.region.as_deref() };
        // Neither has a map with non-string keys nor a failing Serialize: JSON cannot fail. Were it ever to, the
        // token would be unusable, not wrong.
        let mut json = Vec::with_capacity(ROOM);
        let mut jwt = String::with_capacity(ROOM);
        serde_json::to_writer(&mut json, &header).unwrap_or_default();
        // Not `encode_string`, which leaves what it encodes on the stack: a secret that nobody wipes.
        jwt.push_str(Secret::new(URL_SAFE_NO_PAD.encode(&json)).expose());
        jwt.push('.');
        json.clear();
        serde_json::to_writer(&mut json, &self.claims).unwrap_or_default();
        jwt.push_str(Secret::new(URL_SAFE_NO_PAD.encode(&json)).expose());
        let signature = hmac::sign(self.key.signer(), jwt.as_bytes());
        jwt.push('.');
        jwt.push_str(Secret::new(URL_SAFE_NO_PAD.encode(signature)).expose());
        Secret::new(jwt)
    }
}

impl fmt::Debug for AccessToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("region", &self.region)
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

/// Why a token is refused. The token itself is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Not a JWT, or not one of the claims that an access token has.
    #[error("not an access token")]
    Malformed,
    /// Another algorithm than HS256, or another content type.
    #[error("the token's header is not that of an access token")]
    Header,
    /// The signature is not of this API key.
    #[error("the token's signature does not match")]
    Signature,
    /// Signed with the right secret, but names another API key or account.
    #[error("the token is of another API key or account")]
    IssuerOrSubject,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It lives longer than [`MAX_TTL_SECONDS`] and Twilio's one second of grace.
    #[error("the token lives too long")]
    LivesTooLong,
}

impl VerifyError {
    /// The error code that Twilio documents for the cause.
    /// Source: <https://www.twilio.com/docs/api/errors>, 20101 to 20107 and 20157.
    #[must_use]
    pub const fn twilio_code(self) -> u32 {
        match self {
            Self::Malformed => 20101,
            Self::Header => 20102,
            Self::IssuerOrSubject => 20103,
            Self::Expired => 20104,
            Self::NotYetValid => 20105,
            Self::Signature => 20107,
            Self::LivesTooLong => 20157,
        }
    }
}

/// A token that has been found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it says.
    pub claims: Claims,
    /// The region of its header.
    pub region: Option<String>,
}

/// Checks a token against the one key and account that it may be of.
///
/// Checked, in this order: header (HS256 only, so never `none`; content type), signature, form of the claims, issuer
/// and subject, length of life, `nbf`, `exp`. No leeway: the clock is the caller's.
///
/// # Errors
/// [`VerifyError`], the first check that fails.
pub fn verify(
    jwt: &str,
    key: &ApiKey,
    account_sid: &AccountSid,
    now: Timestamp,
) -> Result<Verified, VerifyError> {
    let header = jsonwebtoken::decode_header(jwt).map_err(|error| match error.kind() {
        // An algorithm that the crate does not know, "none" first of all, fails to parse as JSON.
        ErrorKind::Json(_) => VerifyError::Header,
        _ => VerifyError::Malformed,
    })?;
    if header.alg != Algorithm::HS256 || header.cty.as_deref() != Some(CONTENT_TYPE) {
        return Err(VerifyError::Header);
    }
    // The crate reads the system's clock for exp and nbf; ours is a parameter, so those two are checked below.
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.required_spec_claims.clear();
    let secret = DecodingKey::from_secret(key.secret().expose().as_bytes());
    let claims = jsonwebtoken::decode::<Claims>(jwt, &secret, &validation)
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => VerifyError::Signature,
            _ => VerifyError::Malformed,
        })?
        .claims;

    let second = now.as_millis() / 1000;
    if claims.iss != *key.sid() || claims.sub != *account_sid {
        Err(VerifyError::IssuerOrSubject)
    } else if claims.exp.saturating_sub(claims.iat) > MAX_TTL_SECONDS + 1 {
        Err(VerifyError::LivesTooLong)
    } else if claims.nbf.is_some_and(|nbf| second < nbf) {
        Err(VerifyError::NotYetValid)
    } else if second >= claims.exp {
        Err(VerifyError::Expired)
    } else {
        let region = header.extras.get("twr").map_err(|_not_text| VerifyError::Header)?;
        Ok(Verified { claims, region })
    }
}
