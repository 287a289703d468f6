//! gRPC by tonic: HTTP/2, a unary call, its status in the trailers.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use http::Version;
use prost::Message;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

use super::HOST;
use crate::greeter::proto::HelloRequest;
use crate::greeter::proto::greeter_client::GreeterClient;
use crate::sighting::{REQUEST_ID, Sighting, Status};

/// A gRPC channel to the recorder.
pub(super) struct Greeter(GreeterClient<Channel>);

impl Greeter {
    pub(super) async fn connect(to: SocketAddr) -> anyhow::Result<Self> {
        // The connection goes to the recorder, the calls ask for the service's public name.
        let endpoint = Endpoint::from_shared(format!("http://{to}"))?.origin(format!("http://{HOST}").parse()?);
        Ok(Self(GreeterClient::new(endpoint.connect().await?)))
    }

    /// Calls `SayHello`. A gRPC error is an answer like any other.
    pub(super) async fn say_hello(
        &mut self,
        id: &str,
        name: &str,
        credential: Option<&'static str>,
    ) -> anyhow::Result<Sighting> {
        let message = HelloRequest { name: name.to_owned() };
        let mut sent = Sighting {
            id: id.to_owned(),
            method: "POST".to_owned(),
            target: "/helloworld.Greeter/SayHello".to_owned(),
            version: Version::HTTP_2,
            host: HOST.to_owned(),
            odd: None,
            authorization: credential.map(|c| Bytes::from_static(c.as_bytes())),
            marker: None,
            body: length_prefixed(&message),
            status: None,
        };
        let mut call = Request::new(message);
        call.metadata_mut().insert(REQUEST_ID, id.parse()?);
        if let Some(credential) = credential {
            call.metadata_mut().insert("authorization", credential.parse()?);
        }
        let code = match self.0.say_hello(call).await {
            Ok(_) => tonic::Code::Ok,
            // A failure of the transport has a source; a status that the server sent has none.
            Err(status) if std::error::Error::source(&status).is_none() => status.code(),
            Err(status) => return Err(status.into()),
        };
        sent.status = Some(Status { http: 200, grpc: Some(code as u16) });
        Ok(sent)
    }
}

/// A message as gRPC sends it: not compressed, its length, itself.
fn length_prefixed(message: &HelloRequest) -> Bytes {
    let mut wire = BytesMut::new();
    wire.put_u8(0);
    wire.put_u32(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
    wire.extend(message.encode_to_vec());
    wire.freeze()
}
