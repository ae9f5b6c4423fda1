// Nodes and clients that talk over TCP with the fabric's secret.

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <thread>

#include "client/machine_file.hpp"
#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "storage/open_store.hpp"
#include "support/postgres_server.hpp"
#include "transport/tcp_place.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::PostgresServer;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Counter;
using probe::Relay;
namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

constexpr int kTcpCounters = 16;
const std::string kTcpSecret = "the secret of the test's fabric";

struct SecretFile {
  explicit SecretFile(const std::string& name = "secret", const std::string& secret = kTcpSecret)
      : path(directory.path() / name) {
    set(secret);
  }
  void set(const std::string& lines) const {
    const fs::path fresh = path.string() + ".new";
    std::ofstream(fresh) << lines << "\n";
    REQUIRE(::chmod(fresh.c_str(), 0600) == 0);
    fs::rename(fresh, path);
  }
  ProjectDirectory directory;
  fs::path path;
};

epic::protocol::TcpPlace tcp_at(const std::string& host, const SecretFile& secret) {
  return {.host = host, .secret_file = secret.path.string(), .authority = {}, .certificate = {}, .key = {}};
}

/// Where a fabric's nodes are, "epic://127.0.0.1:40123,…".
std::string url_of(Supervised& fabric) {
  std::string url;
  for (const auto& node : fabric.ask("ps").at("nodes").as_array())
    url += (url.empty() ? "epic://" : ",") + std::string(node.at("address").as_string());
  return url;
}

std::uint64_t count_refused(Supervised& fabric, std::string_view reason) {
  const auto ps = fabric.ask("ps");
  std::uint64_t count = 0;
  for (const auto& node : ps.at("nodes").as_array()) count += node.at("refused").at(reason).to_number<std::uint64_t>();
  return count;
}

auto local_fabric(const SecretFile& secret) {
  return real_nodes("probe", 2, [&secret](auto& options) {
    options.tcp = tcp_at("127.0.0.1", secret);
    options.fabric.heartbeat = 20ms;
  });
}

/// Somebody is connected to the port of 127.0.0.2.
bool has_connection(const std::string& address) {
  const std::string local = fmt::format(" 0200007F:{:04X} ", std::stoi(address.substr(address.find(':') + 1)));
  std::ifstream table("/proc/net/tcp");
  for (std::string line; std::getline(table, line);)
    if (const auto at = line.find(local); at != std::string::npos && line.substr(at + local.size() + 14, 2) == "01")
      return true;
  return false;
}

void add_to_all(const Client& client, std::int64_t before) {
  for (int i = 0; i < kTcpCounters; ++i)
    CHECK(client.call(client.get<Counter>(std::to_string(i))->add(1)) == before + 1);
}

}  // namespace

TEST_CASE("tcp: a client from outside needs the address of a node and the secret", "[node]") {
  const SecretFile secret;
  const ProjectDirectory project;
  Supervised fabric{project, "unused", local_fabric(secret)};
  fabric.wait_for("ready 2 nodes");
  const std::string url = url_of(fabric);
  const std::string first = url.substr(0, url.find(','));
  add_to_all(Client::connect(first, {.secret_file = secret.path}), 0);
  {
    ::setenv("EPIC_SECRET_FILE", secret.path.c_str(), 1);
    add_to_all(Client::connect(url), 1);
    ::unsetenv("EPIC_SECRET_FILE");
  }

  const SecretFile wrong("secret", "a secret of somebody else");
  const auto connect = [](const std::string& where, const std::string& file) {
    return [=] { static_cast<void>(Client::connect(where, {.connect_timeout = 20s, .secret_file = file})); };
  };
  using Catch::Contains;
  CHECK_THROWS_WITH(connect(first, wrong.path)(),
                    Contains("no fabric answers at " + first) && Contains("it does not accept this side's secret"));
  fabric.wait_for_ps("a refusal is counted",
                     [&](const json::object&) { return count_refused(fabric, "wrong_secret") > 0; });
  CHECK_THROWS_WITH(connect("epic://127.0.0.1:1", secret.path)(), Contains("Connection refused"));
  CHECK_THROWS_WITH(connect(first, "")(), Contains("asks for the fabric's secret") && Contains("EPIC_SECRET_FILE"));
  CHECK_THROWS_WITH(connect(first, "/no/such/file")(), Contains("/no/such/file: No such file"));
  CHECK_THROWS_WITH(connect("epic://", secret.path)(), Contains("it is epic://host:port"));
  CHECK_THROWS_WITH(connect("epic://127.0.0.1", secret.path)(), Contains("'127.0.0.1' is not an address of a node"));
  ::chmod(secret.path.c_str(), 0644);
  CHECK_THROWS_WITH(connect(first, secret.path)(), Contains("Others may read the secret file"));
}

TEST_CASE("tcp: while secrets are exchanged, clients come and go and no call fails", "[node]") {
  const std::string next = "the secret that comes afterwards";
  const SecretFile of_nodes;
  const SecretFile of_clients;
  const ProjectDirectory project;
  Supervised fabric{project, "unused", local_fabric(of_nodes)};
  fabric.wait_for("ready 2 nodes");
  const std::string url = url_of(fabric);
  std::atomic<bool> is_over = false;
  std::atomic<std::int64_t> rounds = 0;
  std::string failure;
  std::thread caller([&] {
    try {
      const Client lasting = Client::connect(url, {.secret_file = of_clients.path});
      while (!is_over) {
        const Client fresh = Client::connect(url, {.secret_file = of_clients.path});
        for (const Client* client : {&lasting, &fresh})
          for (const char* key : {"a", "b", "c", "d"})
            static_cast<void>(client->call(client->get<Counter>(key)->add(1)));
        ++rounds;
      }
    } catch (const std::exception& error) {
      failure = error.what();
      rounds = INT64_MAX / 2;
    }
  });
  const auto go_on = [&] {
    const std::int64_t until = rounds + 2;
    fabric.wait_for_ps("two rounds of calls", [&](const json::object&) { return rounds >= until; });
  };
  go_on();
  for (const auto& lines : {next + "\n" + kTcpSecret, next})
    for (const SecretFile* file : {&of_nodes, &of_clients}) {
      file->set(lines);
      go_on();
    }
  is_over = true;
  caller.join();
  CHECK(failure.empty());
}

TEST_CASE("tcp: a node that cannot listen for other machines says why, and the fabric does not start", "[node]") {
  const SecretFile secret;
  const ProjectDirectory project;
  std::string why;
  epic::protocol::TcpPlace place = tcp_at("127.0.0.1", secret);
  SECTION("no secret") {
    place.secret_file.clear();
    why = "There is neither a secret nor a certificate";
  }
  SECTION("a secret that is too short") {
    secret.set("short");
    why = "it needs 20 at least";
  }
  SECTION("not an address of this machine") {
    place.host = "192.0.2.1";
    why = "Cannot assign requested address";
  }
  Supervised fabric{project, "unused", real_nodes("probe", 1, [&](auto& options) { options.tcp = place; })};
  CHECK_THAT(fabric.wait_for_error(), Catch::Contains("cannot be reached from other machines") && Catch::Contains(why));
}

TEST_CASE("tcp: nodes of two machines and their clients call each other over TCP, also when some are killed",
          "[node][large]") {
  const std::string url = PostgresServer::shared().make_database();
  const SecretFile secret;
  const ProjectDirectory project;
  const ProjectDirectory other;
  const auto machine = [&](const std::string& host, const ProjectDirectory* own) {
    return [&, host, own](epic::cluster::SupervisorOptions& options) {
      options.project_directory = project.path();
      real_nodes("probe", 2, [&](auto& more) {
        more.store = epic::storage::locate_store(url, more.project_directory / ".epic");
        more.coordination = "postgresql";
        more.lease = 4s;
        more.shard_count = 16;
        more.restart.delay_first = 10ms;
        more.fabric.heartbeat = 20ms;
        more.tcp = tcp_at(host, secret);
      })(options);
      if (own == nullptr) return;
      options.run_directory = own->path();
      options.joins = true;
    };
  };
  Supervised first{project, "unused", machine("127.0.0.1", nullptr)};
  first.wait_for("ready 2 nodes");
  Supervised second{other, "unused", machine("127.0.0.2", &other)};
  second.wait_for("ready 2 nodes");
  const auto wait_until_spread = [&] {
    first.wait_for_ps("4 nodes have all shards", [](const json::object& ps) {
      std::int64_t shards = 0;
      for (const auto& node : ps.at("nodes").as_array()) {
        const auto owned = node.at("shards").to_number<std::int64_t>();
        if (node.at("state") != "ready" || owned == 0) return false;
        shards += owned;
      }
      return ps.at("nodes").as_array().size() == 4 && shards == 16;
    });
  };
  wait_until_spread();
  CHECK(epic::client::read_machine_file(project.path() / ".epic/run").machine !=
        epic::client::read_machine_file(other.path() / ".epic/run").machine);
  {
    const Client client = Client::connect(project.path().string());
    add_to_all(client, 0);
    std::vector<epic::Ref<Counter>> counters;
    for (int i = 0; i < kTcpCounters; ++i) counters.push_back(client.get<Counter>(std::to_string(i)));
    for (int i = 0; i < kTcpCounters; ++i)  // one relay on each node at least
      CHECK(client.call(client.get<Relay>(std::to_string(i))->add_to(counters, 1)) > 0);
    for (const auto& node : first.ask("ps").at("nodes").as_array()) {
      const std::string address(node.at("address").as_string());
      CAPTURE(address);
      if (address.starts_with("127.0.0.2:")) CHECK(has_connection(address));  // this client's at least
    }
    const auto pids = first.list_node_pids();
    for (const pid_t pid : {pids.front(), pids.back()}) {  // one of each machine
      ::kill(pid, SIGKILL);
      epic::test::wait_for_death(pid);
      wait_until_spread();
      for (const auto& counter : counters) CHECK(client.call(counter->get()) == 1 + kTcpCounters);
    }
  }
  const Client outside = Client::connect(url_of(first), {.secret_file = secret.path});
  add_to_all(outside, 1 + kTcpCounters);
  second.signal(SIGKILL);
  first.wait_for_ps("the other machine's nodes are gone",
                    [](const json::object& ps) { return ps.at("nodes").as_array().size() == 2; });
  add_to_all(outside, 2 + kTcpCounters);
}
