// What the sandbox's switchboard answers (sandbox/src/switchboard.rs), as far as tests, demo and benchmarks look at it.
// Times that end in _ms are milliseconds since the sandbox's start, unless they are a length.

/** What came from the agent, as the customer's socket saw it. */
export interface AgentToCustomer {
  packets: number;
  lost: number;
  max_gap_ms: number;
  rms: number;
  tone_hz: number | null;
  quiet_since_ms: number | null;
}

/** What went to the agent, and what their RTCP reports say of it. */
export interface CustomerToAgent {
  packets: number;
  lost: number;
  max_gap_ms: number;
  rtcp_reports: number;
}

/** One call at the gateway. */
export interface GatewayCall {
  call_sid: string;
  state: 'ringing' | 'answered' | 'ended';
  identity: string;
  from: string;
  invite_ms: number | null;
  first_agent_rtp_ms: number | null;
  /** From `invite` to the agent's first packet. */
  answer_ms: number | null;
  ended_ms: number | null;
  ended_by: 'agent' | 'customer' | 'gateway' | null;
  socket: number | null;
  agent_to_customer: AgentToCustomer;
  customer_to_agent: CustomerToAgent;
  dtmf: string;
  line: 'talking' | 'held' | 'ringing' | 'listening';
}

/** Figures of one direction in one window of a call. */
export interface WindowFigures {
  packets: number;
  lost: number;
  max_gap_ms: number;
}

/** A named stretch of a call, or with the name `outside` what no stretch covers. */
export interface CallWindow {
  name: string;
  agent_to_customer: WindowFigures;
  customer_to_agent: WindowFigures;
}

/** A socket at the gateway. */
export interface GatewaySocket {
  socket: number;
  identity: string | null;
  registered: boolean;
}

/** A task of the agent's. */
export interface Task {
  task_sid: string;
  status: string;
  reservation_sid: string | null;
  customer: { call_sid: string; left: boolean };
  transfer: { mode: string; status: string; colleague: string } | null;
  agent: { call_sid: string; end_conference_on_exit: boolean } | null;
}

/** A call of the colleague, whom nobody plays. */
export interface ColleagueCall {
  task_sid: string;
  reservation_sid: string;
  supervisors: { call_sid: string; state: string }[];
}

/** The agent as TaskRouter has them; the attributes are JSON in a string, as there. */
export interface Worker {
  activity_name: string;
  available: boolean;
  attributes: string;
}

/** Everything at one moment. */
export interface State {
  registrations: { identity: string; sockets: number[] }[];
  sockets: GatewaySocket[];
  calls: GatewayCall[];
  tasks: Task[];
  agent: Worker;
  colleague: ColleagueCall[];
  faults: { id: number; kind: string }[];
}

/** One line of the sandbox's log. */
export interface LogEntry {
  seq: number;
  type: string;
  source: string;
  data: unknown;
}

/** Frames of a track that went one way (sandbox/video). */
export interface Flow {
  frames: number;
  bytes: number;
  frames_per_second: number;
  longest_gap_ms: number;
  silent_ms: number | null;
}

/** A track that somebody publishes in a room of video, with what went through the media server. */
export interface VideoTrack {
  sid: string;
  name: string;
  kind: 'audio' | 'video' | 'data';
  enabled: boolean;
  media: {
    from_publisher: Flow;
    to: { participant: string; flow: Flow; switched_off: boolean }[];
    width: number | null;
    height: number | null;
    level_dbov: number | null;
  } | null;
}

/** A room of video. */
export interface VideoRoom {
  sid: string;
  unique_name: string;
  status: 'in-progress' | 'completed';
  recording: boolean;
  participants: { sid: string; identity: string; status: 'connected' | 'reconnecting' | 'disconnected'; tracks: VideoTrack[] }[];
}
