//! One POST over a connection of its own, in bounded time.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;

/// A longer first line is not one of HTTP.
const STATUS_LINE_BYTES_MAX: usize = 1024;

/// Posts JSON and returns the status of the answer. The body of the answer is not looked at.
pub(super) fn post(endpoint: &Endpoint, body: &[u8], timeout: Duration) -> io::Result<u16> {
    let Endpoint { path, .. } = endpoint;
    let (authority, length) = (endpoint.authority(), body.len());
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let addresses = (endpoint.host.as_str(), endpoint.port).to_socket_addrs();
    let addresses = addresses.map_err(|_| io::Error::from_raw_os_error(libc::EHOSTUNREACH))?;
    let deadline = Deadline(Instant::now() + timeout);
    let mut stream = connect(addresses, &deadline)?;
    // A collector may refuse before it has read everything, and its answer is what counts.
    let sent = send(&mut stream, head.as_bytes(), &deadline)
        .and_then(|()| send(&mut stream, body, &deadline));
    status(&mut stream, &deadline).map_err(|error| sent.err().unwrap_or(error))
}

struct Deadline(Instant);

impl Deadline {
    fn left(&self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(timed_out()) } else { Ok(left) }
    }
}

fn timed_out() -> io::Error {
    io::Error::from_raw_os_error(libc::ETIMEDOUT)
}

/// What the standard library says without a number when time is up.
fn numbered(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => timed_out(),
        _ => error,
    }
}

/// To the first address that answers.
fn connect(
    addresses: impl Iterator<Item = std::net::SocketAddr>,
    deadline: &Deadline,
) -> io::Result<TcpStream> {
    let mut failure = io::Error::from_raw_os_error(libc::EHOSTUNREACH);
    for address in addresses {
        match TcpStream::connect_timeout(&address, deadline.left()?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = numbered(error),
        }
    }
    Err(failure)
}

fn send(stream: &mut TcpStream, mut bytes: &[u8], deadline: &Deadline) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(deadline.left()?))?;
        match stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(numbered(error)),
        }
    }
    Ok(())
}

fn status(stream: &mut TcpStream, deadline: &Deadline) -> io::Result<u16> {
    let mut line = Vec::new();
    while !line.contains(&b'\n') && line.len() < STATUS_LINE_BYTES_MAX {
        let mut some = [0; 256];
        stream.set_read_timeout(Some(deadline.left()?))?;
        match stream.read(&mut some) {
            Ok(0) => break,
            Ok(count) => line.extend_from_slice(&some[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(numbered(error)),
        }
    }
    status_of(&line).ok_or_else(|| io::Error::from_raw_os_error(libc::EPROTO))
}

/// `HTTP/1.1 200 OK` and the like.
fn status_of(line: &[u8]) -> Option<u16> {
    let line = &line[..line.iter().position(|byte| *byte == b'\n')?];
    let mut words = std::str::from_utf8(line.trim_ascii_end()).ok()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    let status = words.next().filter(|status| status.len() == 3)?;
    status.parse().ok().filter(|status| (200..600).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// The result of a post to a server that does this with its connection.
    fn posted(timeout: Duration, serve: impl FnOnce(TcpStream) + Send) -> io::Result<u16> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Endpoint::parse(&format!("http://{address}")).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| serve(listener.accept().unwrap().0));
            post(&endpoint, &vec![b'x'; 1 << 20], timeout)
        })
    }

    const LONG: Duration = Duration::from_secs(60);

    fn errno(result: io::Result<u16>) -> Option<i32> {
        result.expect_err("no answer").raw_os_error()
    }

    #[test]
    fn a_status_is_returned_whatever_it_is() {
        for status in [200, 404, 503] {
            let answer = format!("HTTP/1.1 {status} Because\r\n\r\n");
            let answered = posted(LONG, |mut stream| {
                let mut read = vec![0; 1 << 20];
                stream.read_exact(&mut read).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            });
            assert_eq!(answered.unwrap(), status);
        }
    }

    #[test]
    fn an_answer_that_is_not_http_is_an_error_and_so_is_none() {
        for answer in
            [&b"SSH-2.0-OpenSSH\r\n"[..], b"", b"HTTP/1.1 abc\r\n", b"HTTP/1.1 200", &[0; 9000]]
        {
            let answered = posted(LONG, |mut stream| {
                let _ = stream.read(&mut [0; 64]);
                let _ = stream.write_all(answer);
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = io::copy(&mut stream, &mut io::sink());
            });
            assert_eq!(errno(answered), Some(libc::EPROTO), "{answer:?}");
        }
    }

    #[test]
    fn a_server_that_says_nothing_or_reads_nothing_costs_no_more_than_the_timeout() {
        for reads in [true, false] {
            let began = Instant::now();
            let (done, wait) = std::sync::mpsc::channel::<()>();
            let answered = std::thread::scope(|scope| {
                let _done = done;
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let endpoint =
                    Endpoint::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
                scope.spawn(move || {
                    let mut stream = listener.accept().unwrap().0;
                    if reads {
                        let _ = stream.read(&mut vec![0; 1 << 20]);
                    }
                    let _ = wait.recv(); // Until the client has given up.
                });
                post(&endpoint, &vec![b'x'; 64 << 20], Duration::from_millis(200))
            });
            assert_eq!(errno(answered), Some(libc::ETIMEDOUT));
            assert!(began.elapsed() < LONG);
        }
    }

    #[test]
    fn nobody_there_is_refused_and_no_such_host_unreachable() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let to = |text: &str| post(&Endpoint::parse(text).unwrap(), b"{}", LONG);
        assert_eq!(errno(to(&format!("http://{free}"))), Some(libc::ECONNREFUSED));
        assert_eq!(errno(to("http://no-such-host.invalid")), Some(libc::EHOSTUNREACH));
    }
}
