#include "cli/machines/private_postgres.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <vector>

#include "cli/machines/child.hpp"
#include "cli/project/project.hpp"
#include "cli/project/subprocess.hpp"
#include "files/private_files.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

using namespace std::chrono_literals;

constexpr const char* kUser = "epic";
constexpr auto kStartTimeout = 60s;  // it may have to recover
constexpr auto kLookInterval = 50ms;
/// sun_path, less the name of the socket in the directory.
constexpr std::size_t kDirectoryBytesMax = 107 - std::string_view("/.s.PGSQL.5432.lock").size();

Failure not_installed() {
  return {.what = "PostgreSQL is not installed",
          .why = "several machines need a database that they share",
          .help = {"install it with 'apt-get install postgresql'"}};
}

/// "15", of the data or of the newest server that there is.
Result<std::string> find_version(const fs::path& data) {
  if (const auto version = files::read_file(data / "PG_VERSION")) return version->substr(0, version->find('\n'));
  std::error_code error;
  int newest = 0;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error))
    if (fs::exists(entry.path() / "bin" / "initdb", error))
      newest = std::max(newest, std::atoi(entry.path().filename().c_str()));
  if (newest == 0) return fail(not_installed());
  return std::to_string(newest);
}

Result<void> checked(const std::expected<void, files::Refusal>& done) {
  return done ? Result<void>() : fail(failure_of(done.error()));
}

Failure failed(const fs::path& log, const std::string& what) { return {.what = what, .log = log}; }

Result<void> make_data(boost::asio::io_context& context, const fs::path& programs, const PostgresPlace& place) {
  const fs::path unfinished = place.directory / "data.unfinished";
  const fs::path log = place.directory / "initdb.log";
  if (const auto directory = files::Directory::open(place.directory)) directory->remove_tree(unfinished.filename());
  auto child = EPIC_TRY(start_child(
      context, {.command = {programs / "initdb", "--no-instructions", "--auth=trust",
                            fmt::format("--username={}", kUser), "--locale=C", "--encoding=UTF8", "-D", unfinished},
                .directory = "/",
                .log = log,
                .hides_root = true,
                .signal_at_end = SIGKILL}));
  boost::process::v2::error_code ended;
  if (child.wait(ended) != 0) return fail(failed(log, "initdb could not make the database"));
  return checked(files::rename_file(unfinished, place.directory / "data"));
}

}  // namespace

std::string PrivatePostgres::local_url(const fs::path& directory) {
  return fmt::format("postgresql://{}@/postgres?host={}", kUser, directory.string());
}

std::string PrivatePostgres::network_url(const std::string& address) {
  return fmt::format("postgresql://{}@{}/postgres", kUser, address);
}

Result<PrivatePostgres> PrivatePostgres::start(boost::asio::io_context& context, const PostgresPlace& place) {
  if (place.directory.string().size() > kDirectoryBytesMax)
    return fail({.what = "the project's path is too long for a database below it",
                 .why = fmt::format("{} has {} characters; a socket in it may have {}", place.directory.string(),
                                    place.directory.string().size(), kDirectoryBytesMax),
                 .help = {"move the project to a directory with a shorter path"}});
  std::error_code error;
  const fs::path data = place.directory / "data";
  EPIC_TRY(checked(files::make_directory(place.directory)));
  const std::string version = EPIC_TRY(find_version(data));
  const fs::path programs = fs::path("/usr/lib/postgresql") / version / "bin";
  if (!fs::exists(programs / "postgres", error)) {
    Failure failure = not_installed();
    failure.what = fmt::format("PostgreSQL {} is not installed", version);
    failure.why = fmt::format("the database in {} was made by that version", data.string());
    failure.help = {fmt::format("install it with 'apt-get install postgresql-{}'", version)};
    return fail(std::move(failure));
  }
  if (!fs::exists(data, error)) EPIC_TRY(make_data(context, programs, place));
  const std::string rules = fmt::format("local all all trust\n{}{}{}", place.clients.empty() ? "" : "host all all ",
                                        place.clients, place.clients.empty() ? "" : " trust\n");
  EPIC_TRY(checked(files::replace_file(data / "pg_hba.conf", rules)));

  const fs::path log = place.directory / "postgres.log";
  auto process = EPIC_TRY(
      start_child(context, {.command = {programs / "postgres", "-D", data, "-c", "listen_addresses=" + place.address,
                                        "-c", "unix_socket_directories=" + place.directory.string(), "-c",
                                        "max_connections=200", "-c", "logging_collector=off"},
                            .directory = "/",
                            .log = log,
                            .network = place.network,
                            .hides_root = true,
                            .signal_at_end = SIGINT}));
  PrivatePostgres server(std::move(process));
  boost::asio::steady_timer timer(context);
  for (const auto give_up_at = std::chrono::steady_clock::now() + kStartTimeout;;) {
    const auto asked = EPIC_TRY(run_subprocess(
        {.program = programs / "pg_isready", .arguments = {"-q", "-h", place.directory.string(), "-U", kUser}}));
    if (asked.exit_code == 0) return server;
    boost::process::v2::error_code ignored;
    if (!server.process_.running(ignored)) return fail(failed(log, "the database ended while it started"));
    if (std::chrono::steady_clock::now() >= give_up_at)
      return fail(failed(log, "the database has not started within a minute"));
    timer.expires_after(kLookInterval);
    timer.wait();
  }
}

void PrivatePostgres::stop() { ::kill(process_.id(), SIGINT); }

}  // namespace epic::cli
