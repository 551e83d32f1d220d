// The messages of the page and popup hops. Made from `crates/protocol`: UPDATE_TYPES=1 cargo test -p protocol

/**
 * A Twilio account: `AC` and 32 hexadecimal digits.
 */
export type AccountSid = string;

/**
 * A device as `MediaDevices.enumerateDevices` names it. Remembered by both: Chrome changes ids when site data is
 * cleared, and two headsets of one make share a label.
 */
export type AudioDevice = { 
/**
 * `deviceId`: an opaque name, `default` for the system's choice.
 */
id: string, 
/**
 * `label`: for people. Empty until the microphone's permission is granted.
 */
label: string, };

/**
 * Which end of the headset.
 */
export type AudioKind = "microphone" | "speaker";

/**
 * What the agent (or policy) wants.
 */
export type AudioSettings = { 
/**
 * The microphone; `None` for the system's choice.
 */
microphone: AudioDevice | null, 
/**
 * The speaker; `None` for the system's choice.
 */
speaker: AudioDevice | null, 
/**
 * How loud the customer is, in percent, 0 to 100.
 */
volume: number, };

/**
 * What there is and what is in use.
 */
export type AudioState = { 
/**
 * The microphones that are plugged in, the system's choice first.
 */
microphones: Array<AudioDevice>, 
/**
 * The speakers that are plugged in, the system's choice first.
 */
speakers: Array<AudioDevice>, 
/**
 * What is wanted.
 */
wanted: AudioSettings, 
/**
 * The microphone that was opened, or would be for the next call: not the wanted one when that is missing or could not be
 * opened.
 */
microphone: AudioDevice | null, 
/**
 * The speaker that plays, or would.
 */
speaker: AudioDevice | null, 
/**
 * Kinds whose wanted device is not there or could not be opened, so that another is in use.
 */
missing: Array<AudioKind>, 
/**
 * True while the microphone is open: in a call, or in a test that the agent started.
 */
microphoneOpen: boolean, 
/**
 * True while the computer or the headset mutes the open microphone: the customer hears silence, whatever Holdfast's own
 * mute says.
 */
microphoneMuted: boolean, };

/**
 * Payload of CALL_CONTEXT.
 */
export type CallContext = { 
/**
 * The agent leg's call SID.
 */
callSid: CallSid, 
/**
 * True while Flex holds the customer.
 */
onHold: boolean, };

/**
 * The phases of the one call that the extension carries.
 */
export type CallPhase = "connecting" | "open" | "reconnecting";

/**
 * Names one call.
 */
export type CallRef = { 
/**
 * The agent leg's call SID.
 */
callSid: CallSid, };

/**
 * One leg of a call: `CA` and 32 hexadecimal digits.
 */
export type CallSid = string;

/**
 * A call that is over.
 */
export type CallSummary = { 
/**
 * Which call.
 */
sid: CallSid, 
/**
 * The caller, as the gateway named it. For display only.
 */
from?: string | null, 
/**
 * When it was offered.
 */
since: Timestamp, 
/**
 * When it was first open; `None` when it never was.
 */
answeredAt?: Timestamp | null, 
/**
 * When it was over.
 */
endedAt: Timestamp, 
/**
 * Why, when it did not end in good order.
 */
problem?: Problem | null, 
/**
 * How it sounded.
 */
quality: QualitySummary, };

/**
 * The live call, as popup and page see it. Holds nothing secret.
 */
export type CallView = { 
/**
 * The agent leg's call SID, the same before and after a page reload.
 */
sid: CallSid, 
/**
 * How far the call has come.
 */
state: CallPhase, 
/**
 * When the extension was offered the call.
 */
since: Timestamp, 
/**
 * When the call was first open: what a timer counts from.
 */
answeredAt?: Timestamp | null, 
/**
 * True while the microphone is muted.
 */
muted: boolean, 
/**
 * The caller, as the gateway names it (`+15550100`, `client:…`). For display only.
 */
from?: string | null, 
/**
 * True while Flex holds the customer; `None` when no page has said.
 */
onHold?: boolean | null, 
/**
 * How it sounds now.
 */
quality?: QualitySample | null, 
/**
 * What the SDK warns of now.
 */
warnings?: Array<QualityWarning>, };

/**
 * The page's view of the voice client, in every HEARTBEAT and STATE message (extension of the contract).
 */
export type ClientState = { 
/**
 * [`crate::PROTOCOL_VERSION`] of the extension.
 */
protocolVersion: number, 
/**
 * Where the voice client stands.
 */
status: Status, 
/**
 * True while the gateway confirms the registration.
 */
registered: boolean, 
/**
 * The live call, if any.
 */
call: CallView | null, 
/**
 * What is wrong, if anything.
 */
problem: Problem | null, 
/**
 * When the Flex token that the extension holds expires: the page may send a newer one.
 */
flexTokenExpiresAt: Timestamp | null, 
/**
 * The version of the extension; empty from one that does not say.
 */
extensionVersion: string, 
/**
 * A second call that waits for the agent's word.
 */
waiting: WaitingCall | null, 
/**
 * Microphone and speaker; `None` until the offscreen document has said.
 */
audio: AudioState | null, };

/**
 * Payload of CONFIGURE.
 */
export type Configure = { 
/**
 * Where to exchange Flex tokens. Kept as text here: whether it is acceptable is the worker's decision, and the
 * answer says so.
 */
voiceClientTokenGeneratorUrl: string, 
/**
 * The page's account.
 */
accountSid: AccountSid, 
/**
 * The prefix that the page expects of the identity.
 */
extensionVoiceClientPrefix: IdentityPrefix, 
/**
 * Extension of the contract: the page contract's version that the plugin speaks; absent in the replaced plugin.
 */
protocolVersion?: number | null, 
/**
 * Extension of the contract, since version 3: the agent whose page this is, as Flex's session names them (without the
 * voice client's prefix). What the token service says of this page's Flex token has to agree with it.
 */
agentIdentity?: Identity | null, };

/**
 * A token service that no policy names and that the agent has not yet agreed to.
 */
export type ConsentRequest = { 
/**
 * The account that the page belongs to.
 */
accountSid: AccountSid, 
/**
 * Where Flex tokens would go.
 */
tokenUrl: TokenUrl, 
/**
 * The Flex page's origin, for example `https://flex.twilio.com`.
 */
pageOrigin: string, };

/**
 * DTMF digits as the Voice SDK takes them: `0-9`, `*`, `#` and `w` (a pause of 500 ms), 1 to 256 of them. The one bound
 * on what is sent in one go: longer than any account number with its PIN and pauses, and said before the first digit.
 */
export type DtmfDigits = string;

/**
 * Payload of ERROR.
 */
export type ErrorReply = { 
/**
 * The type of the message that is answered, when it is one of the contract's.
 */
inReplyTo?: string | null, 
/**
 * For code.
 */
code: ProblemCode, 
/**
 * For people: what happened and what to do. Never holds a token or page-supplied text.
 */
message: string, 
/**
 * True while the extension goes on trying by itself.
 */
retrying: boolean, };

/**
 * Payload of EXPECT_CALLS.
 */
export type ExpectCalls = { 
/**
 * At most [`MAX_EXPECTED_CALLS`]; what is more is not read.
 */
calls: Array<ExpectedCall>, };

/**
 * Why a call is expected.
 */
export type ExpectReason = "reservation" | "task" | "monitoring" | "transfer" | "outbound";

/**
 * What a call is expected for: a reservation's or a task's SID, or any other name of 1 to 64 letters, digits, `_`, `-`
 * and `:` that is not used for anything else.
 */
export type ExpectationId = string;

/**
 * One call that an agent expects.
 */
export type ExpectedCall = { 
/**
 * What it is expected for: the same for as long as it is the same call. It lets one call through.
 */
id: ExpectationId, 
/**
 * What the agent did that makes a call come.
 */
reason: ExpectReason, };

/**
 * Payload of FLEX_TOKEN.
 */
export type FlexToken = { 
/**
 * The Flex token, opaque.
 */
token: Secret, 
/**
 * The page's account.
 */
accountSid: AccountSid, 
/**
 * When the token expires, ISO-8601 (`2026-01-01T00:00:00.000Z`).
 */
expiration: string, 
/**
 * Extension of the contract, since version 3: whose token it is, as Flex's session names the agent (without the voice
 * client's prefix).
 */
agentIdentity?: Identity | null, };

/**
 * From an extension page to the worker.
 */
export type FromPopup = { "type": "hangUp", 
/**
 * The call that is shown, so that a click on an older view ends no other; without it, whichever is live.
 */
sid?: CallSid | null, } | { "type": "setMute", 
/**
 * As in [`Self::HangUp`].
 */
sid?: CallSid | null, 
/**
 * True to mute.
 */
muted: boolean, } | { "type": "sendDigits", 
/**
 * As in [`Self::HangUp`].
 */
sid?: CallSid | null, 
/**
 * Sent one after the other.
 */
digits: DtmfDigits, } | { "type": "restart" } | { "type": "microphoneChanged" } | { "type": "answerWaiting", 
/**
 * The call that waits, so that a click on an older view answers nothing else.
 */
sid: CallSid, } | { "type": "declineWaiting", 
/**
 * The call that waits.
 */
sid: CallSid, } | { "type": "selectAudioDevice" } & SelectAudioDevice | { "type": "setVolume", 
/**
 * 0 to 100.
 */
percent: number, } | { "type": "testMicrophone", 
/**
 * True to start.
 */
on: boolean, } | { "type": "testSpeaker" } | { "type": "consent", 
/**
 * As it was shown.
 */
account_sid: AccountSid, 
/**
 * As it was shown.
 */
token_url: TokenUrl, 
/**
 * True to agree.
 */
allow: boolean, };

/**
 * Payload of HEARTBEAT.
 */
export type Heartbeat = { 
/**
 * The Voice client identity: `contact_uri` is `client:` and this.
 */
voiceClientIdentity: string, 
/**
 * `null` until the first error, then whether the voice client is in error now.
 */
error: boolean | null, 
/**
 * [`crate::PROTOCOL_VERSION`] of the extension.
 */
protocolVersion: number, 
/**
 * Where the voice client stands.
 */
status: Status, 
/**
 * True while the gateway confirms the registration.
 */
registered: boolean, 
/**
 * The live call, if any.
 */
call: CallView | null, 
/**
 * What is wrong, if anything.
 */
problem: Problem | null, 
/**
 * When the Flex token that the extension holds expires: the page may send a newer one.
 */
flexTokenExpiresAt: Timestamp | null, 
/**
 * The version of the extension; empty from one that does not say.
 */
extensionVersion: string, 
/**
 * A second call that waits for the agent's word.
 */
waiting: WaitingCall | null, 
/**
 * Microphone and speaker; `None` until the offscreen document has said.
 */
audio: AudioState | null, };

/**
 * A Voice client identity: letters, digits and underscores, 1 to 121 of them.
 *
 * Source: Twilio's Client documentation, "alphanumeric and underscore characters only"; the length limit of 121
 * is Twilio's documented maximum for client names.
 */
export type Identity = string;

/**
 * What sets an extension's identity apart from the agent's own Flex client: `ext_` by default.
 *
 * 1 to 16 lower-case letters and digits, ended by an underscore. That a name begins with it proves nothing: Flex encodes
 * `ext.jones` as `ext_2Ejones`. Whose identity it is, is known by the whole of it: the prefix and the agent's own. The prefix is the token service's decision; one
 * that a page sends is compared, never used (it is how the replaced extension allowed impersonation).
 */
export type IdentityPrefix = string;

/**
 * One line of the flight recorder.
 */
export type LogEntry = { 
/**
 * When it was written, by the worker's clock.
 */
at: Timestamp, 
/**
 * How much it matters.
 */
level: LogLevel, 
/**
 * What happened. Never holds a token or page-supplied text.
 */
message: string, };

/**
 * How much a log line matters.
 */
export type LogLevel = "info" | "warning" | "error";

/**
 * A value of the administrator's policy that is not used, because it is not what it must be. Never repeats the value.
 */
export type PolicyComplaint = { 
/**
 * The key in `managed_schema.json`.
 */
key: string, 
/**
 * What its value must be, or each entry of it.
 */
wants: PolicyForm, };

/**
 * What a value of the administrator's policy must be.
 */
export type PolicyForm = "accountSid" | "tokenServiceUrl" | "pageOrigin" | "identityPrefix" | "edge" | "percentage" | "minutes" | "deviceName" | "text" | "list" | "trueOrFalse" | { "oneOf": Array<string> };

/**
 * One setting that the administrator's policy fixes, for the options page.
 */
export type PolicyItem = { 
/**
 * The key in `managed_schema.json`.
 */
key: string, 
/**
 * Its value, as text.
 */
value: string, };

/**
 * Something wrong, in words that say what to do.
 */
export type Problem = { 
/**
 * For code.
 */
code: ProblemCode, 
/**
 * For people: what happened and what to do. Never holds a token or page-supplied text.
 */
message: string, 
/**
 * True while the extension goes on trying by itself.
 */
retrying: boolean, };

/**
 * What is wrong: a closed set, for code that reacts. [`Problem::message`] is for people.
 */
export type ProblemCode = "malformed_message" | "unknown_type" | "wrong_account" | "wrong_token_url" | "wrong_prefix" | "not_configured" | "wrong_page_origin" | "consent_needed" | "consent_declined" | "disabled_by_policy" | "too_many_messages" | "line_contested" | "no_call" | "invalid_flex_token" | "token_service_unavailable" | "token_service_misconfigured" | "wrong_identity" | "voice_token_refused" | "gateway_unavailable" | "microphone_unavailable" | "audio_device_missing" | "call_failed" | "internal";

/**
 * One of the SDK's samples (`call.on('sample')`, once a second), in whole numbers. `None`: not known yet.
 */
export type QualitySample = { 
/**
 * When it was taken.
 */
at: Timestamp, 
/**
 * Round trip to the media edge, in milliseconds.
 */
rttMs?: number | null, 
/**
 * Variation of packet arrival, in milliseconds.
 */
jitterMs?: number | null, 
/**
 * Packets lost on the way to the agent in this second, in thousandths.
 */
lossPermille?: number | null, 
/**
 * Mean opinion score in hundredths, 100 (bad) to 450: the SDK's estimate of how it sounds.
 */
mosHundredths?: number | null, };

/**
 * A finished call in figures.
 */
export type QualitySummary = { 
/**
 * How many samples there were.
 */
samples: number, 
/**
 * Mean and worst opinion score, in hundredths.
 */
mosMeanHundredths: number | null, 
/**
 * The worst opinion score.
 */
mosWorstHundredths: number | null, 
/**
 * Mean round trip, in milliseconds.
 */
rttMeanMs: number | null, 
/**
 * Longest round trip.
 */
rttWorstMs: number | null, 
/**
 * Largest jitter, in milliseconds.
 */
jitterWorstMs: number | null, 
/**
 * Mean of the samples' losses, in thousandths.
 */
lossMeanPermille: number | null, 
/**
 * What was warned of, each once.
 */
warnings: Array<QualityWarning>, };

/**
 * What the SDK's quality monitor warns of (SDK 2.18.5, `lib/twilio/call.ts`: the names in brackets).
 */
export type QualityWarning = "high-rtt" | "high-jitter" | "high-packet-loss" | "low-mos" | "low-bytes-received" | "low-bytes-sent" | "constant-audio-input" | "constant-audio-output" | "ice-connectivity-lost";

/**
 * Why a command is not carried out. The popup has words for each; a page gets code and English words.
 */
export type Refused = "no_call" | "call_over" | "waiting_gone" | "devices_fixed" | "device_gone" | "digits_too_fast" | "not_understood" | "restart_fixed" | "restart_in_call" | "question_changed";

/**
 * A Flex token, a Voice token or a connectToken: whoever holds the text can act as the agent.
 *
 * `Debug` and `Display` show only the length. The text is reached by [`Secret::expose`], so every use can be found.
 * Serialising writes the text: a secret travels between our own processes and to `chrome.storage.session`, which is
 * memory. Where a secret lay, zeros lie once it is dropped; what was made of it (a request, a body) is its maker's business.
 */
export type Secret = string;

/**
 * Payload of SELECT_AUDIO_DEVICE, and the same in the popup's message.
 */
export type SelectAudioDevice = { 
/**
 * Microphone or speaker.
 */
kind: AudioKind, 
/**
 * A device's id from [`ClientState::audio`]; `None` for the system's choice.
 */
deviceId: string | null, };

/**
 * Payload of SEND_DTMF_DIGITS.
 */
export type SendDigits = { 
/**
 * Sent one after the other.
 */
digits: DtmfDigits, };

/**
 * Payload of SET_MUTE.
 */
export type SetMute = { 
/**
 * True to mute.
 */
muted: boolean, };

/**
 * Payload of SET_VOLUME.
 */
export type SetVolume = { 
/**
 * In percent; more than 100 is taken as 100.
 */
percent: number, };

/**
 * Payload of SHOW_VIDEO.
 */
export type ShowVideo = { 
/**
 * The same for the same session: its conversation's SID, or its task's where there is none.
 */
key: VideoKey, 
/**
 * What to join, as in [`crate::video::VideoOpened::agent_link`].
 */
link?: Secret | null, 
/**
 * The session could not be opened, in the plugin's words for the agent.
 */
failed?: string | null, };

/**
 * Payload of SIGN_OUT.
 */
export type SignOut = { 
/**
 * How the agent signed out.
 */
reason: SignOutReason, };

/**
 * How an agent signs out.
 */
export type SignOutReason = "logout" | "session_ended" | "offline";

/**
 * Where the voice client stands. One word for a state, used by popup, page, log and tests alike.
 */
export type Status = "waitingForFlex" | "waitingForToken" | "fetchingToken" | "registering" | "registered" | "reconnecting" | "failed";

/**
 * Milliseconds since the Unix epoch, as `Date.now()` gives them.
 */
export type Timestamp = number;

/**
 * From the page (plugin) to the extension.
 */
export type ToExtension = { "type": "VOICE_CLIENT_EXTENSION_CONFIGURE", 
/**
 * What the page asks for.
 */
payload: Configure, } | { "type": "VOICE_CLIENT_EXTENSION_FLEX_TOKEN", 
/**
 * The token and the agent's account.
 */
payload: FlexToken, } | { "type": "VOICE_CLIENT_EXTENSION_HANGUP_CALL", 
/**
 * Extension of the contract: which call; without it, the live one.
 */
payload?: CallRef | null, } | { "type": "VOICE_CLIENT_EXTENSION_SEND_DTMF_DIGITS", 
/**
 * Sent one after the other.
 */
payload: SendDigits, } | { "type": "VOICE_CLIENT_EXTENSION_SET_MUTE", 
/**
 * On or off.
 */
payload: SetMute, } | { "type": "VOICE_CLIENT_EXTENSION_SELECT_AUDIO_DEVICE", 
/**
 * The kind of device, and which one.
 */
payload: SelectAudioDevice, } | { "type": "VOICE_CLIENT_EXTENSION_SET_VOLUME", 
/**
 * How loud.
 */
payload: SetVolume, } | { "type": "VOICE_CLIENT_EXTENSION_CALL_CONTEXT", 
/**
 * What Flex knows.
 */
payload: CallContext, } | { "type": "VOICE_CLIENT_EXTENSION_SIGN_OUT", 
/**
 * Why the agent has signed out.
 */
payload: SignOut, } | { "type": "VOICE_CLIENT_EXTENSION_EXPECT_CALLS", 
/**
 * All of them, each time.
 */
payload: ExpectCalls, } | { "type": "VOICE_CLIENT_EXTENSION_SHOW_VIDEO", 
/**
 * Which window, and what it is told.
 */
payload: ShowVideo, };

/**
 * From the extension to the page.
 */
export type ToPage = { "type": "VOICE_CLIENT_EXTENSION_CONFIGURED", 
/**
 * Extension of the contract: the state at once, so that a reloaded page shows a live call without waiting.
 */
payload: ClientState | null, } | { "type": "VOICE_CLIENT_EXTENSION_CONFIG_REJECTED", 
/**
 * Extension of the contract: why.
 */
payload: Problem | null, } | { "type": "VOICE_CLIENT_EXTENSION_HEARTBEAT", 
/**
 * Who, and how it goes.
 */
payload: Heartbeat, } | { "type": "VOICE_CLIENT_EXTENSION_DISCONNECTED" } | { "type": "VOICE_CLIENT_EXTENSION_STATE", 
/**
 * The whole state, not only what changed.
 */
payload: ClientState, } | { "type": "VOICE_CLIENT_EXTENSION_ERROR", 
/**
 * What was asked for, and why it could not be done.
 */
payload: ErrorReply, };

/**
 * From the worker to an extension page.
 */
export type ToPopup = { "type": "state", 
/**
 * The whole state, not only what changed.
 */
state: UiState, } | { "type": "refused", 
/**
 * Why it was not.
 */
reason: Refused, } | { "type": "level", 
/**
 * 0 (silence) to 100.
 */
percent: number, };

/**
 * Where Flex tokens are exchanged for Voice tokens: an `https` URL without user, query or fragment.
 *
 * `https` only, because a Flex token travels to it.
 */
export type TokenUrl = string;

/**
 * Everything that popup, options and welcome pages show. Holds nothing secret.
 */
export type UiState = { 
/**
 * The account this browser is pinned to.
 */
accountSid: AccountSid | null, 
/**
 * The identity that the token service decided.
 */
identity: Identity | null, 
/**
 * Scheme and host of the token service.
 */
tokenService: string | null, 
/**
 * True when account or token service come from the administrator's policy.
 */
managed: boolean, 
/**
 * Open pages that match the content script.
 */
pagesOpen: number, 
/**
 * Of these, the ones whose plugin was accepted.
 */
pagesConnected: number, 
/**
 * When the Voice token expires.
 */
voiceTokenExpiresAt: Timestamp | null, 
/**
 * When this worker process started: changes when Chrome restarts the worker.
 */
workerStartedAt: Timestamp, 
/**
 * The version of the extension.
 */
version: string, 
/**
 * What happened lately, oldest first, for support. Holds nothing secret.
 */
log: Array<LogEntry>, 
/**
 * What the agent is asked to agree to.
 */
consent: ConsentRequest | null, 
/**
 * What policy fixes.
 */
policy: Array<PolicyItem>, 
/**
 * What is wrong with the policy, for the administrator.
 */
policyComplaints: Array<PolicyComplaint>, 
/**
 * False when policy forbids the agent to restart.
 */
mayRestart: boolean, 
/**
 * False when policy forbids the agent to change devices and volume.
 */
mayChangeSettings: boolean, 
/**
 * Samples of the live call's last minutes, oldest first: the popup's graph.
 */
quality: Array<QualitySample>, 
/**
 * The last calls, oldest first.
 */
calls: Array<CallSummary>, 
/**
 * How often something happened since the worker's state began: messages dropped, workers started, tokens
 * fetched. Names are stable: they are what support greps for.
 */
counters: { [key in string]: number }, 
/**
 * [`crate::PROTOCOL_VERSION`] of the extension.
 */
protocolVersion: number, 
/**
 * Where the voice client stands.
 */
status: Status, 
/**
 * True while the gateway confirms the registration.
 */
registered: boolean, 
/**
 * The live call, if any.
 */
call: CallView | null, 
/**
 * What is wrong, if anything.
 */
problem: Problem | null, 
/**
 * When the Flex token that the extension holds expires: the page may send a newer one.
 */
flexTokenExpiresAt: Timestamp | null, 
/**
 * The version of the extension; empty from one that does not say.
 */
extensionVersion: string, 
/**
 * A second call that waits for the agent's word.
 */
waiting: WaitingCall | null, 
/**
 * Microphone and speaker; `None` until the offscreen document has said.
 */
audio: AudioState | null, };

/**
 * What a Flex page names a video session by: a conversation's or a task's SID, or any other name of 1 to 64 letters and digits.
 */
export type VideoKey = string;

/**
 * A call that rings until the agent says something: a second one while another is live (policy `secondCall: offer`), or
 * one that nobody expects (policy `unexpectedCalls: ring`).
 */
export type WaitingCall = { 
/**
 * Which call.
 */
sid: CallSid, 
/**
 * The caller, as the gateway names it. For display only.
 */
from?: string | null, 
/**
 * When it was offered.
 */
since: Timestamp, 
/**
 * True when no page of the agent knows of it: no reservation, task, transfer or monitoring that it would be for.
 */
unexpected: boolean, };
