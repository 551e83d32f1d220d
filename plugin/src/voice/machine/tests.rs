//! The plugin's decisions, one file for each of its concerns.

use std::collections::{BTreeMap, VecDeque};

use kernel::{AccountSid, CallSid, DtmfDigits, Secret, Timestamp};
use protocol::page::{
    CallRef, ErrorReply, ExpectReason, FlexToken, Heartbeat, SelectAudioDevice, SendDigits, SetMute,
    SetVolume, ToExtension,
};
use protocol::state::ClientState;
use protocol::{
    AudioDevice, AudioKind, AudioSettings, AudioState, CallView, PROTOCOL_VERSION, Problem, ProblemCode,
    QualitySample, QualityWarning, WaitingCall,
};
use sansio::Machine as _;

use self::harness::Rig;
use self::harness::*;
use super::expect::Coming;
use super::flex_view::FlexSession;
use super::*;

mod activity;
mod agent;
mod call;
mod contact;
mod expected;
mod harness;
mod hold;
mod link;
mod lossy;
mod notices;
mod outbound;
mod properties;
mod settings;
mod sign_out;
mod switch;
mod view;
mod words;
