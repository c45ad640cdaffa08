//! Recipe: a server on tokio that sends parts of a file over TCP. The sockets are tokio's, the file
//! is the engine's, and both are awaited in the same tasks.
//!
//! ```sh
//! cargo run --release -p aura --features tokio --example recipe_tokio -- --driver tokio-multi
//! cargo run --release -p aura --features tokio --example recipe_tokio -- FILE
//! ```
//!
//! With the drivers `tokio` and `tokio-multi` the runtime processes completions. With the others it
//! has the sockets alone; that works as well.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use aura::{Engine, File, OpenOptions};
use support::{Driver, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

mod support;

const USAGE: &str = "\
usage: recipe_tokio [FILE] [--driver DRIVER]

Serves FILE on a local port to 16 clients, each of which fetches a part of it, and compares.
Without FILE it serves 8 MiB of its own.";

const CLIENTS: u64 = 16;
const PIECE_BYTES: usize = 64 << 10;

fn main() -> ExitCode {
    support::main_with_driver(USAGE, |driver, arguments| {
        let folder = tempfile::tempdir()?;
        let path = match arguments {
            [] => folder.path().join("sample"),
            [path] => PathBuf::from(path),
            _ => return Err("it takes one file; try --help".into()),
        };
        if arguments.is_empty() {
            support::make_sample(&path, 8 << 20)?;
        }
        let engine = Arc::new(Engine::new()?);
        let serving = serve_and_fetch(Arc::clone(&engine), path.clone());
        let started = Instant::now();
        let fetched = match driver {
            Driver::Tokio | Driver::TokioMulti => driver.run(&engine, serving)?,
            Driver::BlockOn | Driver::Poller => {
                let mut sockets = tokio::runtime::Builder::new_multi_thread();
                let sockets = sockets.worker_threads(1).enable_all().build()?;
                let _inside = sockets.enter();
                driver.run(&engine, serving)?
            }
        };
        support::print_rate("fetched", fetched.len() as u64, started.elapsed());
        support::check("what was fetched is the file", fetched == std::fs::read(&path)?)
    })
}

/// Runs the server for the clients, and returns all they got, in order.
async fn serve_and_fetch(engine: Arc<Engine>, path: PathBuf) -> Outcome<Vec<u8>> {
    let file = engine.open(&path, OpenOptions::new().read(true)).await?;
    let len = file.metadata().await?.len();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(engine, file, listener));

    // The last part is what is left, or nothing.
    let part = len.div_ceil(CLIENTS);
    let clients = (0..CLIENTS).map(|client| {
        let begin = (client * part).min(len);
        let end = (begin + part).min(len);
        tokio::spawn(fetch(address, begin, end - begin))
    });
    let mut fetched = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        fetched.extend(client.await??);
    }
    // Ends the server, wherever it is. Reads that it has in flight are cancelled.
    server.abort();
    match server.await {
        Err(ended) if ended.is_cancelled() => Ok(fetched),
        Ok(Err(error)) => Err(format!("the server failed: {error}").into()),
        Ok(Ok(())) => Err("the server stopped".into()),
        Err(panicked) => Err(panicked.into()),
    }
}

/// Accepts connections for ever, each as a task of its own.
async fn serve(engine: Arc<Engine>, file: File, listener: TcpListener) -> io::Result<()> {
    let mut connections = JoinSet::new(); // Dropping it ends the tasks.
    loop {
        let (stream, peer) = listener.accept().await?;
        let (engine, file) = (Arc::clone(&engine), file.clone());
        connections.spawn(async move {
            if let Err(error) = answer(&engine, &file, stream).await {
                eprintln!("{peer}: {error}");
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Answers one request: offset and length, and then so many bytes, or fewer at the file's end.
///
/// `?` turns the engine's errors into `std::io::Error` here.
async fn answer(engine: &Engine, file: &File, mut stream: TcpStream) -> io::Result<()> {
    let (mut offset, len) = (stream.read_u64().await?, stream.read_u64().await?);
    let end = offset.saturating_add(len);
    let mut buffer = engine.allocate_buffer(PIECE_BYTES)?;
    while offset < end {
        let bytes;
        (bytes, buffer) = file.read_at(buffer, offset).await?;
        if bytes == 0 {
            break;
        }
        let wanted = usize::try_from(end - offset).map_or(bytes, |left| left.min(bytes));
        stream.write_all(&buffer.as_slice()[..wanted]).await?;
        offset += wanted as u64;
    }
    stream.shutdown().await
}

async fn fetch(address: SocketAddr, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_u64(offset).await?;
    stream.write_u64(len).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(bytes)
}
