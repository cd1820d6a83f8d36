//! As much HTTP as the rig needs, blocking, one request a connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A request as it comes in.
pub struct Incoming {
    pub target: String,
    headers: Vec<(String, String)>,
    rest: Vec<u8>,
}

impl Incoming {
    /// Reads the head.
    pub fn head(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = find(&bytes, b"\r\n\r\n") {
                break end;
            }
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(length) => bytes.extend_from_slice(&piece[..length]),
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let target = lines.next()?.split(' ').nth(1)?.to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self {
            target,
            headers,
            rest: bytes[end + 4..].to_vec(),
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads the body, as long as the head says it is. `None`: it never comes.
    pub fn body(&mut self, stream: &mut TcpStream) -> Option<Vec<u8>> {
        let length: usize = self.header("content-length")?.parse().ok()?;
        let mut body = std::mem::take(&mut self.rest);
        while body.len() < length {
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(read) => body.extend_from_slice(&piece[..read]),
            }
        }
        Some(body)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The target of the request that comes in, which stays to be read.
pub fn peek_target(stream: &TcpStream) -> Option<String> {
    let mut bytes = [0; 1024];
    let length = stream.peek(&mut bytes).ok().filter(|length| *length > 0)?;
    let head = String::from_utf8_lossy(&bytes[..length]).into_owned();
    head.split(' ').nth(1).map(str::to_owned)
}

/// Answers, as far as anybody reads it.
pub fn answer(stream: &mut TcpStream, status: u16, headers: &[(&str, &str)], body: &[u8]) {
    let mut head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let _ = stream.write_all(&[head.as_bytes(), b"\r\n", body].concat());
}

/// Sends a request and reads the answer to its end. `None`: nobody listens yet, or the answer broke off.
pub fn ask(port: u16, path: &str, headers: &[(String, String)], body: &[u8]) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream
        .write_all(&[head.as_bytes(), b"\r\n", body].concat())
        .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let end = find(&answer, b"\r\n\r\n")?;
    let status = String::from_utf8_lossy(&answer[..end])
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    Some((status, String::from_utf8_lossy(&answer[end + 4..]).into_owned()))
}
