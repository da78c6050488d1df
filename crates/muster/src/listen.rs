//! Listening: TLS, how many connections at once, and how long a client may keep one waiting.
//!
//! ```text
//! connection → a place among so many, else it is closed → TLS handshake → heads, each within a deadline → the router
//! ```

use std::future::Future;
use std::io;
use std::io::{ErrorKind, IoSlice};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use axum_server::accept::{Accept, DefaultAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// How long a client may take over the head of a request, and over beginning its next one.
const HEAD: Duration = Duration::from_secs(20);

/// Where and how to listen.
#[derive(Clone, Copy)]
pub(crate) struct Listening<'a> {
    pub(crate) address: SocketAddr,
    /// Certificate and key.
    pub(crate) tls: Option<(&'a Path, &'a Path)>,
    /// How many connections are open at once.
    pub(crate) connections: usize,
}

/// Begins to serve a router; tells its URL.
pub(crate) fn listen(
    listening: Listening<'_>,
    router: axum::Router,
    handle: &Handle<SocketAddr>,
) -> Result<(String, JoinHandle<()>), Failure> {
    let listener = TcpListener::bind(listening.address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| not_listening(listening.address, error))?;
    let address = listener.local_addr().context("reading the address").map_err(Failure::failed)?;
    let failed = |error: io::Error| Failure::failed(anyhow::Error::new(error).context("serving"));
    let server = axum_server::from_tcp(listener).map_err(failed)?.handle(handle.clone());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let free = Arc::new(Semaphore::new(listening.connections));
    let (scheme, task) = match listening.tls {
        Some((certificate, key)) => {
            let config = tls(certificate, key)?;
            let server = bounded(server, RustlsAcceptor::new(config), free);
            ("https", tokio::spawn(async move { told(server.serve(service).await) }))
        }
        None => {
            let server = bounded(server, DefaultAcceptor::new(), free);
            ("http", tokio::spawn(async move { told(server.serve(service).await) }))
        }
    };
    Ok((format!("{scheme}://{address}"), task))
}

/// A server that keeps to so many connections and to the deadline of heads.
fn bounded<A>(server: Server<SocketAddr>, inner: A, free: Arc<Semaphore>) -> Server<SocketAddr, Places<A>> {
    let mut server = server.acceptor(Places { inner, free }).http1_only();
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    server
}

fn not_listening(address: SocketAddr, error: io::Error) -> Failure {
    let hint = match error.kind() {
        ErrorKind::AddrInUse => "another program listens there: end it, or give another address by `--listen`",
        ErrorKind::AddrNotAvailable => "this machine has no such address: give one of its own by `--listen`",
        ErrorKind::PermissionDenied => "ports below 1024 need a right of their own: give another by `--listen`",
        _ => "give another address by `--listen`",
    };
    Failure::failed(anyhow::Error::new(error).context(format!("listening at `{address}`"))).with_hint(hint)
}

fn told(served: io::Result<()>) {
    if let Err(error) = served {
        tracing::error!(%error, "serving ended");
    }
}

/// TLS 1.2 and 1.3 with the certificate and key of two PEM files.
fn tls(certificate: &Path, key: &Path) -> Result<RustlsConfig, Failure> {
    let wrong = |path: &Path, what: &str| {
        let shown = path.display().to_string();
        let what = what.to_owned();
        move |error: rustls::pki_types::pem::Error| {
            Failure::usage(anyhow::Error::new(error).context(format!("reading the {what} of `{shown}`")))
                .with_hint("PEM files: the certificate with its chain, and its private key")
        }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(wrong(certificate, "certificate"))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(wrong(key, "private key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, private))
        .map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context("taking the certificate and its key into use"))
                .with_hint("the key must be the certificate's own")
        })?;
    Ok(RustlsConfig::from_config(Arc::new(config)))
}

/// Lets in as many connections as there are places.
#[derive(Clone)]
struct Places<A> {
    inner: A,
    free: Arc<Semaphore>,
}

impl<A, S> Accept<TcpStream, S> for Places<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
{
    type Stream = Placed<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Ok(place) = Arc::clone(&self.free).try_acquire_owned() else {
            metrics::counter!("muster_http_connections_refused_total").increment(1);
            return Box::pin(async { Err(io::Error::other("too many connections are open")) });
        };
        let accepted = self.inner.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((Placed { stream, _place: place }, service))
        })
    }
}

/// A connection that gives its place back when it ends.
struct Placed<I> {
    stream: I,
    _place: OwnedSemaphorePermit,
}

impl<I: AsyncRead + Unpin> AsyncRead for Placed<I> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Placed<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
