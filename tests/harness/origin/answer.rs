//! What an origin does with one request, step by step.

use std::io::{self, Write};
use std::sync::Arc;

use crate::wait::Gate;
use crate::wire::{Head, RawBody, Wire};

/// The steps of one answer. Each constructor reads the request's body first; [`unread`](Self::unread) does not.
#[derive(Debug)]
pub struct Answer(Vec<Step>);

#[derive(Debug)]
enum Step {
    ReadBody,
    Send(Vec<u8>),
    /// Not sent where the request was HEAD.
    SendBody(Vec<u8>),
    Wait(Arc<Gate>),
    Close,
}

impl Answer {
    /// Status 200 with a body and its length.
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::status(200, &[], body)
    }

    /// Any final status with further fields, a body and its length.
    pub fn status(status: u16, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len().to_string();
        let mut all = vec![("content-length", length.as_str())];
        all.extend_from_slice(fields);
        Self::unread().read_body().send(head(status, &all)).step(Step::SendBody(body.to_vec()))
    }

    /// Status 200 with a chunked body and a trailer section.
    pub fn chunked(chunks: &[&[u8]], trailers: &[(&str, &str)]) -> Self {
        let mut body = Vec::new();
        for chunk in chunks {
            body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n");
        body.extend(trailers.iter().flat_map(|(n, v)| format!("{n}: {v}\r\n").into_bytes()));
        body.extend_from_slice(b"\r\n");
        let head = head(200, &[("transfer-encoding", "chunked")]);
        Self::unread().read_body().send(head).step(Step::SendBody(body))
    }

    /// Nothing, and the connection is closed once the request has been read.
    pub fn hang_up() -> Self {
        Self::unread().read_body().close()
    }

    /// No step yet: the request's body is not read.
    pub fn unread() -> Self {
        Self(Vec::new())
    }

    /// Then reads the request's body.
    pub fn read_body(self) -> Self {
        self.step(Step::ReadBody)
    }

    /// Then sends bytes as they are.
    pub fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Send(bytes.into()))
    }

    /// Then waits until the gate is open.
    pub fn wait(self, gate: &Arc<Gate>) -> Self {
        self.step(Step::Wait(Arc::clone(gate)))
    }

    /// Then closes the connection.
    pub fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Everything that another answer does, after this.
    pub fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    fn step(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    /// Does the steps; whether the connection is to be kept. `read` is told when the request's body has been read.
    pub(super) fn play(
        self,
        head: &Head,
        wire: &mut Wire,
        body: &mut RawBody,
        read: impl Fn(&RawBody),
    ) -> io::Result<bool> {
        for step in self.0 {
            match step {
                Step::ReadBody => {
                    wire.body(head.request_framing(), body)?;
                    read(body);
                }
                Step::Send(bytes) => wire.stream.write_all(&bytes)?,
                Step::SendBody(bytes) if head.method() != b"HEAD" => wire.stream.write_all(&bytes)?,
                Step::SendBody(_) => {}
                Step::Wait(gate) => {
                    gate.pass();
                }
                Step::Close => return Ok(false),
            }
        }
        Ok(true)
    }
}

fn head(status: u16, fields: &[(&str, &str)]) -> Vec<u8> {
    let fields: String = fields.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    format!("HTTP/1.1 {status} Answer\r\n{fields}\r\n").into_bytes()
}
