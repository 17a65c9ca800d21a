//! `syncbridge graph` and `syncbridge explain`.

use std::future::Future;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use syncbridge_proto::v1 as pb;
use syncbridge_proto::v1::admin_service_client::AdminServiceClient;
use tonic::transport::Channel;

use super::status::{WITHIN, connect, seconds};

/// Waits that are asked for at a time.
const PAGE: u32 = 1_000;

/// Waits that are printed at most.
const WAITS_MAX: usize = 100_000;

#[derive(Args)]
pub(super) struct Server {
    /// The server: grpc://HOST:PORT or unix:///PATH.
    #[arg(long, env = "SYNCBRIDGE_URL", default_value = "grpc://127.0.0.1:7420")]
    url: String,
    /// The namespace.
    #[arg(long, default_value = "default")]
    namespace: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct GraphOptions {
    #[command(flatten)]
    server: Server,
    /// Print the graph in the DOT language.
    #[arg(long, conflicts_with = "json")]
    dot: bool,
}

#[derive(Args)]
pub(super) struct ExplainOptions {
    #[command(flatten)]
    server: Server,
    /// The call: its session's id and its number.
    #[arg(value_name = "SESSION/OP")]
    call: String,
}

pub(super) fn run(options: GraphOptions) -> anyhow::Result<()> {
    let found = ask(&options.server, |client| whole_graph(client, &options.server.namespace))?;
    match (options.dot, options.server.json) {
        (true, _) => print!("{}", dot(&found)),
        (_, true) => println!("{:#}", graph_json(&found)),
        _ => print!("{}", graph_text(&found)),
    }
    Ok(())
}

pub(super) fn explain(options: ExplainOptions) -> anyhow::Result<()> {
    let Some((session_id, op)) = options.call.split_once('/') else {
        bail!("{:?} names no call; give SESSION/OP", options.call)
    };
    let op = op.parse().with_context(|| format!("{op:?} is no number of a call"))?;
    let request = pb::ExplainRequest {
        namespace: options.server.namespace.clone(),
        session_id: session_id.to_owned(),
        op,
    };
    let found = ask(&options.server, async |mut client| {
        Ok(client.explain(request).await.map_err(said)?.into_inner())
    })?;
    if options.server.json {
        println!("{:#}", explained_json(&found));
    } else {
        print!("{}", explained_text(&found));
    }
    Ok(())
}

fn ask<T, F: Future<Output = anyhow::Result<T>>>(
    server: &Server,
    ask: impl FnOnce(AdminServiceClient<Channel>) -> F,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = async { ask(AdminServiceClient::new(connect(&server.url).await?)).await };
    runtime.block_on(async {
        tokio::time::timeout(WITHIN, answer)
            .await
            .unwrap_or_else(|_| bail!("{} does not answer within {WITHIN:?}", server.url))
    })
}

fn said(status: tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("{}", status.message())
}

async fn whole_graph(
    mut client: AdminServiceClient<Channel>,
    namespace: &str,
) -> anyhow::Result<pb::GetWaitGraphResponse> {
    let mut request =
        pb::GetWaitGraphRequest { namespace: namespace.to_owned(), page_size: PAGE, ..Default::default() };
    let mut all = client.get_wait_graph(request.clone()).await.map_err(said)?.into_inner();
    while !all.next_page_token.is_empty() && all.waits.len() < WAITS_MAX {
        request.page_token = std::mem::take(&mut all.next_page_token);
        let page = client.get_wait_graph(request.clone()).await.map_err(said)?.into_inner();
        all.waits.extend(page.waits);
        all.next_page_token = page.next_page_token;
    }
    Ok(all)
}

fn who(participant: &pb::ParticipantIdentity) -> String {
    let pb::ParticipantIdentity {
        session_label, participant, participant_label, host, language, pid, ..
    } = participant;
    let label = match participant_label.as_str() {
        "" => format!("participant {participant}"),
        label => label.to_owned(),
    };
    format!("{label} of {session_label}@{host}:{pid} ({language})")
}

fn id(participant: &pb::ParticipantIdentity) -> String {
    format!("{}/{}", participant.session_id, participant.participant)
}

fn object(wait: &pb::WaitEdges) -> String {
    let kind = wait.kind().as_str_name().trim_start_matches("OBJECT_KIND_").to_lowercase();
    format!("{kind} {}", wait.name)
}

fn line(wait: &pb::WaitEdges) -> String {
    let participant = wait.participant.clone().unwrap_or_default();
    let owners: Vec<_> = wait.owners.iter().map(who).collect();
    let more = wait.owned_by.saturating_sub(wait.owners.len() as u64);
    let owners = match (owners.len(), more) {
        (0, _) => "owned by nobody".to_owned(),
        (_, 0) => format!("held by {}", owners.join(", ")),
        (_, more) => format!("held by {} and {more} more", owners.join(", ")),
    };
    let since = seconds(wait.waiting_for);
    format!(
        "{} waits for {} ({}, {since:.1} s, call {}/{}), {owners}",
        who(&participant),
        object(wait),
        wait.wants,
        participant.session_id,
        wait.op
    )
}

fn graph_text(found: &pb::GetWaitGraphResponse) -> String {
    let mut text = String::new();
    for wait in &found.waits {
        text += &format!("{}\n", line(wait));
    }
    if found.waits.is_empty() {
        text += "nobody waits for a lock, a permit or a condition\n";
    }
    if !found.next_page_token.is_empty() {
        text += &format!("... and more: only the first {} are shown\n", found.waits.len());
    }
    for deadlock in &found.deadlocks {
        let how = if deadlock.raised { "raised" } else { "reported" };
        text += &format!("deadlock, {how} {:.0} s ago: {}\n", seconds(deadlock.ago), deadlock.cycle);
    }
    if let Some(stall) = &found.stall {
        text += &format!("stalled, known for {:.0} s: {}\n", seconds(stall.ago), stall.waits);
    }
    text
}

/// Participants as nodes, waits as edges to every owner.
fn dot(found: &pb::GetWaitGraphResponse) -> String {
    let mut text = "digraph waits {\n".to_owned();
    for wait in &found.waits {
        let participant = wait.participant.clone().unwrap_or_default();
        for known in wait.owners.iter().chain([&participant]) {
            text += &format!("  {} [label={}];\n", quoted(&id(known)), quoted(&who(known)));
        }
        for owner in &wait.owners {
            let label = format!("{} ({:.1} s)", object(wait), seconds(wait.waiting_for));
            text += &format!(
                "  {} -> {} [label={}];\n",
                quoted(&id(&participant)),
                quoted(&id(owner)),
                quoted(&label)
            );
        }
    }
    text + "}\n"
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn wait_json(wait: &pb::WaitEdges) -> Value {
    let participant = |participant: &pb::ParticipantIdentity| {
        json!({
            "session": participant.session_id, "participant": participant.participant,
            "label": participant.participant_label, "program": participant.session_label,
            "host": participant.host, "language": participant.language, "pid": participant.pid,
        })
    };
    json!({
        "participant": wait.participant.as_ref().map(participant), "op": wait.op, "object": object(wait),
        "wants": wait.wants, "waiting_seconds": seconds(wait.waiting_for),
        "remaining_seconds": wait.remaining.map(|remaining| seconds(Some(remaining))),
        "owners": wait.owners.iter().map(participant).collect::<Vec<_>>(), "owned_by": wait.owned_by,
    })
}

fn graph_json(found: &pb::GetWaitGraphResponse) -> Value {
    let deadlocks = found.deadlocks.iter().map(|deadlock| {
        json!({
            "seconds_ago": seconds(deadlock.ago), "raised": deadlock.raised,
            "participants": deadlock.participants, "cycle": deadlock.cycle,
        })
    });
    let stall = found.stall.as_ref().map(|stall| {
        json!({
            "seconds_ago": seconds(stall.ago), "participants": stall.participants, "waits": stall.waits,
        })
    });
    json!({
        "waits": found.waits.iter().map(wait_json).collect::<Vec<_>>(),
        "complete": found.next_page_token.is_empty(),
        "deadlocks": deadlocks.collect::<Vec<_>>(), "stall": stall,
    })
}

fn state(found: &pb::ExplainResponse) -> &'static str {
    match found.state() {
        pb::CallState::Waiting => "waiting",
        pb::CallState::Offered => "granted, not accepted yet",
        pb::CallState::Answered => "answered",
        pb::CallState::Unknown | pb::CallState::Unspecified => "unknown: never made, or settled",
    }
}

fn explained_text(found: &pb::ExplainResponse) -> String {
    let mut text = format!("{}\n", state(found));
    if found.state() != pb::CallState::Waiting {
        return text;
    }
    text += &format!("{} wait before it\n", found.ahead);
    if !found.abandoned_by.is_empty() {
        let why = match found.abandoned_cause() {
            pb::AbandonedCause::Lease => "held it for longer than its lease",
            _ => "died holding it",
        };
        text += &format!("{} {why}\n", found.abandoned_by);
    }
    if let Some(last) = &found.last_giver {
        let how = if last.closed { "closed" } else { "expired" };
        text += &format!(
            "last {} by {}, whose session ended ({how}) {:.0} s ago\n",
            last.did,
            last.who,
            seconds(last.ago)
        );
    }
    for wait in &found.chain {
        text += &format!("{}\n", line(wait));
    }
    text += match (found.is_cycle, found.chain.last()) {
        (true, _) => "which is above: nobody in here goes on by itself\n",
        (false, Some(last)) if last.owners.is_empty() => "",
        _ => "which waits for no lock, permit or condition\n",
    };
    text
}

fn explained_json(found: &pb::ExplainResponse) -> Value {
    json!({
        "state": state(found), "ahead": found.ahead, "is_cycle": found.is_cycle,
        "abandoned_by": found.abandoned_by,
        "last_giver": found.last_giver.as_ref().map(|last| json!({
            "who": last.who, "did": last.did, "closed": last.closed, "seconds_ago": seconds(last.ago),
        })),
        "chain": found.chain.iter().map(wait_json).collect::<Vec<_>>(),
    })
}
