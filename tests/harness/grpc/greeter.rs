//! A greeter that remembers each call, from its HTTP/2 head to how it ended.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, Uri, Version};
use hyper::service::service_fn;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::codegen::Service;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

use super::helloworld::greeter_server::{Greeter as GreeterService, GreeterServer};
use super::helloworld::{HelloReply, HelloRequest};
use crate::http_server::HttpServer;
use crate::wait::eventually;

/// Who calls by this name is heard, and never answered.
pub const UNANSWERED: &str = "unanswered";
/// Who calls by this name is told that the deadline has passed.
pub const TOO_LATE: &str = "too late";

/// One call as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request's target: scheme, authority and path.
    pub uri: Uri,
    /// The protocol version.
    pub version: Version,
    /// The request's head, metadata included.
    pub headers: HeaderMap,
    /// The names in its messages, in order.
    pub names: Vec<String>,
    /// How it ended; nothing while it is going on.
    pub end: Option<CallEnd>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// The reply was given whole.
    Answered,
    /// The client went away first.
    Cancelled,
}

type Calls = Arc<Mutex<Vec<Call>>>;

/// The server. Ends when it is dropped.
#[derive(Debug)]
pub struct Greeter {
    server: HttpServer,
    calls: Calls,
}

impl Greeter {
    /// Starts one.
    pub fn start() -> Self {
        let calls = Calls::default();
        let routes = Routes::new(GreeterServer::new(Remembering { calls: Arc::clone(&calls) }));
        let remembering = Arc::clone(&calls);
        let server = HttpServer::start(service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let mut request = request.map(tonic::body::Body::new);
            let mut calls = remembering.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(Call {
                uri: request.uri().clone(),
                version: request.version(),
                headers: request.headers().clone(),
                names: Vec::new(),
                end: None,
            });
            request.extensions_mut().insert(Number(calls.len() - 1));
            routes.clone().call(request)
        }));
        Self { server, calls }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// The calls so far, in the order in which their heads came.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `count` calls have ended, and gives all.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Call> {
        eventually(&format!("{count} calls at the greeter"), || {
            self.calls().iter().filter(|c| c.end.is_some()).count() >= count
        });
        self.calls()
    }
}

/// Which call a request is, in the order of arrival.
#[derive(Clone, Copy)]
struct Number(usize);

/// Writes down what becomes of one call; it was cancelled where it is dropped without an answer.
struct Record {
    calls: Calls,
    number: usize,
    end: CallEnd,
}

impl Record {
    fn with(&self, change: impl FnOnce(&mut Call)) {
        change(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner)[self.number]);
    }

    fn answered(mut self) {
        self.end = CallEnd::Answered;
    }

    /// The greeting for a message; [`UNANSWERED`] waits for it until the call is dropped.
    async fn heard(&self, message: HelloRequest) -> Result<String, Status> {
        let name = message.name.clone();
        self.with(|call| call.names.push(message.name));
        match name.as_str() {
            UNANSWERED => std::future::pending().await,
            "nobody" => Err(Status::not_found("nobody is not here")),
            TOO_LATE => Err(Status::deadline_exceeded("by the service's clock")),
            _ => Ok(format!("Hello {name}!")),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let end = self.end;
        self.with(|call| call.end = Some(end));
    }
}

#[derive(Clone)]
struct Remembering {
    calls: Calls,
}

impl Remembering {
    fn record<T>(&self, request: &Request<T>) -> Record {
        let number = request.extensions().get::<Number>().map_or(0, |n| n.0);
        Record { calls: Arc::clone(&self.calls), number, end: CallEnd::Cancelled }
    }
}

fn reply(message: String) -> HelloReply {
    HelloReply { message }
}

type Replies = Pin<Box<dyn Stream<Item = Result<HelloReply, Status>> + Send>>;

/// How many replies a stream holds that nobody has taken yet.
const AHEAD: usize = 4;

#[tonic::async_trait]
impl GreeterService for Remembering {
    type SayManyHellosStream = Replies;
    type ChatStream = Replies;

    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let record = self.record(&request);
        let answer = record.heard(request.into_inner()).await;
        record.answered();
        answer.map(|message| Response::new(reply(message)))
    }

    async fn say_many_hellos(&self, request: Request<HelloRequest>) -> Result<Response<Replies>, Status> {
        let record = self.record(&request);
        let times = request.get_ref().times;
        let message = record.heard(request.into_inner()).await?;
        let (say, said) = tokio::sync::mpsc::channel(AHEAD);
        tokio::spawn(async move {
            for _ in 0..times {
                if say.send(Ok(reply(message.clone()))).await.is_err() {
                    return;
                }
            }
            record.answered();
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(said))))
    }

    async fn greet_all(&self, request: Request<Streaming<HelloRequest>>) -> Result<Response<HelloReply>, Status> {
        let record = self.record(&request);
        let mut requests = request.into_inner();
        let mut all = Vec::new();
        while let Some(message) = requests.next().await {
            all.push(record.heard(message?).await?);
        }
        record.answered();
        Ok(Response::new(reply(all.join(" "))))
    }

    async fn chat(&self, request: Request<Streaming<HelloRequest>>) -> Result<Response<Replies>, Status> {
        let record = self.record(&request);
        let mut requests = request.into_inner();
        let (say, said) = tokio::sync::mpsc::channel(AHEAD);
        tokio::spawn(async move {
            while let Some(message) = requests.next().await {
                // Cancelled: by the requests' end, or while there is something to say.
                let Ok(message) = message else { return };
                let greeting = tokio::select! {
                    greeting = record.heard(message) => greeting,
                    () = say.closed() => return,
                };
                if say.send(greeting.map(reply)).await.is_err() {
                    return;
                }
            }
            record.answered();
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(said))))
    }
}
