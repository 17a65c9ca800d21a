//! `syncbridge status`.

use std::time::Duration;

use anyhow::{Context, bail};
use bridge_core::wire;
use clap::Args;
use serde_json::json;
use syncbridge_proto::v1 as pb;
use syncbridge_proto::v1::admin_service_client::AdminServiceClient;
use tonic::transport::{Channel, Endpoint};

/// How long a server may take to answer.
pub(super) const WITHIN: Duration = Duration::from_secs(4);

#[derive(Args)]
pub(super) struct StatusOptions {
    /// The server: grpc://HOST:PORT or unix:///PATH.
    #[arg(long, env = "SYNCBRIDGE_URL", default_value = "grpc://127.0.0.1:7420")]
    url: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: StatusOptions) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        tokio::time::timeout(WITHIN, ask(&options.url))
            .await
            .unwrap_or_else(|_| bail!("{} does not answer within {WITHIN:?}", options.url))
    })?;
    if options.json {
        print_json(&status)
    } else {
        print_table(&options.url, &status)
    }
    Ok(())
}

async fn ask(url: &str) -> anyhow::Result<pb::GetStatusResponse> {
    let mut client = AdminServiceClient::new(connect(url).await?);
    let response = client.get_status(pb::GetStatusRequest {}).await;
    let status = response.map_err(|status| anyhow::anyhow!("{url}: {}", status.message()))?;
    Ok(status.into_inner())
}

pub(super) async fn connect(url: &str) -> anyhow::Result<Channel> {
    let endpoint = if let Some(rest) = url.strip_prefix("unix://") {
        let path = rest.split_once('#').map_or(rest, |(path, _)| path);
        Endpoint::from_shared(format!("unix://{path}"))
    } else if let Some(rest) = url.strip_prefix("grpc://") {
        let host = rest.split_once('/').map_or(rest, |(host, _)| host);
        Endpoint::from_shared(format!("http://{host}"))
    } else {
        bail!("{url:?} is no URL of a server; give grpc://HOST:PORT or unix:///PATH");
    };
    endpoint
        .with_context(|| format!("{url:?} is no URL of a server; give grpc://HOST:PORT or unix:///PATH"))?
        .connect()
        .await
        .map_err(|error| {
            anyhow::anyhow!("cannot connect to {url}: {}; is the server running?", deepest(&error))
        })
}

/// What the system said, below what the libraries wrapped around it.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

pub(super) fn seconds(duration: Option<prost_types::Duration>) -> f64 {
    duration.and_then(|d| wire::duration("uptime", d).ok()).unwrap_or_default().as_secs_f64()
}

fn print_json(status: &pb::GetStatusResponse) {
    let namespaces: Vec<_> = status
        .namespaces
        .iter()
        .map(|n| {
            json!({
                "name": n.name, "objects": n.objects, "sessions": n.sessions, "waits": n.waits,
                "items": n.items, "commands": n.commands,
            })
        })
        .collect();
    println!(
        "{:#}",
        json!({
            "version": status.version, "uptime_seconds": seconds(status.uptime),
            "serving": status.serving, "namespaces": namespaces,
        })
    );
}

fn print_table(url: &str, status: &pb::GetStatusResponse) {
    let state = if status.serving { "serving" } else { "stopping" };
    println!("syncbridge {} at {url}: {state}, up {:.0} s", status.version, seconds(status.uptime));
    if status.namespaces.is_empty() {
        println!("no namespaces yet");
        return;
    }
    println!(
        "{:<24} {:>10} {:>10} {:>10} {:>12} {:>14}",
        "namespace", "objects", "sessions", "waits", "items", "commands"
    );
    for n in &status.namespaces {
        println!(
            "{:<24} {:>10} {:>10} {:>10} {:>12} {:>14}",
            n.name, n.objects, n.sessions, n.waits, n.items, n.commands
        );
    }
}
