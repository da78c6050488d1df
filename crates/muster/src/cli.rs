//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use muster_core::secret::Secret;

/// Muster calls the roll of what an organization exposes and who may touch it.
#[derive(Debug, Parser)]
#[command(name = "muster", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Machine-readable output: JSON instead of tables and sentences.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to log to stderr: error, warn, info, debug, or a filter like `muster_engine=debug`.
    #[arg(long, global = true, env = "MUSTER_LOG", hide_env_values = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How the log is written: a line of text for each event, or of JSON.
    #[arg(long, global = true, env = "MUSTER_LOG_FORMAT", value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// A setting that only the environment gives; empty is as good as not given.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves the hub: REST, scheduler and workers.
    Serve(ServeArguments),
    /// Reads a source once and writes what it holds, or what changed.
    Sync(SyncArguments),
    /// Checks, tests and tries transform maps.
    Map(MapArguments),
    /// Reads near the source, and delivers to a hub: the on-prem agent.
    ///
    /// Exit codes of `--once` and `--check`: 0 complete, 1 cancelled, 2 settings or cron expression, 3 partial or held, 10
    /// hub, 11 proxy, 12 TLS, 13 credential refused, 14 unknown customer, connection or profile, 15 revoked, 16 another
    /// process took the place, 20 directory. Without them it runs by its cron expression and goes on after every
    /// failure but 2, 14, 15 and 16.
    Agent(AgentArguments),
    /// Reads API definitions.
    Spec(SpecArguments),
    /// Asks the inventory.
    Query(QueryArguments),
    /// Serves a simulated source on this machine, for tries and tests.
    Lab(LabArguments),
    /// Serves a hub with simulated sources, configured and read: to look around.
    Demo(DemoArguments),
    /// Looks a store over: what it holds, when it was proven, whether two hold the same.
    Doctor(DoctorArguments),
    /// Adds and lists tenants: organizations on one hub that see nothing of each other.
    Tenant(TenantArguments),
    /// Prints a page of the reference, for `cargo xtask gen`.
    #[command(hide = true)]
    Reference(ReferenceArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ReferenceArguments {
    /// The page.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Where to listen.
    #[arg(long, env = "MUSTER_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    /// The certificate of this hub with its chain, PEM.
    #[arg(long, env = "MUSTER_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, env = "MUSTER_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The address or network of a proxy before this hub, several by commas. What such a machine says in
    /// `X-Forwarded-For` is believed: limits on sign-in and the audit then name the client, not the proxy.
    #[arg(long = "trusted-proxy", env = "MUSTER_TRUSTED_PROXIES", value_name = "NETWORK", value_delimiter = ',',
          value_parser = network)]
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// How many connections are open at once; who comes after is sent away.
    #[arg(long, env = "MUSTER_CONNECTIONS", default_value_t = CONNECTIONS, value_name = "N", value_parser = connections)]
    pub(crate) connections: usize,
    /// How many jobs run at once.
    #[arg(long, env = "MUSTER_WORKERS", default_value_t = 4, value_name = "N", value_parser = workers)]
    pub(crate) workers: usize,
    /// For how many days the records and the history of what is gone are kept, dead letters, and jobs that have ended.
    #[arg(long, env = "MUSTER_KEEP_DAYS", default_value_t = KEEP_DAYS, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) keep_days: u32,
}

/// How many connections a hub keeps open at once, where nothing else is said: below the 1,024 files that a process
/// usually may open.
pub(crate) const CONNECTIONS: usize = 512;

/// How long that is, unless somebody says otherwise (design D14).
pub(crate) const KEEP_DAYS: u32 = 90;

/// Where a hub keeps what it knows.
#[derive(Debug, Args)]
pub(crate) struct PlaceArguments {
    /// The directory of the embedded store and its key.
    #[arg(
        long,
        env = "MUSTER_DATA",
        value_name = "DIR",
        required_unless_present = "database",
        conflicts_with = "database"
    )]
    pub(crate) data: Option<PathBuf>,
    /// The PostgreSQL database: `postgres://user:password@host/database`. Several hubs may share it.
    #[arg(long, env = "MUSTER_DATABASE", hide_env_values = true, value_name = "URL", value_parser = secret)]
    pub(crate) database: Option<Secret>,
}

#[derive(Debug, Args)]
pub(crate) struct TenantArguments {
    #[command(subcommand)]
    pub(crate) command: TenantCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Adds a tenant and its first administrator, who signs in as `admin@NAME`. The hub may be running. The password is
    /// that of `MUSTER_ADMIN_PASSWORD`, else made and printed once.
    Add(TenantAddArguments),
    /// Lists the tenants.
    List(TenantListArguments),
}

#[derive(Debug, Args)]
pub(crate) struct TenantAddArguments {
    /// The tenant's name: lower-case letters, digits, hyphens, dots and underscores.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct TenantListArguments {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = |text: &str| text.parse::<IpAddr>().ok().map(IpNet::from);
    text.trim()
        .parse()
        .ok()
        .or_else(|| address(text.trim()))
        .ok_or_else(|| "it is no address and no network: write `10.0.0.5`, `10.0.0.0/24` or `fd00::/8`".to_owned())
}

fn connections(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().ok().filter(|number| (1..=65_536).contains(number));
    number.ok_or_else(|| "it is no number from 1 to 65536".to_owned())
}

fn workers(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().ok().filter(|number| (1..=64).contains(number));
    number.ok_or_else(|| "it is no number from 1 to 64".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    /// The connector's settings.
    #[arg(value_name = "CONNECTOR.toml")]
    pub(crate) connector: PathBuf,
    /// Where the assets go, a line of JSON each; stdout where absent.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Where the inventory is kept between runs. Without it everything is read, mapped and written.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Reads everything again instead of what changed.
    #[arg(long, requires = "state", conflicts_with = "sweep")]
    pub(crate) full: bool,
    /// Reads only the keys of everything: finds what is gone, and what left the base context.
    #[arg(long, requires = "state")]
    pub(crate) sweep: bool,
    /// Writes the whole inventory instead of what this run created or changed.
    #[arg(long, requires = "state")]
    pub(crate) all: bool,
    /// Lets go what an earlier run held: what is still missing is retired; with `--full` vanished values are dropped.
    #[arg(long, requires = "state")]
    pub(crate) release: bool,
    /// Only tests the connection, step by step; nothing is read into an inventory.
    #[arg(long, conflicts_with_all = ["out", "state", "full", "sweep", "all", "release"])]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AgentArguments {
    /// The settings: a line `KEY=VALUE` each, as `docker run --env-file` reads them. The process environment goes before it.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// Runs once and waits for the run's end.
    #[arg(long)]
    pub(crate) once: bool,
    /// Shows every setting and where it came from, then tries the whole connection, step by step; nothing is read.
    #[arg(long, conflicts_with = "once")]
    pub(crate) check: bool,
    /// Says whether an agent with these settings has shown a sign of life within three minutes.
    #[arg(long, conflicts_with_all = ["once", "check"])]
    pub(crate) healthy: bool,
    /// The root certificate of the hub's authority, PEM or DER; only it is believed then. The machine's own, where absent.
    #[arg(long, env = "MUSTER_HUB_CA", value_name = "FILE")]
    pub(crate) hub_ca: Option<PathBuf>,
    /// Speaks to the hub without TLS where the settings say `http://`. For trials: passwords travel in clear.
    #[arg(long)]
    pub(crate) allow_http: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MapArguments {
    #[command(subcommand)]
    pub(crate) command: MapCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MapCommand {
    /// Says what is wrong with maps, with line and column.
    Lint(MapFiles),
    /// Runs the cases that maps carry.
    Test(MapFiles),
    /// Shows what a map makes of given attributes, and where each value comes from.
    Preview(PreviewArguments),
    /// Prints a default map, to be cloned into a file of one's own.
    Show(ShowArguments),
}

#[derive(Debug, Args)]
pub(crate) struct MapFiles {
    /// Maps; the defaults of all connector types where none is named.
    #[arg(value_name = "MAP.yaml")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PreviewArguments {
    /// The map: a file, or `active_directory/users` for a default.
    #[arg(value_name = "MAP")]
    pub(crate) map: String,
    /// The record: a JSON object of attribute → value or values, `-` for stdin.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) record: PathBuf,
    /// The time that the map sees, RFC 3339; now where absent.
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// The map, such as `active_directory/users`.
    #[arg(value_name = "MAP")]
    pub(crate) map: String,
}

#[derive(Debug, Args)]
pub(crate) struct SpecArguments {
    #[command(subcommand)]
    pub(crate) command: SpecCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SpecCommand {
    /// Prints what an API definition says can be called: `METHOD path` a line, without base path.
    ///
    /// Swagger 2.0, OpenAPI 3, RAML 0.8 and 1.0 and WSDL 1.1 are read, alone or in a zip package. What is missing, skipped,
    /// filled or odd goes to stderr. With `--json` the whole reading is printed, those notes included.
    Endpoints(SpecFile),
}

#[derive(Debug, Args)]
pub(crate) struct SpecFile {
    /// The document or package; `-` for stdin. What it is is told by its content.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The root file of a package, as the package names it; without it the package's own.
    #[arg(long, value_name = "NAME")]
    pub(crate) main: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LabArguments {
    #[command(subcommand)]
    pub(crate) command: LabCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// An Active Directory domain controller over LDAP; prints one line of JSON when it answers.
    Directory(LabDirectoryArguments),
    /// An Azure tenant with API Management over HTTP; prints one line of JSON when it answers.
    Azure(LabAzureArguments),
    /// MuleSoft's Anypoint Platform over HTTP; prints one line of JSON when it answers.
    Anypoint(LabAnypointArguments),
}

#[derive(Debug, Args)]
pub(crate) struct LabAnypointArguments {
    /// Where the platform, its storage and `/_lab/` answer; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// The same seed and sizes give the same platform.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Business groups below the root.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) groups: u64,
    /// Environments in each business group.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) environments: u64,
    /// API instances in each environment.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) apis: u64,
    /// Assets on a page of a list of APIs, at most.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) page: u64,
}

#[derive(Debug, Args)]
pub(crate) struct LabAzureArguments {
    /// Where sign-in, Resource Manager, storage and `/_lab/` answer; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// The same seed and sizes give the same tenant.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Subscriptions.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) subscriptions: u64,
    /// API Management services in each subscription.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) services: u64,
    /// APIs in each service.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) apis: u64,
    /// APIs in a workspace of each service; there is none where it is 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) workspace: u64,
    /// Bytes of description in each definition.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) definition: u64,
    /// Entries on a page of a list of APIs.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) page: u64,
    /// Limits reads as Azure does: 250 at once, 25 a second, in each subscription.
    #[arg(long)]
    pub(crate) limited: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LabDirectoryArguments {
    /// Where LDAP is spoken; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Where `/_lab/truth`, `/_lab/change` and `/_lab/faults` are; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) control: SocketAddr,
    /// The same seed and sizes give the same directory.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// People.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) users: u64,
    /// Groups; a tenth of the people, at least ten, where absent.
    #[arg(long, value_name = "N")]
    pub(crate) groups: Option<u64>,
    /// Members of the group `All staff`; 6,000 or as many as there are people, where absent.
    #[arg(long, value_name = "N")]
    pub(crate) staff: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Where the hub listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where the demo keeps what it makes; a new temporary directory where absent.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The same seed gives the same sources.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// People in the simulated directory.
    #[arg(long, value_name = "N", default_value_t = 5000)]
    pub(crate) users: u64,
    /// APIs in each of the Azure tenant's four services, a fifth of them in a workspace, and in each of the MuleSoft
    /// organization's four environments; neither gateway where it is 0.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) apis: u64,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    Table,
    /// A document a line.
    Json,
    /// Comma-separated values, RFC 4180.
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    /// What to look for, such as `user.status:DISABLED and user.name:smith`; everything where empty.
    #[arg(value_name = "QUERY", default_value = "")]
    pub(crate) query: String,
    /// The store.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// Lists only this class: user or group. Tokens may then stand without it, as in `status:DISABLED`.
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// How the list is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// The token to sort by; assets without a value come last.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) sort: Option<String>,
    /// Greatest first.
    #[arg(long, requires = "sort")]
    pub(crate) descending: bool,
    /// How many assets of each class at the most.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// Goes on after a page: the text that the page before ended with. Needs `--class` or a query of one class.
    #[arg(long, value_name = "KEY")]
    pub(crate) after: Option<String>,
    /// Counts to the end instead of to 10,000.
    #[arg(long)]
    pub(crate) exact: bool,
    /// Counts the values of a keyword instead of listing assets, such as `user.status`.
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["sort", "after"])]
    pub(crate) facet: Option<String>,
    /// Adds each asset's history, newest first (with `--format json`).
    #[arg(long)]
    pub(crate) history: bool,
    /// Adds memberships: the groups of users and groups, the members of groups, nested ones too (with `--format json`).
    #[arg(long)]
    pub(crate) memberships: bool,
    /// Adds for each value the map, its version and the source attributes it comes from (with `--format json`).
    #[arg(long)]
    pub(crate) provenance: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The store.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// Prints only the digest of the truth: equal digests, same truth.
    #[arg(long)]
    pub(crate) digest: bool,
    /// Prints the ledger of a run: its number, or `last`.
    #[arg(long, value_name = "RUN", conflicts_with = "digest")]
    pub(crate) run: Option<String>,
}
