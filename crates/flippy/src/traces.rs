//! Traces: what a restart takes, as spans for an OpenTelemetry collector. Sent only where the standard variables say so.
//!
//! The threads and the time of this are its own: whatever the collector does, nothing else waits for it.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::DynFilterFn;
use tracing_subscriber::registry::LookupSpan;

/// How long the last spans may take. A pod that stops has better things to do.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a collector may take for one batch at most.
const TIME_OUT: Duration = Duration::from_secs(10);

/// Traces that are sent. Dropped, it sends what is left, within two seconds.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts to send if an environment names a collector.
    ///
    /// # Errors
    /// When what it says cannot be used, in one line.
    pub(crate) fn start(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let Some(collector) = collector(variable) else { return Ok(None) };
        // The client has a runtime of its own, and refuses to be made on a thread that has one.
        let made = std::thread::spawn(move || provider(&collector)).join();
        made.map_err(|_| "the client panicked".to_owned())?.map(|provider| Some(Self(provider)))
    }

    /// What takes spans: our own, and requests of the Kubernetes client that are made in one of them. Alone, the latter are
    /// watches and leases, endless and of no interest.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let of_interest = DynFilterFn::new(|metadata, context| {
            metadata.is_span()
                && (metadata.target().starts_with("flippy")
                    || metadata.target().starts_with("kube_client") && context.lookup_current().is_some())
        });
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("flippy"))
            // Lines of code and threads tell nobody anything here.
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(of_interest)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // If the collector is away, these are lost like those before.
        let _ = self.0.shutdown_with_timeout(FAREWELL);
    }
}

/// The URL that spans are posted to, by the rules of OTLP: the variable for traces as it is, the common one with a path.
fn collector(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    if set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || set("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none")
    {
        return None;
    }
    set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| {
        set("OTEL_EXPORTER_OTLP_ENDPOINT").map(|common| format!("{}/v1/traces", common.trim_end_matches('/')))
    })
}

fn provider(collector: &str) -> Result<SdkTracerProvider, String> {
    // Redirects might carry headers, and so secrets, elsewhere.
    let client = reqwest::blocking::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIME_OUT);
    // Without TLS nothing has to be trusted, and an image may hold no authorities.
    let client = if collector.starts_with("https:") { client } else { client.tls_certs_only([]) };
    let client = client.build().map_err(|error| error.to_string())?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(collector)
        .build()
        .map_err(|error| error.to_string())?;
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some_and(|name| !name.is_empty())
        || std::env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|attributes| attributes.contains("service.name="));
    let resource = Resource::builder();
    let resource = if named { resource } else { resource.with_service_name("flippy") };
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    use tracing::Instrument as _;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn named(set: &[(&str, &str)]) -> Option<String> {
        collector(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_campaign_is_told_to_a_collector() {
        let (_, posted, traces) = sending();
        let args = crate::demo::DemoArgs {
            speed: None,
            seed: 1,
            config: None,
            output: crate::demo::DemoOutput::Json,
            report: None,
            print_config: false,
        };
        let subscriber = tracing_subscriber::registry().with(traces.layer());
        let ended = tracing::subscriber::with_default(subscriber, || crate::demo::demo(&args));
        assert!(ended.is_ok(), "the demo failed");
        drop(traces);
        let (head, body) = posted.iter().next().expect("something was posted");
        assert!(head.starts_with("POST /v1/traces "), "{head}");
        for told in ["restart", "pass", "Deployment ", "restarted", "flippy"] {
            assert!(body.contains(told), "no {told} in {body}");
        }
    }

    #[test]
    fn requests_of_the_kubernetes_client_are_told_as_a_part_of_a_restart_and_never_alone() {
        let (url, posted, traces) = sending();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads can start");
        let requests = async {
            let config = kube::Config::new(url.parse().expect("it is a URL"));
            let client = kube::Client::try_from(config).expect("the config can be used");
            let get = async |path| {
                let request = http::Request::get(path).body(Vec::new()).expect("it is a path");
                client.request_text(request).await.expect("it is answered")
            };
            get("/alone").await;
            get("/in-a-restart").instrument(tracing::info_span!("restart")).await;
        };
        let subscriber = tracing_subscriber::registry().with(traces.layer());
        tracing::subscriber::with_default(subscriber, || runtime.block_on(requests));
        drop(traces);
        let (_, body) = posted.iter().find(|(head, _)| head.starts_with("POST ")).expect("something was posted");
        assert!(body.contains("/in-a-restart") && !body.contains("/alone"), "{body}");
    }

    /// Traces that are sent to a collector: its URL, and what is posted to it.
    fn sending() -> (String, std::sync::mpsc::Receiver<(String, String)>, Traces) {
        // As in `main`.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (url, posted) = listening();
        let traces = Traces::start(|name| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| url.clone()));
        let traces = traces.expect("the variables can be used").expect("a collector is named");
        (url, posted, traces)
    }

    /// A collector for as long as the process lives: its URL, and what is posted to it.
    fn listening() -> (String, std::sync::mpsc::Receiver<(String, String)>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (post, posted) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.expect("somebody connects"));
                let head: Vec<String> =
                    stream.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let length =
                    head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
                let mut body = vec![0; length.unwrap_or_default()];
                stream.read_exact(&mut body).expect("the body is as long as it says");
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                stream.get_mut().write_all(answer).expect("somebody waits for the answer");
                if post.send((head[0].clone(), String::from_utf8_lossy(&body).into_owned())).is_err() {
                    break;
                }
            }
        });
        (url, posted)
    }

    #[test]
    fn a_collector_is_named_by_the_variables_of_the_standard() {
        let (common, own) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        assert_eq!(named(&[(common, "http://c:4318/")]).as_deref(), Some("http://c:4318/v1/traces"));
        assert_eq!(named(&[(common, "http://c:4318"), (own, "http://t/in")]).as_deref(), Some("http://t/in"));
        assert_eq!(named(&[]), None);
        assert_eq!(named(&[(common, "")]), None);
        assert_eq!(named(&[(common, "http://c:4318"), ("OTEL_SDK_DISABLED", "true")]), None);
        assert_eq!(named(&[(common, "http://c:4318"), ("OTEL_TRACES_EXPORTER", "none")]), None);
    }
}
