//! Starts ZooKeeper and brokers of either make on free ports of loopback, each in a folder of one test.
//! The folder goes with the test, unless the test fails: then it stays and its path is printed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::apache;
use crate::process::{Process, Said, free_port, run};

/// Whose ZooKeeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZooKeeperKind {
    /// `zookeeper-server-start` of this project.
    Ours,
    /// Apache ZooKeeper.
    Apache,
}

/// Whose broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerKind {
    /// `broker` of this project.
    Ours,
    /// Apache Kafka of [`apache::KAFKA`].
    Apache,
}

/// How long a server of ours may take to answer, on a machine busy with other tests.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How long a clean stop may take.
pub const STOP_DEADLINE: Duration = Duration::from_secs(60);

/// One broker of a cluster: its files outlive its process, and it can be started again as either kind.
#[derive(Debug)]
pub struct Broker {
    /// `broker.id`.
    pub id: i32,
    /// Port of its PLAINTEXT listener.
    pub port: u16,
    /// Its only entry in `log.dirs`.
    pub log_dir: PathBuf,
    /// Properties of its own, over the cluster's.
    pub properties: BTreeMap<String, String>,
    /// Words before its command line, such as [`crate::faults::SmallDisk::prefix`]; for our own brokers only.
    pub prefix: Vec<String>,
    /// The process, while there is one.
    pub process: Option<Process>,
}

impl Broker {
    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// ZooKeeper and some brokers.
#[derive(Debug)]
pub struct Cluster {
    dir: Option<TempDir>,
    path: PathBuf,
    zookeeper_kind: ZooKeeperKind,
    zookeeper_port: u16,
    zookeeper: Option<Process>,
    brokers: Vec<Broker>,
}

/// What a cluster shall be made of.
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    zookeeper: ZooKeeperKind,
    brokers: Vec<BrokerKind>,
    properties: BTreeMap<String, String>,
}

impl ClusterBuilder {
    /// Chooses the ZooKeeper; ours unless said.
    #[must_use]
    pub fn zookeeper(mut self, kind: ZooKeeperKind) -> Self {
        self.zookeeper = kind;
        self
    }

    /// Chooses the brokers, ids from 1; one of ours unless said.
    #[must_use]
    pub fn brokers(mut self, kinds: &[BrokerKind]) -> Self {
        self.brokers = kinds.to_vec();
        self
    }

    /// Sets a property on every broker.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Starts it all and waits until every port answers.
    ///
    /// # Errors
    /// When something does not start; its log is in the message.
    pub fn start(self) -> Result<Cluster> {
        let dir = tempfile::Builder::new().prefix("milena-").tempdir()?;
        let path = dir.path().to_owned();
        let mut cluster = Cluster {
            dir: Some(dir),
            path,
            zookeeper_kind: self.zookeeper,
            zookeeper_port: free_port()?,
            zookeeper: None,
            brokers: Vec::new(),
        };
        cluster.start_zookeeper()?;
        for (index, kind) in self.brokers.iter().enumerate() {
            let id = i32::try_from(index)? + 1;
            let log_dir = cluster.path.join(format!("data-{id}"));
            let properties = self.properties.clone();
            cluster.brokers.push(Broker {
                id,
                port: free_port()?,
                log_dir,
                properties,
                prefix: Vec::new(),
                process: None,
            });
            cluster.start_broker(id, *kind)?;
        }
        Ok(cluster)
    }
}

impl Cluster {
    /// One broker of ours on our ZooKeeper, unless told otherwise. `MILENA_TEST_PEER=apache` in the environment turns
    /// both into Apache's, to see that a test asks for nothing that Kafka itself does not do.
    #[must_use]
    pub fn builder() -> ClusterBuilder {
        let apache = std::env::var_os("MILENA_TEST_PEER").is_some_and(|peer| peer == "apache");
        let (zookeeper, broker) =
            if apache { (ZooKeeperKind::Apache, BrokerKind::Apache) } else { (ZooKeeperKind::Ours, BrokerKind::Ours) };
        ClusterBuilder { zookeeper, brokers: vec![broker], properties: BTreeMap::new() }
    }

    /// The folder of this test.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// ZooKeeper's connect string.
    #[must_use]
    pub fn zookeeper_connect(&self) -> String {
        format!("127.0.0.1:{}", self.zookeeper_port)
    }

    /// Addresses of all brokers, comma-separated.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.brokers.iter().map(Broker::address).collect::<Vec<_>>().join(",")
    }

    /// The broker with this id.
    ///
    /// # Panics
    /// When the cluster has none.
    pub fn broker(&mut self, id: i32) -> &mut Broker {
        self.brokers.iter_mut().find(|broker| broker.id == id).expect("the test names a broker it made")
    }

    /// Starts ZooKeeper (again).
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_zookeeper(&mut self) -> Result<()> {
        let process = match self.zookeeper_kind {
            ZooKeeperKind::Apache => apache::zookeeper_at(apache::KAFKA, &self.path, self.zookeeper_port)?.process,
            ZooKeeperKind::Ours => {
                let properties = self.path.join("zookeeper.properties");
                let text = format!(
                    "dataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\ntickTime=500\n\
                     minSessionTimeout=1000\nmaxSessionTimeout=60000\n4lw.commands.whitelist=*\n",
                    self.path.join("zookeeper").display(),
                    self.zookeeper_port
                );
                std::fs::write(&properties, text)?;
                let mut command = Command::new(binary("zookeeper-server-start")?);
                command.arg(&properties);
                let mut process = Process::start("zookeeper", &mut command, &self.path.join("zookeeper.log"))?;
                process.wait_for_port(self.zookeeper_port, START_DEADLINE)?;
                process
            }
        };
        self.zookeeper = Some(process);
        Ok(())
    }

    /// The ZooKeeper process.
    ///
    /// # Panics
    /// When it is not running.
    pub fn zookeeper(&mut self) -> &mut Process {
        self.zookeeper.as_mut().expect("ZooKeeper was started")
    }

    /// Starts broker `id` (again), as one of ours or an Apache broker, on its own files.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_broker(&mut self, id: i32, kind: BrokerKind) -> Result<()> {
        let connect = self.zookeeper_connect();
        let path = self.path.clone();
        let broker = self.broker(id);
        let mut properties: BTreeMap<String, String> = [
            ("broker.id", id.to_string()),
            ("listeners", format!("PLAINTEXT://127.0.0.1:{}", broker.port)),
            ("zookeeper.connect", connect),
            ("log.dirs", broker.log_dir.display().to_string()),
            ("zookeeper.session.timeout.ms", "6000".to_owned()),
            ("offsets.topic.replication.factor", "1".to_owned()),
            ("offsets.topic.num.partitions", "5".to_owned()),
            ("transaction.state.log.replication.factor", "1".to_owned()),
            ("transaction.state.log.min.isr", "1".to_owned()),
            ("group.initial.rebalance.delay.ms", "0".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        properties.extend(broker.properties.clone());
        let file = path.join(format!("broker-{id}.properties"));
        let text: String = properties.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        std::fs::write(&file, text)?;
        let name = format!("broker-{id}");
        let process = match kind {
            BrokerKind::Apache => apache::broker(apache::KAFKA, &path, &name, &file, broker.port)?.process,
            BrokerKind::Ours => {
                let mut words = broker.prefix.iter().map(Into::into).chain([binary("broker")?.into_os_string()]);
                let mut command = Command::new(words.next().context("there is at least the program")?);
                command.args(words).arg(&file).env("LOG_DIR", path.join("logs"));
                let mut process = Process::start(&name, &mut command, &path.join(format!("{name}.log")))?;
                process.wait_for_port(broker.port, START_DEADLINE)?;
                process
            }
        };
        broker.process = Some(process);
        Ok(())
    }

    /// The process of broker `id`.
    ///
    /// # Panics
    /// When it is not running.
    pub fn process(&mut self, id: i32) -> &mut Process {
        self.broker(id).process.as_mut().expect("the broker was started")
    }

    /// SIGTERM, then waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop_broker(&mut self, id: i32) -> Result<Option<i32>> {
        let code = self.process(id).stop(STOP_DEADLINE);
        self.broker(id).process = None;
        code
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When waiting for its end fails.
    pub fn kill_broker(&mut self, id: i32) -> Result<()> {
        self.process(id).kill()?;
        self.broker(id).process = None;
        Ok(())
    }

    /// Runs one of Apache Kafka's commands, `--bootstrap-server` and what follows in `args`.
    ///
    /// # Errors
    /// When it cannot be run or does not end.
    pub fn apache_tool(&self, tool: &str, args: &[&str], input: &str) -> Result<Said> {
        apache::tool(tool, &self.path, args, input)
    }

    /// Runs one of our own commands.
    ///
    /// # Errors
    /// When it cannot be run or does not end.
    pub fn our_tool(&self, tool: &str, args: &[&str], input: &str) -> Result<Said> {
        run(our_tool_command(tool)?.args(args), input, Duration::from_secs(120))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.brokers.clear();
        self.zookeeper = None;
        if std::thread::panicking()
            && let Some(dir) = self.dir.take()
        {
            eprintln!("the logs of this failed test stay in {}", dir.keep().display());
        }
    }
}

/// One of our own `kafka-*` commands, ready for arguments: one program that goes by the name it is called under.
///
/// # Errors
/// When it cannot be built.
pub fn our_tool_command(tool: &str) -> Result<Command> {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new(binary("kafka-tools")?);
    command.arg0(tool);
    Ok(command)
}

/// The path of a program of this project, built first if need be (once for the test process).
///
/// # Errors
/// When the build fails or gives no such program.
pub fn binary(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let exe = std::env::current_exe()?;
    let beside = exe.parent().context("a program lies in a folder")?;
    // Tests lie in target/<profile>/deps, programs one up.
    let profile_dir = if beside.ends_with("deps") { beside.parent().context("deps has a parent")? } else { beside };
    let build = || -> Result<()> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "-q", "-p", "broker", "-p", "tools", "-p", "standalone", "--bins"]);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        if profile_dir.ends_with("release") {
            command.arg("--release");
        }
        run(&mut command, "", Duration::from_secs(1800))?.ok().context("build the programs under test")?;
        Ok(())
    };
    BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}"))).clone().map_err(anyhow::Error::msg)?;
    let path = profile_dir.join(name);
    if path.exists() { Ok(path) } else { bail!("the build gave no {}", path.display()) }
}
