//! The greeter's client, for tests that are not `async`.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio_stream::StreamExt;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use umbra_common::dial::{DialError, Dialer, Resolver, Stream, TlsClient, TlsSettings};

use super::helloworld::greeter_client::GreeterClient;
use super::helloworld::{HelloReply, HelloRequest};
use crate::certificates::Authority;
use crate::wait::{DEADLINE, INTERVAL};

/// One HTTP/2 connection to a greeter.
#[derive(Debug)]
pub struct GrpcClient {
    runtime: tokio::runtime::Runtime,
    greeter: GreeterClient<Channel>,
}

/// What of a call is a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Unary,
    /// The replies.
    ServerStreaming,
    /// The requests.
    ClientStreaming,
    /// Both.
    Bidirectional,
}

impl Kind {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Unary, Self::ServerStreaming, Self::ClientStreaming, Self::Bidirectional];
}

/// What a call to the greeter asks.
pub fn hello(name: &str, times: u32) -> HelloRequest {
    HelloRequest { name: name.into(), times }
}

impl GrpcClient {
    /// Connects to `to`, which it calls by the name `authority`.
    pub fn connect(to: SocketAddr, authority: &str) -> Self {
        // With a thread of its own, so that the connection goes on between two calls.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{to}")).unwrap();
        let endpoint = endpoint.origin(format!("http://{authority}").parse().unwrap());
        let channel = runtime.block_on(endpoint.connect()).unwrap_or_else(|e| panic!("connecting to {to}: {e}"));
        Self { runtime, greeter: GreeterClient::new(channel) }
    }

    /// Connects to `to` by TLS, with the name `authority`, for which the certificate has to be.
    pub fn connect_tls(to: SocketAddr, authority: &str, trusted: &Authority) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let settings = TlsSettings { ca: Some(trusted.file()), ..TlsSettings::default() };
        let tls = TlsClient::new(settings.client(&[b"h2"]).unwrap(), authority).unwrap();
        let dialer = Dialer::new(&to.ip().to_string(), to.port(), Resolver::default(), DEADLINE);
        let connector = OverTls { dialer: Arc::new(dialer), tls };
        let endpoint = Endpoint::from_shared(format!("http://{to}")).unwrap();
        let endpoint = endpoint.origin(format!("https://{authority}").parse().unwrap());
        let channel = runtime.block_on(endpoint.connect_with_connector(connector));
        let channel = channel.unwrap_or_else(|e| panic!("connecting to {to}: {e}"));
        Self { runtime, greeter: GreeterClient::new(channel) }
    }

    /// Unary: one request, one reply.
    pub fn say_hello(&mut self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        self.runtime.block_on(self.greeter.say_hello(request))
    }

    /// Server streaming: the replies to one request.
    pub fn say_many_hellos(&mut self, name: &str, times: u32) -> Result<Vec<String>, Status> {
        self.runtime.block_on(async {
            let replies = self.greeter.say_many_hellos(hello(name, times)).await?.into_inner();
            all(replies).await
        })
    }

    /// Client streaming: one reply to many requests.
    pub fn greet_all(&mut self, names: &[&str]) -> Result<String, Status> {
        let requests: Vec<_> = names.iter().map(|n| hello(n, 1)).collect();
        self.runtime.block_on(async {
            let reply = self.greeter.greet_all(tokio_stream::iter(requests)).await?;
            Ok(reply.into_inner().message)
        })
    }

    /// Both ways: sends the next name only when the last one has been answered, so that nothing may wait for the end.
    pub fn chat(&mut self, names: &[&str]) -> Result<Vec<String>, Status> {
        let names: Vec<_> = names.iter().map(|n| hello(n, 1)).collect();
        self.runtime.block_on(async {
            let (say, said) = tokio::sync::mpsc::channel(1);
            let requests = tokio_stream::wrappers::ReceiverStream::new(said);
            let mut replies = self.greeter.chat(requests).await?.into_inner();
            let mut answers = Vec::new();
            for name in names {
                say.send(name).await.map_err(|_| Status::aborted("the call has ended"))?;
                let reply = replies.message().await?.ok_or_else(|| Status::aborted("no reply to a name"))?;
                answers.push(reply.message);
            }
            drop(say);
            match replies.message().await? {
                None => Ok(answers),
                Some(more) => Err(Status::internal(format!("a reply too many: {}", more.message))),
            }
        })
    }

    /// A call with one message, behind which requests that are a stream stay open. Its replies, or why it failed.
    pub fn call(&mut self, kind: Kind, name: &str) -> Result<Vec<String>, Status> {
        self.runtime.block_on(call(self.greeter.clone(), kind, name, None))
    }

    /// A [`call`](Self::call) of each kind, all at once, with `time` until its deadline, which the client tells and keeps.
    pub fn call_each_within(&mut self, time: Duration, name: &str) -> [Result<Vec<String>, Status>; 4] {
        // Of its deadlines tonic keeps the part until a response's head.
        let within = |kind| {
            let call = tokio::time::timeout(time, call(self.greeter.clone(), kind, name, Some(time)));
            async { call.await.unwrap_or_else(|_| Err(Status::deadline_exceeded("by the client's clock"))) }
        };
        self.runtime.block_on(async {
            let [a, b, c, d] = Kind::ALL.map(within);
            tokio::join!(a, b, c, d).into()
        })
    }

    /// Begins a [`call`](Self::call) and gives it up when `when` says so.
    pub fn give_up(&mut self, kind: Kind, name: &str, when: impl Fn() -> bool) {
        let call = call(self.greeter.clone(), kind, name, None);
        self.runtime.block_on(async {
            let until = async {
                while !when() {
                    tokio::time::sleep(INTERVAL).await;
                }
            };
            tokio::select! {
                ended = call => panic!("{kind:?} has ended: {ended:?}"),
                given_up = tokio::time::timeout(DEADLINE, until) => given_up.expect("a reason to give the call up"),
            }
        });
    }

    /// Starts server streaming, takes `replies` of them and goes away in the middle of it.
    pub fn cancel_after(&mut self, name: &str, replies: usize) -> Result<(), Status> {
        self.runtime.block_on(async {
            let stream = self.greeter.say_many_hellos(hello(name, u32::MAX)).await?.into_inner();
            let taken = all(stream.take(replies)).await?;
            assert_eq!(taken.len(), replies);
            Ok(())
        })
    }
}

async fn call(
    mut greeter: GreeterClient<Channel>,
    kind: Kind,
    name: &str,
    time: Option<Duration>,
) -> Result<Vec<String>, Status> {
    let one = with_deadline(hello(name, 1), time);
    // With its requests open, tonic would not let go of a call whose replies nobody takes any more.
    let (say, said) = tokio::sync::mpsc::channel(1);
    say.try_send(hello(name, 1)).map_err(|_| Status::internal("no room for the first message"))?;
    let open = with_deadline(tokio_stream::wrappers::ReceiverStream::new(said), time);
    match kind {
        Kind::Unary => Ok(vec![greeter.say_hello(one).await?.into_inner().message]),
        Kind::ServerStreaming => all(greeter.say_many_hellos(one).await?.into_inner()).await,
        Kind::ClientStreaming => Ok(vec![greeter.greet_all(open).await?.into_inner().message]),
        Kind::Bidirectional => all(greeter.chat(open).await?.into_inner()).await,
    }
    // `say` is dropped, and so the requests end, with the call.
}

fn with_deadline<T>(message: T, time: Option<Duration>) -> Request<T> {
    let mut request = Request::new(message);
    time.into_iter().for_each(|time| request.set_timeout(time));
    request
}

/// Makes tonic's connections.
#[derive(Clone)]
struct OverTls {
    dialer: Arc<Dialer>,
    tls: TlsClient,
}

impl Service<Uri> for OverTls {
    type Response = TokioIo<Stream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { dialer, tls } = self.clone();
        Box::pin(async move { Ok(TokioIo::new(dialer.connect(Some(&tls)).await?.stream)) })
    }
}

async fn all(replies: impl tokio_stream::Stream<Item = Result<HelloReply, Status>>) -> Result<Vec<String>, Status> {
    let replies = std::pin::pin!(replies);
    replies.map(|r| r.map(|r| r.message)).collect::<Result<_, _>>().await
}
