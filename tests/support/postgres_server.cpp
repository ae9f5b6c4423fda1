#include "support/postgres_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace epic::test {

namespace {

namespace fs = std::filesystem;

const fs::path kPrograms = "/usr/lib/postgresql/15/bin";
constexpr const char* kAdmin = "postgres";
constexpr int kLooksMax = 3'000;
constexpr int kLookEveryMs = 10;
constexpr int kResetMs = 100;

/// The user that the server runs as; null: the one who runs this.
const passwd* server_user() {
  if (::geteuid() != 0) return nullptr;
  const passwd* const user = ::getpwnam("postgres");
  if (user == nullptr) throw std::runtime_error("a PostgreSQL server does not run as root, and there is no 'postgres'");
  return user;
}

std::string text_of_file(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct FinishConnection {
  void operator()(PGconn* raw) const { PQfinish(raw); }
};
struct ClearResult {
  void operator()(PGresult* raw) const { PQclear(raw); }
};

}  // namespace

void PostgresServer::make_data_directory() {
  if (!fs::exists(kPrograms / "initdb"))
    throw std::runtime_error("there is no " + (kPrograms / "initdb").string() + ": apt-get install postgresql-15");
  const fs::path data = directory_.path() / "data";
  fs::create_directory(data);
  fs::permissions(data, fs::perms::owner_all);  // the server insists
  if (const passwd* const user = server_user())
    for (const fs::path& path : {data, directory_.path()})
      if (::chown(path.c_str(), user->pw_uid, user->pw_gid) != 0)
        throw std::runtime_error("cannot give away " + path.string());
}

PostgresServer::PostgresServer(std::vector<std::string> settings) : settings_(std::move(settings)) {
  make_data_directory();
  const int end = run({kPrograms / "initdb", "--no-sync", "--no-instructions", "-A", "trust", "-U", kAdmin,
                       "--locale=C", "-E", "UTF8", "-D", directory_.path() / "data"});
  if (end != 0)
    throw std::runtime_error(
        fmt::format("initdb ended with {}: {}", end, text_of_file(directory_.path() / "initdb.log")));
  start();
  run_sql(url_of(kAdmin, "postgres"), fmt::format("CREATE ROLE {} LOGIN", kRole));
}

PostgresServer::PostgresServer(const PostgresServer& primary) : settings_(primary.settings_) {
  make_data_directory();
  const int end = run({kPrograms / "pg_basebackup", "-h", primary.directory_.path(), "-U", kAdmin, "-D",
                       directory_.path() / "data", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"});
  if (end != 0)
    throw std::runtime_error(
        fmt::format("pg_basebackup ended with {}: {}", end, text_of_file(directory_.path() / "pg_basebackup.log")));
  start();
}

PostgresServer::~PostgresServer() { stop(End::crash); }

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  return server;
}

pid_t PostgresServer::spawn(const std::vector<std::string>& arguments) const {
  const passwd* const user = server_user();
  const pid_t parent = ::getpid();
  const std::string log = directory_.path() / (fs::path(arguments.front()).filename().string() + ".log");
  std::vector<char*> raw;
  for (const std::string& argument : arguments) raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  const pid_t process = ::fork();
  if (process < 0) throw std::runtime_error("cannot fork a process for " + arguments.front());
  if (process > 0) return process;
  ::close_range(STDERR_FILENO + 1, ~0U, 0);  // a socket of the test's that it held would never end for the other side
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  if (user != nullptr && (::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0)) ::_exit(126);
  // After the change of users, which would forget it. Its own children end with it.
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (::getppid() != parent || ::chdir("/") != 0) ::_exit(126);
  ::execv(raw.front(), raw.data());
  ::_exit(127);
}

int PostgresServer::run(const std::vector<std::string>& arguments) const {
  const pid_t process = spawn(arguments);
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void PostgresServer::start() {
  const fs::path data = directory_.path() / "data";
  std::vector<std::string> arguments{kPrograms / "postgres", "-D", data};
  for (const std::string& setting :
       {std::string("listen_addresses="), "unix_socket_directories=" + directory_.path().string(),
        std::string("fsync=off"), std::string("shared_buffers=16MB"), std::string("max_connections=40"),
        std::string("autovacuum=off"), std::string("logging_collector=off")})
    arguments.insert(arguments.end(), {"-c", setting});
  for (const std::string& setting : settings_)
    arguments.insert(arguments.end(), {"-c", setting});  // the last one counts
  process_ = spawn(arguments);
  wait_until_up();
}

void PostgresServer::wait_until_up() {
  for (int look = 0; look < kLooksMax; ++look) {
    if (PQping(url_of(kAdmin, "postgres").c_str()) == PQPING_OK) return;
    if (::waitpid(process_, nullptr, WNOHANG) == process_) {
      process_ = -1;
      break;
    }
    ::poll(nullptr, 0, kLookEveryMs);
  }
  throw std::runtime_error("the PostgreSQL server does not come up: " +
                           text_of_file(directory_.path() / "postgres.log"));
}

void PostgresServer::stop(End how) {
  if (process_ < 0) return;
  std::vector<pid_t> killed;
  if (how == End::kill)
    killed = signal_all(SIGKILL);
  else
    ::kill(process_, how == End::fast ? SIGINT : SIGQUIT);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  // The next server needs the memory that they share.
  for (const pid_t one : killed)
    while (text_of_file(fmt::format("/proc/{}/statm", one)).find_first_not_of("0 \n") != std::string::npos)
      ::poll(nullptr, 0, kLookEveryMs);
}

std::vector<pid_t> PostgresServer::signal_all(int signal) const {
  std::vector<pid_t> all{process_};
  ::kill(process_, signal);
  std::istringstream children(text_of_file(fmt::format("/proc/{0}/task/{0}/children", process_)));
  for (pid_t child = 0; children >> child;) {
    ::kill(child, signal);
    all.push_back(child);
  }
  return all;
}

std::string PostgresServer::url_of(const std::string& role, const std::string& database) const {
  return fmt::format("postgresql://{}@/{}?host={}", role, database, directory_.path().string());
}

std::string PostgresServer::url_through(const fs::path& link, const std::string& url) {
  return url.substr(0, url.find("host=")) + "host=" + link.string();
}

void PostgresServer::kill_session(const std::string& url) {
  const std::string found = run_sql(
      url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'epic' ORDER BY state = 'active' DESC LIMIT 1");
  if (found.empty()) return;
  ::kill(static_cast<pid_t>(std::stol(found)), SIGKILL);
  // The server notices within milliseconds, and takes nobody in until it has recovered.
  ::poll(nullptr, 0, kResetMs);
  wait_until_up();
}

void PostgresServer::promote() {
  if (run_sql(url_of(kAdmin, "postgres"), "SELECT pg_promote()") != "t")
    throw std::runtime_error("the standby stays one");
}

std::string PostgresServer::make_database() {
  const std::string name = fmt::format("test_{}", ++databases_);
  run_sql(url_of(kAdmin, "postgres"), "CREATE DATABASE " + name);
  run_sql(url_of(kAdmin, name), fmt::format("CREATE SCHEMA epic AUTHORIZATION {}", kRole));
  return url_of(kRole, name);
}

std::string PostgresServer::run_sql(const std::string& url, const std::string& sql) {
  const std::string as_admin = fmt::format("postgresql://{}{}", kAdmin, url.substr(url.find('@')));
  const std::unique_ptr<PGconn, FinishConnection> connection(PQconnectdb(as_admin.c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK)
    throw std::runtime_error(fmt::format("cannot connect to {}: {}", url, PQerrorMessage(connection.get())));
  const std::unique_ptr<PGresult, ClearResult> result(PQexec(connection.get(), sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    throw std::runtime_error(fmt::format("'{}' fails: {}", sql, PQresultErrorMessage(result.get())));
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

}  // namespace epic::test
