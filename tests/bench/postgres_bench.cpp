// A fabric of four nodes on a PostgreSQL server, against bare libpq processes on the same one: durable increments and
// delivered transfers. And what one server can do: rows per second by their size, with and without a synchronous
// standby, and by the number of sessions.
//
// The server is this program's own, on this machine, and syncs what it commits.

#include <fmt/format.h>
#include <poll.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/bare_postgres.hpp"
#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/increments.hpp"
#include "bench/store_writers.hpp"
#include "bench/transfers.hpp"
#include "storage/open_store.hpp"
#include "support/postgres_server.hpp"

using namespace epic::bench;
using epic::storage::locate_store;
using epic::test::PostgresServer;
using epic::test::TempDir;

namespace {

constexpr int kRounds = 5;
constexpr int kWriters = 4;

/// A server as one for a fabric is set up; the rest is PostgreSQL's default.
std::vector<std::string> server_settings() {
  return {"fsync=on",      "shared_buffers=512MB", "max_wal_size=4GB",
          "autovacuum=on", "max_connections=300",  "wal_compression=off"};
}

/// Databases of a server, each removed with its object.
class Database {
 public:
  explicit Database(PostgresServer& server) : server_(server), url_(server.make_database()) {}
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() {
    const std::size_t begin = url_.find("@/") + 2;
    const std::string name = url_.substr(begin, url_.find('?') - begin);
    const std::string other = url_.substr(0, begin) + "postgres" + url_.substr(begin + name.size());
    server_.run_sql(other, fmt::format("DROP DATABASE {} WITH (FORCE)", name));
  }
  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  PostgresServer& server_;
  std::string url_;
};

double run_bare(PostgresServer& server, const WriterLoad& load) {
  const Database database(server);
  return run_writers(load, make_bare_postgres_writers(database.url(), load)).rows_per_second;
}

double run_store(PostgresServer& server, const WriterLoad& load) {
  const Database database(server);
  const TempDir notes;
  return run_writers(load, make_store_writers(locate_store(database.url(), notes.path()), load)).rows_per_second;
}

// ---- a fabric

/// Of a database, since its server's start.
struct Counted {
  double transactions = 0;
  double log_bytes = 0;
};
/// Sessions report what they have done when they have been idle for 10 s.
Counted count(PostgresServer& server, const std::string& url) {
  ::poll(nullptr, 0, 11'000);
  const auto ask = [&](const std::string& sql) { return std::stod(server.run_sql(url, sql)); };
  return {.transactions = ask("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"),
          .log_bytes = ask("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")};
}

/// What the commits of a run of increments are made of.
void explain_increments(PostgresServer& server, const std::string& url, const BenchFabric& fabric,
                        const IncrementLoad& load) {
  const Counted first = count(server, url);
  const BenchFabric::Saved before = fabric.count_saved();
  {
    const epic::Client client = fabric.connect();
    run_inside(client, load);
  }
  const BenchFabric::Saved after = fabric.count_saved();
  const Counted second = count(server, url);
  const auto commits = static_cast<double>(after.commits - before.commits);
  const auto rows = static_cast<double>(after.rows - before.rows);
  print_table(
      {{"increments inside the fabric", "each"},
       {"rows a commit", fmt::format("{:.1f}", rows / commits)},
       {"transactions of the server a commit: each is a round trip",
        fmt::format("{:.3f}", (second.transactions - first.transactions) / commits)},
       {"bytes of the server's log a row", fmt::format("{:.0f}", (second.log_bytes - first.log_bytes) / rows)}});
}

void compare_durable_increments() {
  PostgresServer server(server_settings());
  const Database database(server);
  const BenchFabric fabric(kWriters, "bench_entities", database.url());
  for (const int callers : {64, 512}) {
    const IncrementLoad load{.callers = callers, .increments = 20'480, .rounds = kRounds};
    compare_increments(fabric, load, "bare libpq processes",
                       [&server](const WriterLoad& bare) { return run_bare(server, bare); });
    explain_increments(server, database.url(), fabric, load);
  }
}

void compare_delivered_transfers() {
  constexpr int kTransfers = 10'000;
  PostgresServer server(server_settings());
  const Database database(server);
  const BenchFabric fabric(kWriters, "bench_entities", database.url());
  compare_transfers(fabric, {.rounds = kRounds, .each = 100},
                    {.name = fmt::format("{} bare libpq processes, as many row operations a batch", kWriters),
                     .run = [&server](double commit_rows) {
                       // A transfer is four row operations: two rows, a message, and its removal.
                       const auto transfers = std::max(1, static_cast<int>(std::lround(commit_rows / 4)));
                       const WriterLoad load{.processes = kWriters,
                                             .batches = kTransfers / kWriters / transfers,
                                             .rows_per_batch = static_cast<std::size_t>(transfers) * 2};
                       const Database bare(server);
                       return run_writers(load, make_bare_postgres_transfers(bare.url(), load)).rows_per_second / 2;
                     }});
}

// ---- a server

struct Size {
  std::size_t row_bytes;
  std::size_t rows_per_batch;
  int rows;  // each round, for all writers
};
constexpr Size kSizes[] = {
    {.row_bytes = 100, .rows_per_batch = 200, .rows = 40'000},
    {.row_bytes = 1'024, .rows_per_batch = 200, .rows = 20'000},
    {.row_bytes = 10'240, .rows_per_batch = 40, .rows = 4'000},
    {.row_bytes = 102'400, .rows_per_batch = 4, .rows = 800},
};

std::vector<std::string> measure_size(PostgresServer& server, const Size& size) {
  const WriterLoad load{.processes = kWriters,
                        .batches = size.rows / kWriters / static_cast<int>(size.rows_per_batch),
                        .rows_per_batch = size.rows_per_batch,
                        .entities = static_cast<std::size_t>(size.rows) / 8,
                        .row_bytes = size.row_bytes};
  std::vector<double> store;
  std::vector<double> ratios;
  for (int round = 0; round < kRounds; ++round) {
    store.push_back(run_store(server, load));
    ratios.push_back(store.back() / run_bare(server, load));
  }
  const double rows = percentile(store, 0.5);
  return {fmt::format("{} bytes, {} a batch", size.row_bytes, size.rows_per_batch), fmt::format("{:.0f}", rows),
          fmt::format("{:.1f}", rows * static_cast<double>(size.row_bytes) / 1e6),
          fmt::format("{:.2f}", percentile(ratios, 0.5)),
          fmt::format("{:.2f} … {:.2f}", percentile(ratios, 0), percentile(ratios, 1))};
}

void measure_sizes(PostgresServer& server, const std::string& what) {
  std::vector<std::vector<std::string>> table{{fmt::format("{} stores without nodes, {}", kWriters, what), "rows/s",
                                               "MB/s", "ratio to bare libpq", "lowest and highest"}};
  for (const Size& size : kSizes) table.push_back(measure_size(server, size));
  print_table(table);
}

void measure_ceiling() {
  fmt::print("This machine: {} cores.\n\n", std::thread::hardware_concurrency());
  PostgresServer server(server_settings());
  measure_sizes(server, "one server");
  PostgresServer standby(server);
  const std::string url = server.make_database();
  server.run_sql(url, "ALTER SYSTEM SET synchronous_standby_names = '*'");
  server.run_sql(url, "SELECT pg_reload_conf()");
  while (server.run_sql(url, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != "1")
    ::poll(nullptr, 0, 20);
  measure_sizes(server, "and a synchronous standby on the same machine");
}

// ---- sessions

/// Of the server's processes, each page shared among those that have it.
double server_bytes(const PostgresServer& server) {
  std::ifstream list(fmt::format("/proc/{0}/task/{0}/children", server.process()));
  double bytes = 0;
  for (int child = 0; list >> child;) {
    std::ifstream sizes(fmt::format("/proc/{}/smaps_rollup", child));
    for (std::string line; std::getline(sizes, line);)
      if (line.starts_with("Pss:")) bytes += std::stod(line.substr(4)) * 1024;
  }
  return bytes;
}

/// Stores that have written once and stay open.
class IdleStores {
 public:
  IdleStores(const std::string& url, const WriterLoad& load) {
    for (int process = 0; process < load.processes; ++process) {
      writers_.push_back(std::make_unique<StoreWriter>(locate_store(url, notes_.path()), load, process));
      writers_.back()->commit(0);
    }
  }

 private:
  TempDir notes_;
  std::vector<std::unique_ptr<StoreWriter>> writers_;
};

void measure_sessions() {
  constexpr std::size_t kRowsAtOnce = 960;
  constexpr int kRows = 19'200;
  PostgresServer server(server_settings());
  std::vector<std::vector<std::string>> table{{fmt::format("{} rows of 100 bytes under way at any time", kRowsAtOnce),
                                               "rows a batch", "rows/s", "ratio to 4 sessions",
                                               "memory of an idle session"}};
  const std::vector<int> counts{4, 12, 48, 240};
  std::vector<std::vector<double>> rates(counts.size());
  const auto load_of = [](int sessions) {
    const std::size_t rows = kRowsAtOnce / static_cast<std::size_t>(sessions);
    return WriterLoad{.processes = sessions,
                      .batches = kRows / sessions / static_cast<int>(rows),
                      .rows_per_batch = rows,
                      .entities = 4 * kRowsAtOnce};
  };
  for (int round = 0; round < kRounds; ++round)
    for (std::size_t i = 0; i < counts.size(); ++i) rates[i].push_back(run_store(server, load_of(counts[i])));
  for (std::size_t i = 0; i < counts.size(); ++i) {
    std::vector<double> ratios;
    for (int round = 0; round < kRounds; ++round)
      ratios.push_back(rates[i][static_cast<std::size_t>(round)] / rates[0][static_cast<std::size_t>(round)]);
    const Database database(server);
    const double before = server_bytes(server);
    const IdleStores stores(database.url(), load_of(counts[i]));
    table.push_back({fmt::format("{} sessions", counts[i]), fmt::format("{}", load_of(counts[i]).rows_per_batch),
                     fmt::format("{:.0f}", percentile(rates[i], 0.5)), fmt::format("{:.2f}", percentile(ratios, 0.5)),
                     fmt::format("{:.1f} MB", (server_bytes(server) - before) / counts[i] / 1e6)});
  }
  print_table(table);
}

}  // namespace

/// Runs all of them, or the one named by the argument.
int main(int argc, char** argv) {
  const std::string_view only = argc > 1 ? argv[1] : "";
  constexpr std::pair<std::string_view, void (*)()> kParts[] = {{"increments", &compare_durable_increments},
                                                                {"transfers", &compare_delivered_transfers},
                                                                {"ceiling", &measure_ceiling},
                                                                {"sessions", &measure_sessions}};
  print_warnings();
  for (const auto& [name, run] : kParts)
    if (only.empty() || only == name) run();
}
