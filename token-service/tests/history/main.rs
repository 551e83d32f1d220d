//! Earlier conversations: who may read which, in what pages, and what goes wrong.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic, as the test itself may")]

#[path = "../support/mod.rs"]
mod support;
mod twilio;

use std::{collections::BTreeSet, time::Duration};

use axum::{body::Body, http::Request};
use protocol::history::{AuthorRole, HistoryErrorBody, HistoryOverview, HistoryPage, MediaLink};
use serde_json::{Value, json};
use support::{
    ACCOUNT, Answer, FLEX_TOKEN, HISTORY_KEY, ORIGIN, TestService, WORKER, capture_log, hours, invalid, valid,
};
use twilio::{Twilio, World, by_chat, by_number, day, message, sid};

const FLEX: &str = "https://flex.twilio.com";
const WORKSPACE: &str = "WS44444444444444444444444444444444";
const OTHER_WORKER: &str = "WK55555555555555555555555555555555";
const CUSTOMER: &str = "+15550100";
const STRANGER: &str = "+15550199";

/// The service and its Twilio.
struct Rig {
    service: TestService,
    twilio: Twilio,
}

impl Rig {
    async fn start(flags: &[&str]) -> Self {
        let twilio = Twilio::start().await;
        let mut all = vec![
            "--history",
            "--history-api-key-sid",
            HISTORY_KEY,
            "--workspace-sid",
            WORKSPACE,
            "--taskrouter-base-url",
            &twilio.url,
            "--history-conversations-base-url",
            &twilio.url,
            "--history-media-base-url",
            &twilio.url,
        ];
        all.extend(flags);
        Self { service: TestService::start(&all).await, twilio }
    }

    /// With the task 1, which names the conversation 1 of 250 messages.
    async fn with_source(flags: &[&str]) -> Self {
        let rig = Self::start(flags).await;
        let mut world = rig.twilio.world();
        let source = world.conversation(1, CUSTOMER, 250, 10);
        world.task(1, WORKER, "accepted", json!({"sourceConversationSid": source}));
        drop(world);
        rig
    }

    async fn get(&self, path: &str) -> Answer {
        self.service.send(question(path).body(Body::empty()).unwrap()).await
    }

    async fn overview(&self, task: &str, cursor: Option<&str>) -> HistoryOverview {
        let cursor = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
        read(&self.get(&format!("/v1/history/tasks/{task}{cursor}")).await)
    }

    async fn page(&self, conversation: &str, cursor: Option<&str>) -> HistoryPage {
        read(&self.get(&messages(&sid("WT", 1), conversation, cursor)).await)
    }

    /// All pages, the newest message first, with `between` done before each next page.
    async fn all(&self, conversation: &str, mut between: impl FnMut(usize, &mut World)) -> Vec<u64> {
        let (mut seen, mut cursor) = (Vec::new(), None);
        for turn in 0..50 {
            let page = self.page(conversation, cursor.as_deref()).await;
            assert!(page.messages.len() <= 100);
            assert!(page.messages.is_sorted_by_key(|message| message.index));
            seen.extend(page.messages.iter().rev().map(|message| message.index));
            cursor = page.cursor;
            if cursor.is_none() {
                return seen;
            }
            between(turn, &mut self.twilio.world());
        }
        panic!("the pages never end");
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let metrics = self.service.state.service.metrics.render();
            assert!(!metrics.contains(CUSTOMER), "{metrics}");
        }
    }
}

fn question(path: &str) -> axum::http::request::Builder {
    Request::get(path).header("origin", FLEX).header("authorization", format!("Bearer {FLEX_TOKEN}"))
}

fn messages(task: &str, conversation: &str, cursor: Option<&str>) -> String {
    let cursor = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
    format!("/v1/history/tasks/{task}/conversations/{conversation}/messages{cursor}")
}

fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> T {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    serde_json::from_str(&answer.body).unwrap()
}

/// `404 not_found`, after checking that the body is an error body.
fn error(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.body);
    let body: HistoryErrorBody = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(Some(body.request_id.as_str()), answer.header("x-request-id"));
    let comes_again = ["rate_limited", "upstream_unavailable", "internal"].contains(&body.code.as_str());
    assert_eq!(answer.header("retry-after").is_some(), comes_again, "{}", answer.body);
    format!("{} {}", answer.status.as_u16(), body.code.as_str())
}

#[tokio::test]
async fn history_is_off_unless_somebody_switches_it_on_and_then_nothing_is_there_and_nothing_is_asked() {
    let service = TestService::start(&[]).await;
    let answer =
        service.send(question(&messages(&sid("WT", 1), &sid("CH", 1), None)).body(Body::empty()).unwrap());
    let answer = answer.await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, ""));
    assert_eq!(service.asked().await, 0);
}

#[tokio::test]
async fn an_agent_reads_the_conversation_that_their_task_names() {
    let rig = Rig::with_source(&[]).await;
    let source = sid("CH", 1);
    let overview = rig.overview(&sid("WT", 1), None).await;
    let [only] = &overview.conversations[..] else { panic!("{overview:?}") };
    assert_eq!(
        serde_json::to_value(only).unwrap(),
        json!({
            "sid": source, "source": true, "channel": "sms", "name": "Support", "started_at": "2023-01-11T00:00:00Z",
            "updated_at": "2023-01-11T00:00:00Z", "closed": false, "agents": [],
        })
    );
    assert_eq!((overview.cursor, overview.retention_days), (None, None));

    let page = rig.page(&source, None).await;
    assert_eq!((page.messages.len(), page.hidden), (100, false));
    assert_eq!(
        serde_json::to_value(&page.messages[99]).unwrap(),
        json!({
            "sid": sid("IM", 1_000_249), "index": 249, "at": "2023-01-11T00:00:00Z", "body": "message 249 of 1", "media": [],
            "author": {"role": "customer", "name": CUSTOMER}, "place": null,
        })
    );
    let all = rig.all(&source, |_, _| {}).await;
    assert_eq!(all, (0..250).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn the_older_attribute_names_a_source_too_and_a_pending_or_wrapping_task_is_the_agents() {
    let rig = Rig::start(&[]).await;
    let source = rig.twilio.world().conversation(1, CUSTOMER, 3, 10);
    for (number, status) in [(1, "pending"), (2, "accepted"), (3, "wrapping")] {
        let task = rig.twilio.world().task(number, WORKER, status, json!({"sourceChatChannelSid": source}));
        let answer = rig.get(&messages(&task, &source, None)).await;
        assert_eq!(read::<HistoryPage>(&answer).messages.len(), 3, "{status}");
    }
}

#[tokio::test]
async fn nothing_is_ever_written_and_the_agent_never_joins() {
    let rig = Rig::with_source(&["--history-customer-conversations", "--history-same-customer-only"]).await;
    let own = {
        let mut world = rig.twilio.world();
        let own = world.conversation(2, CUSTOMER, 5, 20);
        world.conversation(3, CUSTOMER, 5, 5);
        world
            .conversations
            .get_mut(&own)
            .unwrap()
            .participants
            .push(by_chat("agent_40example_2Ecom", "agent"));
        world.task(
            1,
            WORKER,
            "accepted",
            json!({"sourceConversationSid": sid("CH", 1), "conversationSid": own}),
        );
        own
    };
    let before: Vec<Vec<Value>> = rig
        .twilio
        .world()
        .conversations
        .values()
        .map(|conversation| conversation.participants.clone())
        .collect();
    let overview = rig.overview(&sid("WT", 1), None).await;
    assert_eq!(overview.conversations.len(), 2, "the source and the other, and not {own}: {overview:?}");
    for conversation in [sid("CH", 1), sid("CH", 3)] {
        rig.all(&conversation, |_, _| {}).await;
    }
    let asked = rig.twilio.asked();
    assert!(asked.len() > 8, "{asked:?}");
    for line in &asked {
        assert!(line.starts_with("GET /v1/"), "{line}");
    }
    let after: Vec<Vec<Value>> = rig
        .twilio
        .world()
        .conversations
        .values()
        .map(|conversation| conversation.participants.clone())
        .collect();
    assert_eq!(before, after);
}

#[tokio::test]
async fn what_is_not_the_agents_and_what_does_not_exist_are_answered_alike_at_the_same_cost() {
    let rig = Rig::with_source(&[]).await;
    let others = {
        let mut world = rig.twilio.world();
        let others = world.conversation(7, STRANGER, 5, 10);
        world.task(7, OTHER_WORKER, "accepted", json!({"sourceConversationSid": others}));
        world.task(8, WORKER, "completed", json!({"sourceConversationSid": others}));
        world.task(9, WORKER, "rejected", json!({"sourceConversationSid": others}));
        others
    };
    let bare = |answer: &Answer| {
        let mut body = answer.json();
        body.as_object_mut().unwrap().remove("request_id");
        body
    };
    rig.twilio.asked();
    let (mut bodies, mut costs) = (Vec::new(), BTreeSet::new());
    for number in [7, 8, 9, 0xdead] {
        let task = sid("WT", number);
        for path in [
            format!("/v1/history/tasks/{task}"),
            messages(&task, &others, None),
            format!("{}/{}/media/{}", messages(&task, &others, None), sid("IM", 7_000_000), sid("ME", 1)),
        ] {
            let answer = rig.get(&path).await;
            assert_eq!(error(&answer), "404 not_found", "{path}");
            bodies.push(bare(&answer));
            costs.insert(rig.twilio.asked().len());
        }
    }
    // In the agent's own task: another's conversation, one that there is not, what is no conversation at all.
    rig.get(&messages(&sid("WT", 1), &sid("CH", 1), None)).await;
    rig.twilio.asked();
    let mut own_costs = BTreeSet::new();
    for conversation in [others.as_str(), &sid("CH", 0xdead), "CH1", "%2e%2e", "CH%00"] {
        let answer = rig.get(&messages(&sid("WT", 1), conversation, None)).await;
        assert_eq!(error(&answer), "404 not_found", "{conversation}");
        bodies.push(bare(&answer));
        own_costs.insert(rig.twilio.asked().len());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
    assert_eq!((costs, own_costs), (BTreeSet::from([2]), BTreeSet::from([0])));
}

#[tokio::test]
async fn a_task_that_is_wrapped_up_gives_nothing_soon_after() {
    let rig = Rig::with_source(&[]).await;
    let path = messages(&sid("WT", 1), &sid("CH", 1), None);
    assert_eq!(rig.get(&path).await.status, 200);
    rig.twilio.world().tasks.get_mut(&sid("WT", 1)).unwrap().1[0].1 = "completed";
    rig.service.clock.advance(Duration::from_secs(29));
    rig.twilio.asked();
    assert_eq!(rig.get(&path).await.status, 200, "remembered, so that scrolling is fast");
    assert!(rig.twilio.asked().iter().all(|line| !line.contains("Tasks")));
    rig.service.clock.advance(Duration::from_secs(1));
    assert_eq!(error(&rig.get(&path).await), "404 not_found");
    assert_eq!(error(&rig.get(&format!("/v1/history/tasks/{}", sid("WT", 1))).await), "404 not_found");
}

#[tokio::test]
async fn whoever_is_no_valid_worker_of_this_account_reads_nothing() {
    let rig = Rig::with_source(&[]).await;
    let path = messages(&sid("WT", 1), &sid("CH", 1), None);
    let send = async |request: axum::http::request::Builder| {
        rig.service.send(request.body(Body::empty()).unwrap()).await
    };
    let bare = || Request::get(&path).header("origin", FLEX);
    assert_eq!(error(&send(bare()).await), "401 missing_token");
    assert_eq!(
        error(&send(bare().header("authorization", "Bearer canary canary")).await),
        "400 malformed_request"
    );
    let origin = Request::get(&path).header("authorization", format!("Bearer {FLEX_TOKEN}"));
    assert_eq!(error(&send(origin.header("origin", "https://evil.example")).await), "403 origin_not_allowed");
    let extension = Request::get(&path).header("origin", ORIGIN);
    assert_eq!(error(&send(extension).await), "403 origin_not_allowed", "the extension needs no history");
    let account = format!("{path}?account_sid=AC{}", "7".repeat(32));
    assert_eq!(error(&send(question(&account)).await), "403 wrong_account");
    assert_eq!(rig.get(&format!("{path}?account_sid={ACCOUNT}")).await.status, 200);
    assert_eq!(error(&rig.get(&format!("{path}?limit=1000")).await), "400 malformed_request");

    rig.twilio.asked();
    rig.service.twilio_says(200, invalid()).await;
    assert_eq!(error(&rig.get(&path).await), "401 invalid_flex_token");
    rig.service.twilio_says(404, json!({})).await;
    assert_eq!(error(&rig.get(&path).await), "403 wrong_account");
    let mut nobody = valid("ann", hours(8));
    nobody["worker_sid"] = Value::Null;
    rig.service.twilio_says(200, nobody).await;
    assert_eq!(error(&rig.get(&path).await), "403 not_allowed");
    rig.service.twilio_says(500, json!({})).await;
    assert_eq!(error(&rig.get(&path).await), "503 upstream_unavailable");
    assert_eq!(rig.twilio.asked(), Vec::<String>::new(), "nothing was read meanwhile");
}

#[tokio::test]
async fn who_was_shut_out_by_an_operator_reads_nothing_from_that_moment_on() {
    let rig = Rig::with_source(&["--validation-cache-seconds", "30"]).await;
    let path = messages(&sid("WT", 1), &sid("CH", 1), None);
    assert_eq!(rig.get(&path).await.status, 200);
    let names = [
        token_service::revocations::Name::WorkerSid(WORKER.parse().unwrap()),
        token_service::revocations::Name::Identity("ext_agent_40example_2Ecom".parse().unwrap()),
    ];
    for name in names {
        rig.service.state.service.revoke(&name, 10).await.unwrap();
        assert_eq!(error(&rig.get(&path).await), "403 not_allowed", "{name}");
        rig.service.state.service.restore(&name).await;
        assert_eq!(rig.get(&path).await.status, 200);
    }
}

#[tokio::test]
async fn a_page_of_flex_may_ask_by_get_and_by_nothing_else() {
    let rig = Rig::with_source(&[]).await;
    let path = messages(&sid("WT", 1), &sid("CH", 1), None);
    let preflight = Request::options(&path)
        .header("origin", FLEX)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization");
    let answer = rig.service.send(preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(
        (answer.header("access-control-allow-origin"), answer.header("access-control-allow-methods")),
        (Some(FLEX), Some("GET"))
    );
    assert!(answer.header("access-control-allow-headers").unwrap().contains("authorization"));
    let answer = rig.get(&path).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some(FLEX));
    for method in ["POST", "PUT", "DELETE", "PATCH", "HEAD"] {
        let request = question(&path).method(method).body(Body::empty()).unwrap();
        let answer = rig.service.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET")), "{method}");
    }
    // It may not ask for Voice tokens by that.
    let voice = support::with_header("origin", Some(FLEX));
    assert_eq!(rig.service.send(voice).await.error(), "403 origin_not_allowed");
}

/// Whatever the messages between two pages do, and whatever Twilio's page tokens stand for.
#[tokio::test]
async fn no_message_is_skipped_or_doubled_when_others_are_removed_or_arrive_between_two_pages() {
    let source = sid("CH", 1);
    for counts in [false, true] {
        let rig = Rig::with_source(&[]).await;
        rig.twilio.world().counts = counts;
        let seen = rig
            .all(&source, |turn, world| {
                let messages = &mut world.conversations.get_mut(&sid("CH", 1)).unwrap().messages;
                match turn {
                    // Of the page that was read, of the one to come, and across the border.
                    0 => messages.retain(|index, _| !matches!(*index, 245 | 200 | 149 | 150 | 148 | 120)),
                    _ => {
                        for index in 250..290 {
                            let arrived = message(9_000_000 + index, index, CUSTOMER, "new", &day(10));
                            messages.insert(index, arrived);
                        }
                    }
                }
            })
            .await;
        let gone = [149, 148, 120];
        let expected: Vec<u64> = (0..250).rev().filter(|index| !gone.contains(index)).collect();
        assert_eq!(seen, expected, "counts: {counts}");
    }
}

#[tokio::test]
async fn gaps_are_no_error_and_an_emptied_conversation_ends() {
    let source = sid("CH", 1);
    for counts in [false, true] {
        let rig = Rig::with_source(&[]).await;
        rig.twilio.world().counts = counts;
        let keep = |index: u64| index.is_multiple_of(7);
        let retain = |world: &mut World| {
            world.conversations.get_mut(&sid("CH", 1)).unwrap().messages.retain(|index, _| keep(*index));
        };
        retain(&mut rig.twilio.world());
        assert_eq!(
            rig.all(&source, |_, _| {}).await,
            (0..250).rev().filter(|index| keep(*index)).collect::<Vec<_>>()
        );

        let rig = Rig::with_source(&[]).await;
        rig.twilio.world().counts = counts;
        let seen = rig.all(&source, |_, world| {
            world.conversations.get_mut(&sid("CH", 1)).unwrap().messages.clear();
        });
        assert_eq!(seen.await.len(), 100, "what was there when it was read");
    }
}

/// Forty conversations of the customer, in no order, of which one gets a message between the pages.
#[tokio::test]
async fn all_earlier_conversations_of_the_customer_come_newest_first_and_none_is_lost_or_doubled_when_one_moves()
 {
    let rig = Rig::with_source(&["--history-customer-conversations"]).await;
    {
        let mut world = rig.twilio.world();
        for number in 10..50 {
            world.conversation(number, CUSTOMER, 1, (number * 7) % 41 + 20);
        }
        world.conversation(99, STRANGER, 1, 30);
        let own = world.conversation(2, CUSTOMER, 1, 90);
        world.task(
            1,
            WORKER,
            "accepted",
            json!({"sourceConversationSid": sid("CH", 1), "conversationSid": own}),
        );
    }
    let task = sid("WT", 1);
    let first = rig.overview(&task, None).await;
    assert!(first.conversations[0].source && first.conversations[0].sid == sid("CH", 1));
    // One of the last moves up, and another agent's memory of it is gone.
    let moved =
        rig.twilio.world().conversations.iter_mut().find(|(_, it)| it.began == 20).map(|(sid, it)| {
            it.changed = 200;
            sid.clone()
        });
    rig.service.clock.advance(Duration::from_secs(31));
    let second = rig.overview(&task, first.cursor.as_deref()).await;
    let pages = [first.conversations, second.conversations];
    assert_eq!(pages.each_ref().map(Vec::len), [21, 20], "the source, and forty others");
    assert_eq!(second.cursor, None);
    let others: Vec<_> = pages.into_iter().flatten().filter(|conversation| !conversation.source).collect();
    assert!(others.is_sorted_by(|a, b| a.started_at >= b.started_at));
    let sids: BTreeSet<&str> = others.iter().map(|conversation| conversation.sid.as_str()).collect();
    assert_eq!(sids.len(), 40);
    assert!(sids.contains(moved.unwrap().as_str()) && !sids.contains(sid("CH", 99).as_str()));
    assert_eq!(rig.page(&sid("CH", 10), None).await.messages.len(), 1, "and they can be read");
    assert_eq!(error(&rig.get(&messages(&task, &sid("CH", 99), None)).await), "404 not_found");
}

#[tokio::test]
async fn where_it_is_not_switched_on_only_the_source_can_be_read() {
    let rig = Rig::with_source(&[]).await;
    rig.twilio.world().conversation(3, CUSTOMER, 5, 5);
    assert_eq!(rig.overview(&sid("WT", 1), None).await.conversations.len(), 1);
    assert_eq!(error(&rig.get(&messages(&sid("WT", 1), &sid("CH", 3), None)).await), "404 not_found");
}

#[tokio::test]
async fn callers_who_withhold_their_number_have_no_history_in_common() {
    for withheld in ["+266696687", "Anonymous", "anonymous", "Restricted", "+7378742833"] {
        let rig = Rig::start(&["--history-customer-conversations"]).await;
        {
            let mut world = rig.twilio.world();
            world.conversation(1, withheld, 5, 5);
            let own = world.conversation(2, withheld, 1, 9);
            world.task(
                1,
                WORKER,
                "accepted",
                json!({"conversationSid": own, "customerAddress": withheld, "from": withheld}),
            );
            world.task(2, WORKER, "accepted", json!({"customerAddress": withheld, "from": withheld}));
        }
        for task in [sid("WT", 1), sid("WT", 2)] {
            assert_eq!(rig.overview(&task, None).await.conversations, [], "{withheld}");
            assert_eq!(error(&rig.get(&messages(&task, &sid("CH", 1), None)).await), "404 not_found");
        }
    }
}

#[tokio::test]
async fn a_colleagues_conversations_are_not_the_customers() {
    let rig = Rig::start(&["--history-customer-conversations"]).await;
    {
        let mut world = rig.twilio.world();
        let own = world.conversation(2, CUSTOMER, 1, 9);
        let agents = world.conversation(3, STRANGER, 5, 5);
        for conversation in [own, agents] {
            let participants = &mut world.conversations.get_mut(&conversation).unwrap().participants;
            participants.push(by_chat("bob", "agent"));
            participants.push(json!({"identity": "carol", "attributes": null, "messaging_binding": null}));
        }
        // Also where the customer calls themselves so.
        let attributes = json!({"conversationSid": sid("CH", 2), "customerName": "bob", "from": "bob"});
        world.task(1, WORKER, "accepted", attributes);
    }
    assert_eq!(rig.overview(&sid("WT", 1), None).await.conversations, []);
    assert_eq!(error(&rig.get(&messages(&sid("WT", 1), &sid("CH", 3), None)).await), "404 not_found");
}

#[tokio::test]
async fn where_it_is_asked_for_a_source_must_share_its_customer_with_the_tasks_own_conversation() {
    let rig = Rig::start(&["--history-same-customer-only"]).await;
    let agent = by_chat("agent_40example_2Ecom", "agent");
    {
        let mut world = rig.twilio.world();
        world.conversation(1, CUSTOMER, 5, 5);
        world.conversation(2, STRANGER, 5, 5);
        world.conversation(3, CUSTOMER, 1, 9);
        world.conversation(4, STRANGER, 1, 9);
        world.conversations.get_mut(&sid("CH", 3)).unwrap().participants.push(agent);
        for (task, source, own) in [(1, 1, Some(3)), (2, 2, Some(3)), (3, 2, Some(4)), (4, 1, None)] {
            let own = own.map(|own| sid("CH", own));
            let attributes = json!({"sourceConversationSid": sid("CH", source), "conversationSid": own});
            world.task(task, WORKER, "accepted", attributes);
        }
    }
    for (task, source, why) in [
        (1, Some(1), "the same customer"),
        (2, None, "another customer"),
        (3, None, "the same, but the agent is not in what the task calls its own"),
        (4, None, "there is nothing to compare with"),
    ] {
        let found = rig.overview(&sid("WT", task), None).await.conversations;
        let found: Vec<&str> = found.iter().map(|conversation| conversation.sid.as_str()).collect();
        assert_eq!(found, source.map(|source| sid("CH", source)).iter().collect::<Vec<_>>(), "{why}");
    }
    assert_eq!(error(&rig.get(&messages(&sid("WT", 2), &sid("CH", 2), None)).await), "404 not_found");
}

#[tokio::test]
async fn a_cursor_of_another_list_or_a_made_up_one_is_refused() {
    let rig = Rig::with_source(&["--history-customer-conversations"]).await;
    let (own, other) = {
        let mut world = rig.twilio.world();
        let own = sid("CH", 1);
        let other = world.conversation(3, STRANGER, 250, 10);
        world.task(2, WORKER, "accepted", json!({"sourceConversationSid": other}));
        (own, other)
    };
    let path = messages(&sid("WT", 2), &other, None);
    let theirs = read::<HistoryPage>(&rig.get(&path).await).cursor.unwrap();
    let mine = rig.page(&own, None).await.cursor.unwrap();
    assert!(rig.page(&own, Some(&mine)).await.messages.iter().all(|message| message.index < 150));
    let long = "A".repeat(5000);
    for cursor in [theirs.as_str(), "", "AAAA", "../..", "%00", &long, &mine[1..], &format!("{mine}A")] {
        let answer = rig.get(&messages(&sid("WT", 1), &own, Some(cursor))).await;
        assert_eq!(error(&answer), "400 malformed_request", "{cursor}");
        let answer = rig.get(&format!("/v1/history/tasks/{}?cursor={cursor}", sid("WT", 1))).await;
        assert_eq!(error(&answer), "400 malformed_request", "{cursor}");
    }
}

/// A customer who is not this agent's: whatever is sent, nothing of theirs is seen.
#[tokio::test]
async fn a_thousand_hostile_requests_see_no_message_of_another_customer() {
    let rig =
        Rig::with_source(&["--history-customer-conversations", "--history-requests-per-minute", "100000"])
            .await;
    let secret = "not for this agent";
    {
        let mut world = rig.twilio.world();
        for number in 10..20 {
            let theirs = world.conversation(number, STRANGER, 120, 10);
            let conversation = world.conversations.get_mut(&theirs).unwrap();
            for (index, message) in &mut conversation.messages {
                message["body"] = json!(secret);
                message["media"] = json!([{"sid": sid("ME", number * 1000 + index), "filename": secret}]);
            }
            world.task(number, OTHER_WORKER, "accepted", json!({"sourceConversationSid": theirs}));
            // The agent had it, and has it no more.
            world.task(number + 10, WORKER, "completed", json!({"sourceConversationSid": theirs}));
        }
        let own = world.conversation(2, CUSTOMER, 1, 20);
        world.task(
            1,
            WORKER,
            "accepted",
            json!({"sourceConversationSid": sid("CH", 1), "conversationSid": own}),
        );
    }
    let mine = rig.page(&sid("CH", 1), None).await.cursor.unwrap();
    let log = capture_log();
    let mut random = Random(0x5eed);
    let mut statuses = std::collections::BTreeMap::new();
    for _ in 0..1000 {
        let task = sid("WT", [1, 1, 1, 10, 15, 20, 25, 0xdead][random.below(8)]);
        let theirs = sid("CH", 10 + random.below(10) as u64);
        let task = hostile(&mut random, &task);
        let conversation = hostile(&mut random, &theirs);
        let im = sid("IM", 10_000_000 + random.below(120) as u64);
        let me = sid("ME", 10_000 + random.below(120) as u64);
        let cursor = match random.below(4) {
            0 => format!("?cursor={mine}"),
            1 => format!("?cursor={}", hostile(&mut random, &mine)),
            2 => format!("?cursor={theirs}&account_sid={ACCOUNT}"),
            _ => String::new(),
        };
        let path = match random.below(6) {
            5 => messages(&sid("WT", 1), &sid("CH", 1), None) + &cursor,
            0 => format!("/v1/history/tasks/{task}{cursor}"),
            1 => format!("/v1/history/tasks/{task}/conversations/{conversation}/messages{cursor}"),
            2 => format!("/v1/history/tasks/{task}/conversations/{conversation}/messages/{im}/media/{me}"),
            3 => format!(
                "/v1/history/tasks/{}/conversations/{}/messages/{im}/media/{me}",
                sid("WT", 1),
                sid("CH", 1)
            ),
            _ => format!(
                "/v1/history/tasks/{}/conversations/{}/../{theirs}/messages{cursor}",
                sid("WT", 1),
                sid("CH", 1)
            ),
        };
        let Ok(request) = question(&path).body(Body::empty()) else { continue };
        let answer = rig.service.send(request).await;
        *statuses.entry(answer.status.as_u16()).or_insert(0) += 1;
        assert!(!answer.body.contains(secret) && !answer.body.contains(STRANGER), "{path}: {}", answer.body);
        assert!(
            !answer.body.contains(&theirs) && !answer.body.contains("https://media"),
            "{path}: {}",
            answer.body
        );
        assert!([200, 400, 404].contains(&answer.status.as_u16()), "{path}: {}", answer.body);
    }
    assert!(statuses[&404] > 500 && statuses[&400] > 20, "{statuses:?}");
    let read = rig
        .twilio
        .asked()
        .into_iter()
        .filter(|line| (10..20).any(|number| line.contains(&sid("CH", number))));
    assert_eq!(read.collect::<Vec<_>>(), Vec::<String>::new(), "nor is any of it read");
    assert!(!log.text().contains("token_service::history\",\"what\":\"media"));
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// As it is, or a little changed.
fn hostile(random: &mut Random, text: &str) -> String {
    match random.below(8) {
        0 => format!("..%2f{text}"),
        1 => format!("{text}%2f.."),
        2 => format!("%2e%2e/{text}"),
        3 => text.replace('0', "%30"),
        4 => format!("{text}%00"),
        5 => text.to_lowercase(),
        _ => text.to_owned(),
    }
}

#[tokio::test]
async fn older_messages_are_hidden_by_the_retention_rule_everywhere() {
    // The test's clock is at 2023-11-14, day 317.
    let rig = Rig::with_source(&["--history-retention-days", "7", "--history-customer-conversations"]).await;
    {
        let mut world = rig.twilio.world();
        let source = sid("CH", 1);
        let messages = &mut world.conversations.get_mut(&source).unwrap().messages;
        for (index, message) in messages {
            message["date_created"] = json!(day(if *index < 200 { 300 } else { 315 }));
            message["media"] = json!([{"sid": sid("ME", *index), "content_type": "image/png"}]);
        }
        world.conversation(3, CUSTOMER, 5, 300);
        world.conversation(4, CUSTOMER, 5, 312);
        world.conversation(5, CUSTOMER, 5, 300);
        world.conversations.get_mut(&sid("CH", 5)).unwrap().changed = 316;
        world.task(
            1,
            WORKER,
            "accepted",
            json!({"sourceConversationSid": source, "customerAddress": CUSTOMER}),
        );
    }
    let overview = rig.overview(&sid("WT", 1), None).await;
    let sids: Vec<&str> =
        overview.conversations.iter().map(|conversation| conversation.sid.as_str()).collect();
    assert_eq!(
        (sids, overview.retention_days),
        (vec![sid("CH", 1).as_str(), &sid("CH", 4), &sid("CH", 5)], Some(7))
    );
    let page = rig.page(&sid("CH", 1), None).await;
    assert_eq!(
        (page.messages.len(), page.messages[0].index, page.hidden, page.cursor),
        (50, 200, true, None)
    );
    let page = rig.page(&sid("CH", 5), None).await;
    assert_eq!((page.messages.len(), page.hidden, page.cursor), (0, true, None));
    let media = |index: u64| {
        format!(
            "{}/{}/media/{}",
            messages(&sid("WT", 1), &sid("CH", 1), None),
            sid("IM", 1_000_000 + index),
            sid("ME", index)
        )
    };
    assert_eq!(rig.get(&media(249)).await.status, 200);
    assert_eq!(error(&rig.get(&media(199)).await), "404 not_found");
    assert_eq!(error(&rig.get(&messages(&sid("WT", 1), &sid("CH", 3), None)).await), "404 not_found");
}

#[tokio::test]
async fn a_link_is_given_only_for_a_file_of_that_message_and_only_to_twilios_hosts() {
    let log = capture_log();
    let rig = Rig::with_source(&[]).await;
    let (im, me) = (sid("IM", 1_000_005), sid("ME", 5));
    {
        let mut world = rig.twilio.world();
        let messages = &mut world.conversations.get_mut(&sid("CH", 1)).unwrap().messages;
        messages.get_mut(&5).unwrap()["media"] = json!([{"sid": me}]);
        messages.get_mut(&6).unwrap()["media"] = json!({"sid": sid("ME", 6)});
        world.link = "https://media.us1.twilio.com/ME5?Signature=abc".into();
    }
    let path = |message: &str, media: &str| {
        format!("{}/{message}/media/{media}", messages(&sid("WT", 1), &sid("CH", 1), None))
    };
    let link: MediaLink = read(&rig.get(&path(&im, &me)).await);
    assert_eq!(link.url, "https://media.us1.twilio.com/ME5?Signature=abc");
    // Whoever has it can read the file, without any token.
    assert!(!log.text().contains("Signature=abc"));
    assert_eq!(rig.get(&path(&sid("IM", 1_000_006), &sid("ME", 6))).await.status, 200, "the old shape");
    assert_eq!(error(&rig.get(&path(&im, &sid("ME", 6))).await), "404 not_found", "of another message");
    assert_eq!(error(&rig.get(&path(&sid("IM", 0xdead), &me)).await), "404 not_found");
    for link in [
        "https://evil.example/ME5",
        "http://media.us1.twilio.com/ME5",
        "",
        "https://twilio.com.evil.example/",
    ] {
        rig.twilio.world().link = link.into();
        assert_eq!(error(&rig.get(&path(&im, &me)).await), "503 upstream_unavailable", "{link}");
    }
}

#[tokio::test]
async fn odd_messages_hide_nothing_of_the_others() {
    let rig = Rig::start(&[]).await;
    let source = sid("CH", 1);
    {
        let mut world = rig.twilio.world();
        world.conversation(1, CUSTOMER, 8, 10);
        world.users.insert("bob_40example_2Ecom".into(), "Bob".into());
        world.users.insert("eve_40example_2Ecom".into(), "eve@example.com".into());
        let conversation = world.conversations.get_mut(&source).unwrap();
        conversation.participants.push(by_chat("bob_40example_2Ecom", "agent"));
        conversation.participants.extend([json!(7), json!({"identity": 3})]);
        let mut set = |index: u64, fields: Value| {
            let message = conversation.messages.get_mut(&index).unwrap();
            for (name, value) in fields.as_object().unwrap() {
                message[name] = value.clone();
            }
        };
        set(0, json!({"body": null, "media": null, "attributes": null}));
        set(1, json!({"sid": 7}));
        set(
            2,
            json!({"body": "", "attributes": "{\"latitude\":\"52.5\",\"longitude\":\"13.4\",\"label\":\"Berlin\"}"}),
        );
        set(
            3,
            json!({"body": null, "type": "media", "media": {"sid": sid("ME", 3), "content_type": "IMAGE/png",
            "filename": "../a\u{202e}gpj.exe", "size": 12}}),
        );
        set(4, json!({"author": "bob_40example_2Ecom", "date_created": "soon"}));
        set(5, json!({"author": "system", "index": null}));
        set(6, json!({"author": "Order Bot", "body": "a\u{0}b"}));
        set(7, json!({"author": "eve_40example_2Ecom", "body": {"text": "?"}}));
        let attributes =
            json!({"sourceConversationSid": source, "customerAddress": CUSTOMER, "customerName": "Jane"});
        world.task(1, WORKER, "accepted", attributes);
    }
    let page = rig.page(&source, None).await;
    let shown = page.messages.iter().map(|message| {
        (message.index, message.author.role, message.author.name.as_str(), message.body.as_str())
    });
    let shown: Vec<_> = shown.collect();
    assert_eq!(
        shown,
        [
            (0, AuthorRole::Customer, "Jane", ""),
            (2, AuthorRole::Customer, "Jane", ""),
            (3, AuthorRole::Customer, "Jane", ""),
            (4, AuthorRole::Agent, "Bob", "message 4 of 1"),
            (5, AuthorRole::Bot, "", "message 5 of 1"),
            (6, AuthorRole::Bot, "Order Bot", "ab"),
            (7, AuthorRole::Agent, "", ""),
        ]
    );
    assert_eq!(page.messages[1].place.as_ref().unwrap().label, "Berlin");
    let media = serde_json::to_value(&page.messages[2].media).unwrap();
    assert_eq!(
        media,
        json!([{"sid": sid("ME", 3), "content_type": "image/png", "filename": "agpj.exe", "size": 12}])
    );
    assert_eq!(page.messages[3].at, "");
    assert!(!serde_json::to_string(&page).unwrap().contains("_40example"), "no agent's login");
    let overview = rig.overview(&sid("WT", 1), None).await;
    assert_eq!(overview.conversations[0].agents, ["Bob"]);
}

#[tokio::test]
async fn a_deleted_source_is_not_listed_and_not_found_and_the_others_are_there() {
    let rig = Rig::with_source(&["--history-customer-conversations"]).await;
    {
        let mut world = rig.twilio.world();
        world.conversations.remove(&sid("CH", 1));
        world.conversation(3, CUSTOMER, 5, 300);
        let attributes = json!({"sourceConversationSid": sid("CH", 1), "customerAddress": CUSTOMER});
        world.task(1, WORKER, "accepted", attributes);
    }
    let overview = rig.overview(&sid("WT", 1), None).await;
    assert_eq!((overview.conversations.len(), overview.conversations[0].source), (1, false));
    assert_eq!(error(&rig.get(&messages(&sid("WT", 1), &sid("CH", 1), None)).await), "404 not_found");
}

#[tokio::test]
async fn a_twilio_that_is_down_busy_or_refuses_our_key_is_told_apart_and_left_alone() {
    let rig = Rig::with_source(&[]).await;
    let path = messages(&sid("WT", 1), &sid("CH", 1), None);
    let fault = |begin: &str, status: u16| rig.twilio.world().faults = vec![(begin.to_owned(), status)];
    fault("/v1/Workspaces", 503);
    assert_eq!(error(&rig.get(&path).await), "503 upstream_unavailable");
    fault("/v1/Conversations", 401);
    assert_eq!(error(&rig.get(&path).await), "500 internal");
    fault("/v1/Conversations", 500);
    for _ in 0..4 {
        assert_eq!(error(&rig.get(&path).await), "503 upstream_unavailable");
    }
    rig.twilio.asked();
    let answer = rig.get(&path).await;
    assert_eq!(error(&answer), "503 upstream_unavailable");
    assert_eq!(rig.twilio.asked(), Vec::<String>::new(), "after five failures it is left alone");
    fault("/nothing", 500);
    rig.service.clock.advance(Duration::from_secs(2));
    assert_eq!(error(&rig.get(&path).await), "503 upstream_unavailable", "one question tries it");
    assert_eq!(rig.get(&path).await.status, 200, "and then all may");
    fault("/v1/Conversations", 429);
    assert_eq!(
        error(&rig.get(&messages(&sid("WT", 1), &sid("CH", 1), None)).await),
        "503 upstream_unavailable"
    );
    rig.service.clock.advance(Duration::from_secs(2));
    fault("/nothing", 500);
    assert_eq!(rig.get(&path).await.status, 200);
}

#[tokio::test]
async fn a_twilio_that_does_not_answer_costs_the_agent_two_seconds_and_no_more() {
    let rig = Rig::with_source(&[]).await;
    rig.twilio.world().faults = vec![("/v1/Conversations".into(), 0)];
    let path = messages(&sid("WT", 1), &sid("CH", 1), None);
    let answer = tokio::time::timeout(Duration::from_secs(30), rig.get(&path));
    assert_eq!(error(&answer.await.unwrap()), "503 upstream_unavailable");
}

#[tokio::test]
async fn names_that_cannot_be_read_do_not_keep_messages_back() {
    let rig = Rig::with_source(&[]).await;
    rig.twilio.world().faults = vec![("/v1/Users".into(), 500)];
    {
        let mut world = rig.twilio.world();
        let conversation = world.conversations.get_mut(&sid("CH", 1)).unwrap();
        conversation.participants.push(by_chat("bob", "agent"));
        conversation.participants.push(by_number("whatsapp:+1555"));
        conversation.messages.get_mut(&249).unwrap()["author"] = json!("bob");
    }
    let page = rig.page(&sid("CH", 1), None).await;
    assert_eq!((page.messages.len(), page.messages[99].author.role), (100, AuthorRole::Agent));
}

#[tokio::test]
async fn one_worker_has_so_many_requests_a_minute() {
    let rig = Rig::with_source(&["--history-requests-per-minute", "3"]).await;
    let path = messages(&sid("WT", 1), &sid("CH", 1), None);
    for _ in 0..3 {
        assert_eq!(rig.get(&path).await.status, 200);
    }
    let answer = rig.get(&path).await;
    assert_eq!(
        (error(&answer).as_str(), answer.header("ratelimit")),
        ("429 rate_limited", Some("\"worker\";r=0;t=20"))
    );
    assert_eq!(rig.service.ask().await.status, 200, "Voice tokens have their own");
    let mut other = valid("bob", hours(8));
    other["worker_sid"] = json!(OTHER_WORKER);
    rig.service.twilio_says(200, other).await;
    assert_eq!(error(&rig.get(&path).await), "404 not_found", "another worker's are their own");
    rig.service.twilio_says(200, valid("agent_40example_2Ecom", hours(8))).await;
    rig.service.clock.advance(Duration::from_secs(20));
    assert_eq!(rig.get(&path).await.status, 200);
}

#[tokio::test]
async fn refused_tokens_at_history_are_counted_apart_from_those_for_voice() {
    let rig = Rig::with_source(&["--failures-per-minute", "2"]).await;
    rig.service.twilio_says(200, invalid()).await;
    let path = messages(&sid("WT", 1), &sid("CH", 1), None);
    let mut last = String::new();
    for number in 0..8 {
        let request = Request::get(&path)
            .header("origin", FLEX)
            .header("authorization", format!("Bearer canary-{number}"));
        last = error(&rig.service.send(request.body(Body::empty()).unwrap()).await);
    }
    assert_eq!(last, "429 rate_limited");
    assert_eq!(rig.service.ask().await.error(), "401 invalid_flex_token");
}

#[tokio::test]
async fn each_read_is_a_line_of_the_log_and_is_counted_and_nothing_that_was_read_is_in_either() {
    let log = capture_log();
    let rig = Rig::with_source(&[]).await;
    rig.overview(&sid("WT", 1), None).await;
    rig.page(&sid("CH", 1), None).await;
    rig.get(&messages(&sid("WT", 1), &sid("CH", 7), None)).await;
    let text = log.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut reads: Vec<Value> =
        lines.iter().filter(|line| line["target"] == "token_service::history").cloned().collect();
    for line in &mut reads {
        line.as_object_mut().unwrap().retain(|name, _| !["timestamp", "request.id"].contains(&name.as_str()));
    }
    let line = |what: &str| {
        json!({
            "level": "INFO", "target": "token_service::history", "message": "history read", "account": ACCOUNT,
            "worker": WORKER, "task": sid("WT", 1), "what": what,
        })
    };
    let mut messages = line("messages");
    messages["conversation"] = json!(sid("CH", 1));
    assert_eq!(reads, [line("overview"), messages]);
    let routes = lines.iter().filter_map(|line| line["route"].as_str());
    assert_eq!(
        routes.collect::<Vec<_>>(),
        [
            "/v1/history/tasks/{task}",
            "/v1/history/tasks/{task}/conversations/{conversation}/messages",
            "/v1/history/tasks/{task}/conversations/{conversation}/messages",
        ]
    );
    let told = lines.iter().filter(|line| !["TRACE", "DEBUG"].contains(&line["level"].as_str().unwrap()));
    for line in told {
        let line = line.to_string();
        assert!(!line.contains(CUSTOMER) && !line.contains("message 249"), "{line}");
    }
    let metrics = rig.service.state.service.metrics.render();
    for counted in [
        r#"token_service_history_reads_total{what="overview"} 1"#,
        r#"token_service_history_reads_total{what="messages"} 1"#,
        r#"token_service_history_requests_total{api="taskrouter",outcome="answered"} 2"#,
        r#"token_service_history_request_duration_seconds_count{api="conversations"}"#,
    ] {
        assert!(metrics.contains(counted), "{counted} in {metrics}");
    }
}
