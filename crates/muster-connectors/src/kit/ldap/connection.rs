//! One connection to a directory server.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use muster_core::secret::Secret;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConnection, StreamOwned};

use super::error::BindFailure;
use super::message::{self, PageEnd, Response, ResultCode, Search, Ticket};
use super::{DirectoryReader, Entry, LdapError, ber, tls};

/// The standard port of LDAP and StartTLS.
pub const LDAP_PORT: u16 = 389;
/// The standard port of LDAPS.
pub const LDAPS_PORT: u16 = 636;
/// The most bytes of one message: an entry with all its values. Active Directory sends at most 1,500 values of an
/// attribute at once; servers without that limit send a large group whole.
const MAXIMUM_MESSAGE: usize = 256 << 20;
/// How much is read at once.
const CHUNK: usize = 64 << 10;
/// How often a silent connection is looked after.
const POLL: Duration = Duration::from_millis(200);
/// Whoever does not answer a connection within this time will not do so later.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);
/// The slowest that a message may arrive once patience has run out: a server that drips bytes holds no run.
const MINIMUM_BYTES_A_SECOND: u64 = 1024;
/// A read of less is a small one.
const SMALL_READ: usize = 8 << 10;
/// After so many small reads in a page the server is taken for one that sends entry by entry.
const SMALL_READS: u32 = 8;
/// How long such a server is left alone before the next read.
const GATHERING: Duration = Duration::from_micros(150);
/// What the buffer may keep between messages.
const KEPT_BUFFER: usize = 1 << 20;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Not at all.
    Ldap,
    /// From the first byte.
    Ldaps,
    /// After the StartTLS operation (RFC 4511 section 4.14).
    StartTls,
}

/// Where and how to connect.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// Name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How it is protected.
    pub encryption: Encryption,
    /// What is trusted.
    pub certificates: Vec<CertificateDer<'static>>,
    /// How long connecting may take, and how long an answer.
    pub patience: Duration,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref(),
        }
    }
}

/// A connection; requests go out in order, answers are read in order.
#[derive(Debug)]
pub struct Connection {
    stream: Option<Stream>,
    settings: ConnectionSettings,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    next_message_id: i64,
    received: u64,
    small_reads: u32,
}

impl Connection {
    /// Finds the addresses of the host.
    pub fn resolve(settings: &ConnectionSettings) -> Result<Vec<SocketAddr>, LdapError> {
        let found = (settings.host.as_str(), settings.port).to_socket_addrs();
        let addresses: Vec<_> =
            found.map_err(|source| LdapError::Resolve { host: settings.host.clone(), source: Some(source) })?.collect();
        if addresses.is_empty() {
            Err(LdapError::Resolve { host: settings.host.clone(), source: None })
        } else {
            Ok(addresses)
        }
    }

    /// Connects to the first address that answers; no encryption yet.
    pub fn connect(settings: &ConnectionSettings, addresses: &[SocketAddr]) -> Result<Self, LdapError> {
        let mut last = LdapError::Resolve { host: settings.host.clone(), source: None };
        for address in addresses {
            match TcpStream::connect_timeout(address, settings.patience.min(CONNECT_PATIENCE)) {
                Ok(socket) => return Self::prepare(socket, settings),
                Err(source) => last = LdapError::Connect { address: address.to_string(), source },
            }
        }
        Err(last)
    }

    fn prepare(socket: TcpStream, settings: &ConnectionSettings) -> Result<Self, LdapError> {
        socket.set_nodelay(true).map_err(LdapError::Io)?;
        socket.set_read_timeout(Some(POLL)).map_err(LdapError::Io)?;
        socket.set_write_timeout(Some(settings.patience)).map_err(LdapError::Io)?;
        let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(30));
        socket2::SockRef::from(&socket).set_tcp_keepalive(&keepalive).map_err(LdapError::Io)?;
        Ok(Self {
            stream: Some(Stream::Plain(socket)),
            settings: settings.clone(),
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            next_message_id: 1,
            received: 0,
            small_reads: 0,
        })
    }

    /// How much memory the buffer takes.
    #[cfg(test)]
    pub(super) fn buffer_size(&self) -> usize {
        self.buffer.capacity()
    }

    /// The address that answered.
    pub fn peer(&self) -> Result<SocketAddr, LdapError> {
        self.stream.as_ref().ok_or(LdapError::Closed)?.socket().peer_addr().map_err(LdapError::Io)
    }

    /// Changes how long an answer is waited for.
    pub fn set_patience(&mut self, patience: Duration) {
        self.settings.patience = patience;
    }

    /// Encrypts the connection as the settings say.
    pub fn encrypt(&mut self) -> Result<(), LdapError> {
        match self.settings.encryption {
            Encryption::Ldap => Ok(()),
            Encryption::Ldaps => self.handshake(),
            Encryption::StartTls => {
                self.start_tls()?;
                self.handshake()
            }
        }
    }

    fn start_tls(&mut self) -> Result<(), LdapError> {
        let id = self.send(&message::extended("1.3.6.1.4.1.1466.20037"), &[])?;
        let response = self.answer(id, &mut || Ok(()))?;
        if response.tag != message::EXTENDED_RESPONSE {
            return Err(LdapError::Malformed("the answer to StartTLS is not one"));
        }
        let (code, message) = message::result(response.contents)?;
        if code != ResultCode::SUCCESS {
            return Err(LdapError::Refused { operation: "starting TLS".to_owned(), code, message });
        }
        // Bytes after the answer and before the handshake would be someone else's (RFC 4511 section 4.14.2).
        if self.start < self.end {
            return Err(LdapError::Malformed("clear text follows the answer to StartTLS"));
        }
        Ok(())
    }

    fn handshake(&mut self) -> Result<(), LdapError> {
        let Some(Stream::Plain(socket)) = self.stream.take() else { return Err(LdapError::Closed) };
        self.stream = Some(Stream::Tls(Box::new(tls::handshake(socket, &self.settings)?)));
        Ok(())
    }

    /// Binds with a name and a password (RFC 4513 section 5.1.3). An empty password is refused before it is sent: many
    /// servers would answer success to it, and give the rights of nobody (section 5.1.2).
    pub fn bind(&mut self, name: &str, password: &Secret) -> Result<(), LdapError> {
        if password.is_empty() {
            return Err(LdapError::EmptyPassword { name: name.to_owned() });
        }
        let id = self.send(&message::simple_bind(name, password.reveal()), &[])?;
        let response = self.answer(id, &mut || Ok(()))?;
        if response.tag != message::BIND_RESPONSE {
            return Err(LdapError::Malformed("the answer to a bind is not one"));
        }
        let (code, message) = message::result(response.contents)?;
        if code != ResultCode::SUCCESS {
            return Err(LdapError::Bind { name: name.to_owned(), failure: BindFailure::new(code, &message) });
        }
        Ok(())
    }

    fn send(&mut self, operation: &[u8], controls: &[u8]) -> Result<i64, LdapError> {
        let id = self.next_message_id;
        // RFC 4511 section 4.1.1.1: numbers end at 2^31-1.
        self.next_message_id = if id >= i64::from(i32::MAX) { 1 } else { id + 1 };
        let bytes = message::envelope(id, operation, controls);
        let written = match &mut self.stream {
            Some(Stream::Plain(socket)) => socket.write_all(&bytes),
            Some(Stream::Tls(stream)) => stream.write_all(&bytes).and_then(|()| stream.flush()),
            None => return Err(LdapError::Closed),
        };
        written.map_err(|error| if closes(error.kind()) { LdapError::Closed } else { LdapError::Io(error) })?;
        Ok(id)
    }

    /// Reads the single answer to a request.
    fn answer(
        &mut self,
        id: i64,
        waiting: &mut dyn FnMut() -> Result<(), LdapError>,
    ) -> Result<Response<'_>, LdapError> {
        let (from, to) = self.message(waiting)?;
        let response = message::response(&self.buffer[from..to])?;
        if response.message_id == 0 {
            return Err(disconnection(&response));
        }
        if response.message_id != id {
            return Err(LdapError::Malformed("an answer to a request that was not made"));
        }
        Ok(response)
    }

    /// Waits until a whole message lies in the buffer and gives the bounds of its contents.
    fn message(&mut self, waiting: &mut dyn FnMut() -> Result<(), LdapError>) -> Result<(usize, usize), LdapError> {
        let mut pace = None;
        loop {
            let pending = &self.buffer[self.start..self.end];
            let mut wanted = CHUNK;
            if let Some(header) = ber::header(pending)? {
                if header.tag != ber::SEQUENCE {
                    return Err(LdapError::Malformed("a message that is not a sequence"));
                }
                if header.length > MAXIMUM_MESSAGE {
                    return Err(LdapError::TooLarge { length: header.length, limit: MAXIMUM_MESSAGE });
                }
                let total = header.size + header.length;
                if pending.len() >= total {
                    let from = self.start + header.size;
                    self.start += total;
                    return Ok((from, self.start));
                }
                // The buffer grows as bytes arrive, never by what a header merely claims.
                wanted = (total - pending.len()).min(pending.len().max(CHUNK));
            }
            let arrived = pending.len();
            let pace = pace.get_or_insert_with(|| Pace::begin(self.settings.patience));
            pace.keep(arrived, waiting)?;
            self.make_room(wanted);
            self.fill(pace, waiting)?;
        }
    }

    fn make_room(&mut self, wanted: usize) {
        let pending = self.end - self.start;
        let oversized = self.buffer.len() > KEPT_BUFFER && pending + wanted <= KEPT_BUFFER;
        if self.buffer.len() - self.end >= wanted && !oversized {
            return;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, pending);
        if oversized {
            self.buffer.truncate(KEPT_BUFFER);
            self.buffer.shrink_to_fit();
        } else if self.buffer.len() - pending < wanted {
            self.buffer.resize(pending + wanted, 0);
        }
    }

    fn fill(&mut self, pace: &mut Pace, waiting: &mut dyn FnMut() -> Result<(), LdapError>) -> Result<(), LdapError> {
        if self.small_reads >= SMALL_READS {
            // Waking for every entry would cost more than reading it, on both sides: let some gather.
            std::thread::sleep(GATHERING);
        }
        let silent_since = Instant::now();
        loop {
            let room = &mut self.buffer[self.end..];
            let read = match &mut self.stream {
                Some(Stream::Plain(socket)) => socket.read(room),
                Some(Stream::Tls(stream)) => stream.read(room),
                None => return Err(LdapError::Closed),
            };
            match read {
                Ok(0) => return Err(LdapError::Closed),
                Ok(count) => {
                    self.end += count;
                    self.received += u64::try_from(count).unwrap_or(0);
                    if count < SMALL_READ {
                        self.small_reads = self.small_reads.saturating_add(1);
                    }
                    return Ok(());
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    pace.look(waiting)?;
                    if silent_since.elapsed() >= self.settings.patience {
                        return Err(pace.silent());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if closes(error.kind()) => return Err(LdapError::Closed),
                Err(error) => return Err(LdapError::Io(error)),
            }
        }
    }
}

/// How fast a message arrives, and when whoever waits was last asked whether to go on.
#[derive(Debug)]
struct Pace {
    began: Instant,
    looked: Instant,
    patience: Duration,
}

impl Pace {
    fn begin(patience: Duration) -> Self {
        let now = Instant::now();
        Self { began: now, looked: now, patience }
    }

    /// Asks whoever waits whether to go on, now and then also while bytes keep arriving.
    fn keep(&mut self, arrived: usize, waiting: &mut dyn FnMut() -> Result<(), LdapError>) -> Result<(), LdapError> {
        if self.looked.elapsed() < POLL {
            return Ok(());
        }
        let allowance = u64::try_from(arrived).unwrap_or(u64::MAX) / MINIMUM_BYTES_A_SECOND;
        if self.began.elapsed() > self.patience.saturating_add(Duration::from_secs(allowance)) {
            return Err(self.silent());
        }
        self.look(waiting)
    }

    fn look(&mut self, waiting: &mut dyn FnMut() -> Result<(), LdapError>) -> Result<(), LdapError> {
        self.looked = Instant::now();
        waiting()
    }

    fn silent(&self) -> LdapError {
        LdapError::Silent { seconds: self.patience.as_secs() }
    }
}

fn closes(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            // The server learns of the end from the closed socket; an unbind would only delay a cancelled run.
            let _ = stream.socket().shutdown(std::net::Shutdown::Both);
        }
    }
}

fn disconnection(response: &Response<'_>) -> LdapError {
    match message::result(response.contents) {
        Ok((code, message)) => LdapError::Disconnected { code, message },
        Err(error) => error,
    }
}

impl DirectoryReader for Connection {
    fn begin(&mut self, search: &Search, cookie: &[u8]) -> Result<Ticket, LdapError> {
        let message_id = self.send(&message::search(search), &message::search_controls(search, cookie))?;
        Ok(Ticket::new(message_id))
    }

    fn receive(
        &mut self,
        ticket: Ticket,
        on_entry: &mut dyn FnMut(Option<&Entry<'_>>) -> Result<(), LdapError>,
    ) -> Result<PageEnd, LdapError> {
        let (mut entries, mut references) = (0, 0);
        self.small_reads = 0;
        loop {
            let response = self.answer(ticket.message_id, &mut || on_entry(None))?;
            match response.tag {
                message::ENTRY => {
                    on_entry(Some(&Entry::parse(response.contents)?))?;
                    entries += 1;
                }
                message::REFERENCE => {
                    references += 1;
                    on_entry(None)?;
                }
                message::SEARCH_DONE => {
                    let (code, message) = message::result(response.contents)?;
                    let (estimate, cookie) = message::paging(response.controls)?.unwrap_or_default();
                    return Ok(PageEnd { code, message, cookie, estimate, entries, references });
                }
                // It says nothing that reading needs.
                message::INTERMEDIATE_RESPONSE => on_entry(None)?,
                _ => return Err(LdapError::Malformed("an answer to a search that is none")),
            }
        }
    }

    fn bytes_received(&self) -> u64 {
        self.received
    }
}
