#pragma once
// MachinesFixture: a fabric on several machines, in a world without processes, files and clocks. The links between
// machines are queues; coordination is what the test says.

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cluster/supervisor/machine_agent.hpp"
#include "cluster/supervisor/machines.hpp"
#include "support/fabric_fixture.hpp"

namespace epic::cluster::test {

class MachinesFixture : public FabricFixture {
 public:
  /// Two nodes a machine, unless a machine says otherwise.
  struct Machine {
    Machine(MachinesFixture& fixture, const std::string& its_name, std::uint16_t nodes)
        : name(its_name), options(fixture.options), paths("/" + its_name) {
      options.node_count = nodes;
      agent = std::make_unique<MachineAgent>(MachineAgent::Parts{
          .host = fixture.host,
          .options = options,
          .paths = paths,
          .machine = name,
          .get_module = [this](const protocol::ModuleOrigin& origin,
                               auto done) { is_slow ? waiting.push_back(std::move(done)) : done(origin.digest); },
          .take_in = [](const std::string& path) { return "copy of " + path; },
          .on_dismissed = [this](const protocol::Dismiss& message) { dismissed = message; }});
    }
    std::string name;
    SupervisorOptions options;
    RunPaths paths;
    std::unique_ptr<MachineAgent> agent;
    std::optional<protocol::Dismiss> dismissed;
    bool is_slow = false;                                  // it has to fetch modules …
    std::vector<MachineAgent::Parts::ModuleDone> waiting;  // … for these
    Machines::LinkNumber link{0};
    bool is_linked = false;
    std::uint64_t round = 0;   // of its link
    std::size_t answered = 0;  // parts of answers to its requests that have come
  };

  MachinesFixture() = default;
  MachinesFixture(const MachinesFixture&) = delete;
  MachinesFixture& operator=(const MachinesFixture&) = delete;
  ~MachinesFixture() {
    if (machines) machines->abandon();
    fabric.reset();  // before the machines of its nodes
  }

  Machine& add(const std::string& name, std::uint16_t nodes = 2) {
    auto& machine = all[name];
    machine = std::make_unique<Machine>(*this, name, nodes);
    if (machines) machines->on_key(name);
    if (machines) connect(name);
    settle();
    return *machine;
  }

  /// A fabric on these machines with two nodes each; the first one leads.
  void begin(const std::vector<std::string>& names) {
    add(names.front());
    lead(names.front());
    for (std::size_t i = 1; i < names.size(); ++i) add(names[i]);
    wait_until_level(2 * names.size());
  }

  /// `leader` is one of the machines; the others are linked to it.
  void lead(const std::string& leader) {
    make_leader(leader);
    fabric->start();
    settle();
  }
  /// Its fabric has not started.
  void make_leader(const std::string& leader) {
    machines = std::make_unique<Machines>(host, leader);
    for (const auto& [name, machine] : all) machines->on_key(name);
    for (const auto& [name, machine] : all) connect(name);
    settle();
    REQUIRE(machines->is_complete());
    const auto rows = store.shards().value();
    auto takeover = plan_takeover(rows, machines->list_greeted(), options.shard_count, "/arena/1");
    const kernel::Term term = takeover.term;
    const Generation generation = takeover.generation;
    modules.newest = std::max(modules.newest, generation);
    fabric = std::make_unique<Fabric>(
        FabricParts{.host = host,
                    .options = all.at(leader)->options,
                    .paths = all.at(leader)->paths,
                    .run = term.value,
                    .logs = logs,
                    .modules = modules,
                    .module = {.generation = generation, .path = "/m", .built_at = {}, .digest = "/m"},
                    .open_store = store.reader_opener(),
                    .machines = machines.get(),
                    .takeover = std::move(takeover),
                    .fetch_module = [this](const protocol::ModuleOrigin& origin, const std::string&,
                                           auto done) { fetches.emplace_back(origin, std::move(done)); },
                    .on_end = [this](const FabricEnd& its_end) { end = its_end; }});
  }
  /// The leader's supervisor dies, and the nodes of its machine with it.
  void lose_leader() {
    const std::string leader = machines->self();
    machines->abandon();
    fabric.reset();
    machines.reset();
    for (const auto& [name, machine] : all) cut(name);
    all.at(leader)->agent->kill_all();
    all.erase(leader);
  }

  void connect(const std::string& name) {
    Machine& machine = *all.at(name);
    machine.is_linked = true;
    machine.agent->connect(machines->self(), [this, &machine, round = ++rounds_](const protocol::FromMachine& message) {
      host.post([this, &machine, round, message] {
        if (!machine.is_linked || !machines || round < machine.round) return;
        if (const auto* hello = std::get_if<protocol::Hello>(&message)) {
          machine.round = round;
          const auto link = machines->greet(*hello, [this, &machine, round](const protocol::ToMachine& answer) {
            host.post([&machine, round, answer] {
              if (!machine.is_linked || round != machine.round) return;
              if (std::holds_alternative<protocol::MachineAnswered>(answer)) ++machine.answered;
              machine.agent->on_message(answer);
            });
          });
          if (!link) FAIL(link.error());
          machine.link = *link;
        } else {
          machines->on_message(machine.name, machine.link, message);
        }
      });
    });
    settle();
  }
  /// What is on its way is lost.
  void cut(const std::string& name) {
    Machine& machine = *all.at(name);
    machine.is_linked = false;
    machine.agent->disconnect();
    if (machines) machines->on_link_lost(name, machine.link);
  }
  void lose(const std::string& name) {
    cut(name);
    all.at(name)->agent->kill_all();
    machines->on_key_gone(name);
    all.erase(name);
    settle();
  }
  /// Until every node is ready, and each shard is with its owner.
  void wait_until_level(std::size_t nodes) {
    wait_until([&] {
      const auto rows = ps().nodes;
      std::size_t shards = 0;
      for (const auto& row : rows) shards += row.shards;
      return rows.size() == nodes && shards == options.shard_count &&
             std::ranges::all_of(rows, [](const auto& row) { return row.state == "ready" && row.shards > 0; });
    });
  }

  /// The module that the leader has begun to fetch first has come.
  void deliver_module() {
    auto [origin, done] = std::move(fetches.front());
    fetches.pop_front();
    done(ModuleCopy{.generation = Generation{origin.generation},
                    .path = "/" + origin.digest,
                    .built_at = origin.built_at,
                    .digest = origin.digest});
    settle();
  }

  std::map<std::string, std::unique_ptr<Machine>> all;
  std::unique_ptr<Machines> machines;
  using Fetched = std::move_only_function<void(const std::expected<ModuleCopy, SupervisorError>&)>;
  std::deque<std::pair<protocol::ModuleOrigin, Fetched>> fetches;  // of modules, by the leader

 private:
  std::uint64_t rounds_ = 0;
};

}  // namespace epic::cluster::test
