//! The gateway as a client sees it: real sockets, real media, the sandbox's own clock.

mod support;

use kernel::Identity;
use sandbox_voice::{EndReason, EndedBy, LossDirection, VoiceEventKind, VoiceFault};
use serde_json::json;
use support::{Browser, Gateway, Live};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_taken_by_another_socket_and_sound_flows_both_ways() {
    let live = Live::start().await;
    let view =
        live.gateway.until(&live.call, "a second of sound", |v| v.agent_to_customer.packets > 50).await;
    assert_eq!(view.agent_to_customer.lost, 0);
    assert_eq!(view.codec.as_deref(), Some("PCMU"));
    assert_eq!(view.agent_to_customer.tone_hz, Some(500.0));
    assert!(view.answer_ms.unwrap() > 0.0 && view.answer_ms.unwrap() < 5_000.0);
    assert!(view.customer_to_agent.packets > 40);
    let heard = live.browser.heard();
    assert!(heard.connected && heard.packets > 30, "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_can_be_accepted_on_the_socket_that_rang() {
    let gateway = Gateway::start().await;
    let mut worker = gateway.register("alice").await;
    let call = gateway.call("alice").await;
    let invite = worker.hear("invite").await;
    let browser = Browser::new();
    let sdp = browser.accept_offer(&invite["sdp"]);
    worker.say("answer", json!({"callsid": call.as_str(), "sdp": sdp})).await;
    gateway.until(&call, "packets", |view| view.agent_to_customer.packets > 5).await;
    assert!(worker.is_quiet().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_heard_once_in_each_direction() {
    let live = Live::start().await;
    live.gateway.voice.send_dtmf(&live.call, "15#".parse().unwrap()).await.unwrap();
    live.browser.press(7);
    live.gateway.until(&live.call, "the agent's key", |view| view.dtmf == "7").await;
    let all = live.until_heard("three keys", |heard| heard.keys.len() >= 3).await;
    // A key that is heard again would be heard within the next packets.
    let heard = live.until_heard("sound again", |heard| heard.packets > all.packets + 25).await;
    assert_eq!(heard.keys, [1, 5, 11]);
    let view = live.gateway.voice.call_view(&live.call).await.unwrap();
    assert_eq!((view.dtmf.as_str(), view.agent_to_customer.lost), ("7", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_outlives_its_socket_and_its_media_does_not_notice() {
    let mut live = Live::start().await;
    live.gateway.voice.mark(&live.call, "drop", false).await.unwrap();
    let before = live.gateway.voice.call_view(&live.call).await.unwrap();
    live.gateway.voice.fault(1, VoiceFault::SignallingDrop { identity: None }).await.unwrap();
    assert!(live.offscreen.next().await.is_none() && live.worker.next().await.is_none());
    live.packets(11).await;
    let mut again = live.gateway.listen("alice").await;
    let take_up =
        json!({"callsid": live.call.as_str(), "reconnect": live.token, "sdp": "v=0\r\n", "twilio": {}});
    again.say("invite", take_up).await;
    assert_ne!(again.hear("answer").await["reconnect"], live.token);
    live.gateway.voice.mark(&live.call, "drop", true).await.unwrap();
    let after = live.gateway.voice.call_view(&live.call).await.unwrap();
    assert!(after.agent_to_customer.packets > before.agent_to_customer.packets + 10);
    assert_eq!((after.agent_to_customer.lost, after.ended_by), (0, None));
    let windows = live.gateway.voice.windows(&live.call).await.unwrap();
    assert_eq!(windows.windows[0].name, "drop");
    assert!(windows.windows[0].agent_to_customer.packets > 10);
    again.say("hangup", json!({"callsid": live.call.as_str()})).await;
    live.gateway.until(&live.call, "the end", |view| view.ended_by == Some(EndedBy::Agent)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ice_restart_leads_the_same_call_over_a_new_path() {
    let mut live = Live::start().await;
    let offer = live.browser.ice_restart();
    live.offscreen.say("reinvite", json!({"callsid": live.call.as_str(), "sdp": offer})).await;
    let answer = live.offscreen.hear("answer").await;
    live.browser.answer(&answer["sdp"]);
    let before = live.gateway.voice.call_view(&live.call).await.unwrap().agent_to_customer.packets;
    live.gateway
        .until(&live.call, "packets again", |view| view.agent_to_customer.packets > before + 25)
        .await;
    assert!(live.worker.is_quiet().await, "the worker hears nothing of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_customer_hangs_up() {
    let mut live = Live::start().await;
    live.gateway.voice.hang_up(&live.call).await.unwrap();
    assert_eq!(live.offscreen.hear("hangup").await["callsid"], live.call.as_str());
    let view = live.gateway.voice.call_view(&live.call).await.unwrap();
    assert_eq!((view.ended_by, view.end_reason), (Some(EndedBy::Customer), Some(EndReason::Hangup)));
    assert!(live.gateway.voice.hang_up(&live.call).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_hangs_up() {
    let mut live = Live::start().await;
    live.offscreen.say("hangup", json!({"callsid": live.call.as_str()})).await;
    let view = live.gateway.until(&live.call, "the end", |view| view.ended_by.is_some()).await;
    assert_eq!((view.ended_by, view.end_reason), (Some(EndedBy::Agent), Some(EndReason::Hangup)));
    assert!(live.offscreen.is_quiet().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_peer_connection_is_noticed() {
    let live = Live::start().await;
    let mut events = live.gateway.voice.subscribe();
    drop(live.browser);
    support::event(&mut events, |kind| matches!(kind, VoiceEventKind::PeerClosed { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_packets_are_counted_in_the_window_in_which_they_were_lost() {
    let live = Live::start().await;
    let voice = &live.gateway.voice;
    live.packets(10).await;
    let mut events = voice.subscribe();
    voice.mark(&live.call, "loss", false).await.unwrap();
    let loss = VoiceFault::MediaLoss {
        call_sid: None,
        direction: LossDirection::FromAgent,
        percent: 100,
        ms: Some(300),
    };
    voice.fault(1, loss).await.unwrap();
    support::event(&mut events, |kind| matches!(kind, VoiceEventKind::FaultEnded { id: 1 })).await;
    live.packets(5).await;
    voice.mark(&live.call, "loss", true).await.unwrap();
    live.packets(10).await;
    let windows = voice.windows(&live.call).await.unwrap();
    let (inside, outside) = (&windows.windows[0].agent_to_customer, &windows.outside.agent_to_customer);
    assert!((5..=25).contains(&inside.lost), "{windows:?}");
    assert!(inside.max_gap_ms >= 250.0, "{windows:?}");
    assert_eq!(outside.lost, 0);
    assert!(outside.max_gap_ms < inside.max_gap_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_holds_both_sides() {
    let live = Live::start().await;
    let voice = &live.gateway.voice;
    assert!(voice.recording(&live.call).await.is_err());
    voice.record(&live.call, true).await.unwrap();
    live.packets(60).await;
    voice.record(&live.call, false).await.unwrap();
    let wav = voice.recording(&live.call).await.unwrap();
    let mut reader = hound::WavReader::new(std::io::Cursor::new(wav)).unwrap();
    assert_eq!((reader.spec().channels, reader.spec().sample_rate), (2, 8000));
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    let side =
        |n: usize| samples.iter().skip(n).step_by(2).copied().skip(1000).take(3000).collect::<Vec<_>>();
    assert_eq!(sandbox_voice::media::audio::loudest_hz(&side(0)), Some(500.0), "the agent is on the left");
    let customer = sandbox_voice::media::audio::loudest_hz(&side(1)).unwrap();
    assert!([440.0, 550.0].contains(&customer), "the customer is on the right, at {customer} Hz");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_are_refused_and_a_good_one_rescues_the_socket() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.connect().await;
    socket.say("register", json!({"media": {"audio": true}})).await;
    assert_eq!(socket.hear("error").await["error"]["code"], 31204);
    socket.say("listen", json!({"token": gateway.token("alice", -5), "reconnectTimeout": 0})).await;
    assert_eq!(socket.hear("error").await["error"]["code"], 31205);
    socket.say("listen", json!({"token": "eyJ.not.one", "reconnectTimeout": 0})).await;
    assert_eq!(socket.hear("error").await["error"]["code"], 31204);
    socket.say("listen", json!({"token": gateway.token("alice", 60), "reconnectTimeout": 0})).await;
    let connected = socket.hear("connected").await;
    assert!((58..=60).contains(&connected["token"]["ttl"].as_u64().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_come_and_stop_when_signalling_freezes() {
    let gateway = Gateway::start().await;
    let mut socket = gateway.register("alice").await;
    let mut other = gateway.register("bob").await;
    socket.beats(1).await;
    let alice = Identity::new("alice").unwrap();
    let freeze = VoiceFault::SignallingFreeze { identity: Some(alice), new_sockets: false, ms: None };
    gateway.voice.fault(1, freeze).await.unwrap();
    let before = socket.heartbeats;
    other.beats(5).await;
    assert!(gateway.voice.clear_fault(1).await.unwrap());
    assert!(socket.is_quiet().await);
    assert!(socket.heartbeats <= before + 2, "one may have been under way, and one came with the thaw");
    socket.beats(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_sockets_can_be_refused_for_a_while() {
    let gateway = Gateway::start().await;
    gateway.voice.fault(1, VoiceFault::SignallingRefuse { ms: Some(300) }).await.unwrap();
    assert_eq!(gateway.try_connect().await.err(), Some(503));
    let admitted = async { while gateway.try_connect().await.is_err() {} };
    tokio::time::timeout(support::SOON, admitted).await.unwrap();
    gateway.listen("alice").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_nobody_ends_at_once_and_a_second_call_rings_beside_the_first() {
    let mut live = Live::start().await;
    let nobody = live.gateway.call("bob").await;
    let view = live.gateway.until(&nobody, "the end", |view| view.ended_by.is_some()).await;
    assert_eq!(view.end_reason, Some(EndReason::NotRegistered));
    let second = live.gateway.call("alice").await;
    assert_eq!(live.worker.hear("invite").await["callsid"], second.as_str());
    live.worker.say("reject", json!({"callsid": second.as_str()})).await;
    let view = live.gateway.until(&second, "the end", |view| view.ended_by.is_some()).await;
    assert_eq!((view.ended_by, view.end_reason), (Some(EndedBy::Agent), Some(EndReason::Rejected)));
    assert!(live.offscreen.is_quiet().await);
    assert_eq!(live.gateway.voice.call_view(&live.call).await.unwrap().ended_by, None);
}
