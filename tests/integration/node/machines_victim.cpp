#include "integration/node/machines_victim.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

#include "storage/open_store.hpp"

namespace epic::test {

namespace fs = std::filesystem;
namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr auto kStartTimeout = 60s;
constexpr auto kListenEvery = 10ms;
constexpr auto kAskTimeout = 3s;
constexpr int kBusyLooksMax = 2'000;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// As `ps` of procps shows it: 'R' runs, 'T' is stopped; empty if there is none.
char state_of(pid_t process) {
  const std::string stat = text_of(fmt::format("/proc/{}/stat", process));
  const std::size_t name_end = stat.rfind(") ");
  return name_end == std::string::npos ? '\0' : stat[name_end + 2];
}

/// In the midst of what it does, if it is seen to do something soon.
void stop_busy(pid_t process) {
  for (int look = 0; look < kBusyLooksMax && state_of(process) != 'R'; ++look) {
  }
  ::kill(process, SIGSTOP);
}

}  // namespace

MachinesVictim::MachinesVictim(std::uint64_t seed, By by, On on) : seed_(seed), random_(seed) {
  if (on == On::network) {
    network_ = std::make_unique<MachineNetwork>(kMachines);
    relay_ = std::make_unique<DatabaseRelay>(network_->address(MachineNetwork::kHost), database_.places());
    std::ofstream(secret_.path() / "secret") << "the secret of the machines of this test\n";
    fs::permissions(secret_.path() / "secret", fs::perms::owner_read | fs::perms::owner_write);
  }
  if (by == By::etcd) {
    etcd_ = std::make_unique<EtcdServer>(EtcdServer::Members::three);
    coordination_ =
        fmt::format("etcd://127.0.0.1:{},127.0.0.1:{},127.0.0.1:{}", etcd_->port(0), etcd_->port(1), etcd_->port(2));
  }
  start(0);
  machines_[0]->wait_for("ready 4 nodes");
  for (std::size_t machine = 1; machine < kMachines; ++machine) start(machine);
  const auto deadline = std::chrono::steady_clock::now() + kStartTimeout;
  while (!is_whole()) {
    if (std::chrono::steady_clock::now() > deadline) FAIL("the fabric does not start: " << obstacle_);
    wait(100ms);
  }
}

void MachinesVictim::start(std::size_t machine) {
  const std::string url = relay_ ? relay_->url(PostgresServer::kRole, database_.database()) : database_.url();
  machines_[machine].emplace(
      directories_[machine], "unused",
      real_nodes("ledger", kNodesOfEach,
                 [this, machine, url](cluster::SupervisorOptions& options) {
                   options.project_directory = directories_[0].path();
                   options.store = storage::locate_store(url, options.project_directory / ".epic");
                   options.coordination = coordination_;
                   options.lease = kLease;
                   options.shard_count = kShards;
                   options.restart = {.delay_first = 10ms, .delay_max = 100ms, .forget_after = 1s};
                   if (network_) options.tcp.host = network_->address(machine + 1);
                   if (network_) options.tcp.secret_file = secret_.path() / "secret";
                   if (machine == 0) return;
                   options.run_directory = directories_[machine].path();
                   options.joins = true;
                 }),
      [this, machine] {
        if (network_) network_->enter(machine + 1);
      });
}

Client MachinesVictim::connect(std::size_t machine) const {
  std::optional<Client> client;
  std::thread([&] {
    if (network_) network_->enter(machine + 1);  // with the threads that the client makes
    client = Client::connect(directories_[machine].path().string(), {.call_timeout = 20s});
  }).join();
  return *client;
}

void MachinesVictim::listen() {
  for (auto& machine : machines_) machine->listen();
}

void MachinesVictim::wait(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  do {
    listen();
    ::poll(nullptr, 0, static_cast<int>(std::chrono::milliseconds(kListenEvery).count()));
  } while (std::chrono::steady_clock::now() < end);
}

std::vector<fs::path> MachinesVictim::directories() const {
  std::vector<fs::path> all;
  for (const ProjectDirectory& directory : directories_) all.push_back(directory.path());
  return all;
}

fs::path MachinesVictim::keep_logs() const {
  const fs::path kept = fs::temp_directory_path() / fmt::format("epic-machines-{}", seed_);
  std::error_code ignored;
  for (std::size_t machine = 0; machine < kMachines; ++machine) {
    fs::create_directories(kept / std::to_string(machine + 1), ignored);
    fs::copy(directories_[machine].path() / ".epic" / "logs", kept / std::to_string(machine + 1),
             fs::copy_options::recursive | fs::copy_options::overwrite_existing, ignored);
    std::ofstream(kept / fmt::format("heard-{}.txt", machine + 1)) << machines_[machine]->heard();
  }
  return kept;
}

// ---- how it is ----

void MachinesVictim::revive() {
  for (std::size_t machine = 0; machine < kMachines; ++machine)
    if (machines_[machine]->has_ended()) start(machine);
}

bool MachinesVictim::is_whole() {
  listen();
  revive();
  for (std::size_t machine = 0; machine < kMachines; ++machine) {
    auto client = cluster::ControlClient::connect(directories_[machine].path() / ".epic" / "control.sock");
    const auto answer = client ? client->request("ps", json::object{}, kAskTimeout) : std::unexpected(client.error());
    if (!answer) {
      obstacle_ = fmt::format("machine {} does not answer: {}", machine + 1, answer.error().message);
      return false;
    }
    std::set<std::string> machines;
    std::int64_t shards = 0;
    std::size_t able = 0;
    std::string others;
    const auto& nodes = answer->at("nodes").as_array();
    for (const auto& node : nodes) {
      const auto owned = node.at("shards").to_number<std::int64_t>();
      shards += owned;
      if (node.at("state") == "ready" && owned > 0)
        ++able;
      else
        others += fmt::format("; {} is {} with {} shards", node.at("node").as_string().c_str(),
                              node.at("state").as_string().c_str(), owned);
      machines.insert(node.at("machine").as_string().c_str());
    }
    if (machines.size() == kMachines && able == kMachines * kNodesOfEach && nodes.size() == able && shards == kShards)
      continue;
    obstacle_ = fmt::format("machine {} shows {} nodes, {} of them ready, on {} machines, with {} shards{}",
                            machine + 1, nodes.size(), able, machines.size(), shards, others);
    return false;
  }
  return true;
}

bool MachinesVictim::leads(std::size_t machine) const {
  const std::string heard = machines_[machine]->heard();
  if (heard.contains("Starting 4 nodes") && !heard.contains("This supervisor leads no more")) return true;
  const std::size_t begun = heard.rfind("This supervisor leads arena");
  const std::size_t ended = heard.rfind("This supervisor leads no more");
  return begun != std::string::npos && (ended == std::string::npos || begun > ended);
}

std::size_t MachinesVictim::leader() {
  listen();
  for (std::size_t machine = 0; machine < kMachines; ++machine)
    if (!machines_[machine]->has_ended() && leads(machine)) return machine;
  return any_machine();  // nobody leads at the moment
}

std::size_t MachinesVictim::any_follower() { return (leader() + 1 + random_() % (kMachines - 1)) % kMachines; }

std::vector<pid_t> MachinesVictim::list_nodes(std::size_t machine) const {
  std::vector<pid_t> nodes;
  std::error_code gone;
  for (const auto& thread : fs::directory_iterator(fmt::format("/proc/{}/task", machines_[machine]->pid()), gone)) {
    std::istringstream children(text_of(thread.path() / "children"));
    for (pid_t child = 0; children >> child;)
      if (text_of(fmt::format("/proc/{}/comm", child)).starts_with("epic-node")) nodes.push_back(child);
  }
  return nodes;
}

// ---- faults ----

MachinesVictim::Suffered MachinesVictim::suffer() {
  listen();
  if (deck_.empty()) {
    const auto end = static_cast<std::size_t>(network_ ? Fault::kill_machine : Fault::lose_etcd_member) + 1;
    for (std::size_t fault = 0; fault < end; ++fault)
      if (etcd_ || static_cast<Fault>(fault) != Fault::lose_etcd_member) deck_.push_back(static_cast<Fault>(fault));
    std::ranges::shuffle(deck_, random_);
    if (network_)  // a short run is about the network
      std::ranges::stable_partition(deck_, [](Fault fault) { return fault < Fault::cut_both_ways; });
  }
  const Fault fault = deck_.back();
  deck_.pop_back();
  const auto begun = std::chrono::steady_clock::now();
  std::string kind = inflict(fault);
  return {std::move(kind), stops_all(fault) ? std::chrono::steady_clock::now() : begun};
}

bool MachinesVictim::stops_all(Fault fault) {
  using enum Fault;
  return fault == restart_database || fault == crash_database || fault == hang_database || fault == hold_up_commits ||
         fault == kill_session || fault == fail_over;
}

std::string MachinesVictim::inflict(Fault fault) {
  switch (fault) {
    case Fault::kill_node:
      return kill_node();
    case Fault::hang_node:
      return hang_node();
    case Fault::kill_follower:
      return "kill a follower's supervisor" + kill_supervisor(any_follower());
    case Fault::kill_leader:
      return "kill the leader's supervisor" + kill_supervisor(leader());
    case Fault::stop_supervisor:
      return stop_supervisor();
    case Fault::stop_machine:
      return stop_machine();
    case Fault::leave:
      return leave();
    case Fault::restart_database:
      return "restart the database" + restart_database(PostgresServer::End::fast);
    case Fault::crash_database:
      return "crash the database" + restart_database(PostgresServer::End::crash);
    case Fault::hang_database:
      return hang_database();
    case Fault::hold_up_commits:
      return hold_up_commits();
    case Fault::kill_session:
      return database_.kill_session_in_commit() ? "kill a session in its commit"
                                                : "stop the standby while nothing is committed";
    case Fault::fail_over:
      database_.fail_over();
      return "fail over to the standby";
    case Fault::lose_etcd_member:
      return lose_etcd_member();
    case Fault::cut_both_ways:
      return cut_two(true);
    case Fault::cut_one_way:
      return cut_two(false);
    case Fault::isolate:
      return isolate();
    case Fault::mute:
      return mute();
    case Fault::part:
      return part();
    case Fault::kill_machine:
      return kill_machine();
  }
  return {};
}

std::string MachinesVictim::kill_node() {
  const std::vector<pid_t> nodes = list_nodes(any_machine());
  if (!nodes.empty()) ::kill(nodes[random_() % nodes.size()], SIGKILL);
  return "kill a node";
}

/// Its supervisor kills it when it has been silent for too long.
std::string MachinesVictim::hang_node() {
  const std::vector<pid_t> nodes = list_nodes(any_machine());
  if (!nodes.empty()) stop_busy(nodes[random_() % nodes.size()]);
  return "stop a node for good";
}

std::string MachinesVictim::kill_supervisor(std::size_t machine) {
  if (!machines_[machine]->has_ended()) machines_[machine]->signal(SIGKILL);
  return {};
}

/// From much shorter to much longer than the lease.
std::chrono::milliseconds MachinesVictim::any_stop() {
  return kLease / 5 + std::chrono::milliseconds(random_() % (2 * static_cast<std::uint64_t>(kLease.count())));
}

/// Its nodes go on as long as they may.
std::string MachinesVictim::stop_supervisor() {
  const std::size_t machine = any_machine();
  if (machines_[machine]->has_ended()) return "stop a supervisor";
  machines_[machine]->signal(SIGSTOP);
  const auto time = any_stop();
  wait(time);
  machines_[machine]->signal(SIGCONT);
  return time > kLease ? "stop a supervisor for longer than its lease" : "stop a supervisor for a while";
}

std::string MachinesVictim::stop_machine() {
  const std::size_t machine = any_machine();
  if (machines_[machine]->has_ended()) return "stop a machine";
  machines_[machine]->signal(SIGSTOP);
  const std::vector<pid_t> nodes = list_nodes(machine);
  std::ranges::for_each(nodes, stop_busy);
  const auto time = any_stop();
  wait(time);
  const auto go_on = [&] {
    for (const pid_t node : nodes) ::kill(node, SIGCONT);
  };
  const bool do_nodes_begin = random_() % 2 == 0;
  if (do_nodes_begin) {
    go_on();
    wait(std::chrono::milliseconds(random_() % 50));
  }
  machines_[machine]->signal(SIGCONT);
  if (!do_nodes_begin) go_on();
  return time > kLease ? "stop a machine for longer than its lease" : "stop a machine for a while";
}

std::string MachinesVictim::leave() {
  const std::size_t machine = any_follower();
  if (!machines_[machine]->has_ended()) machines_[machine]->signal(SIGTERM);
  return "let a machine leave";
}

std::string MachinesVictim::restart_database(PostgresServer::End how) {
  database_.primary().stop(how);
  wait(std::chrono::milliseconds(random_() % 500));
  database_.primary().start();
  return {};
}

std::string MachinesVictim::hang_database() {
  database_.primary().pause();
  const auto time = any_stop();
  wait(time);
  database_.primary().resume();
  return time > kLease ? "stop the database for longer than the leases" : "stop the database for a while";
}

/// Without its standby the server confirms none.
std::string MachinesVictim::hold_up_commits() {
  database_.standby().pause();
  const auto time = any_stop();
  wait(time);
  database_.standby().resume();
  return time > kLease ? "stop the standby for longer than the leases" : "stop the standby for a while";
}

// ---- those of the network

/// All others, and the database, can be reached.
std::string MachinesVictim::cut_two(bool is_both_ways) {
  const std::size_t one = random_() % kMachines;
  const std::size_t other = (one + 1 + random_() % (kMachines - 1)) % kMachines;
  network_->cut(one + 1, other + 1);
  if (is_both_ways) network_->cut(other + 1, one + 1);
  const auto time = any_stop();
  wait(time);
  network_->heal();
  return fmt::format("cut a machine from one other{} for {}", is_both_ways ? "" : " in one direction",
                     time > kLease ? "longer than its lease" : "a while");
}

std::string MachinesVictim::isolate() {
  const std::size_t machine = any_machine();
  network_->isolate(machine + 1);
  const auto since = std::chrono::steady_clock::now();  // its last renewal was sent before
  const auto time = any_stop();
  wait(time);
  if (on_isolated) on_isolated(machine, since);
  network_->heal();
  return fmt::format("cut a machine from everything for {}", time > kLease ? "longer than its lease" : "a while");
}

/// It hears everything, and nobody hears it.
std::string MachinesVictim::mute() {
  const std::size_t machine = any_machine();
  for (std::size_t other = 0; other <= kMachines; ++other)
    if (other != machine + 1) network_->cut(machine + 1, other);
  const auto time = any_stop();
  wait(time);
  network_->heal();
  return fmt::format("lose all that a machine sends for {}", time > kLease ? "longer than its lease" : "a while");
}

/// It reaches the database and no other machine.
std::string MachinesVictim::part() {
  const std::size_t machine = any_machine();
  for (std::size_t other = 1; other <= kMachines; ++other)
    if (other != machine + 1) network_->cut_both_ways(machine + 1, other);
  const auto time = any_stop();
  wait(time);
  network_->heal();
  return fmt::format("cut a machine from all others for {}", time > kLease ? "longer than its lease" : "a while");
}

/// All of its processes at once.
std::string MachinesVictim::kill_machine() {
  const std::size_t machine = any_machine();
  for (const pid_t node : list_nodes(machine)) ::kill(node, SIGKILL);
  return "kill a machine" + kill_supervisor(machine);
}

/// The others are enough.
std::string MachinesVictim::lose_etcd_member() {
  const bool is_leader = random_() % 2 == 0;
  const std::size_t member = is_leader ? etcd_->leader() : random_() % 3;
  etcd_->kill(member);
  wait(any_stop());
  etcd_->restart(member);
  return is_leader ? "lose the leader of etcd" : "lose a member of etcd";
}

}  // namespace epic::test
