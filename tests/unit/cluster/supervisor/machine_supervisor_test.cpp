#include "cluster/supervisor/machine_supervisor.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster/coordination/local_coordination.hpp"
#include "support/fabric_fixture.hpp"

namespace epic::cluster::test {
namespace {

using namespace std::chrono_literals;

struct OneCopy final : MachineModules {
  std::expected<ModuleCopy, SupervisorError> take() override { return copy; }
  [[nodiscard]] ModuleCopy number(ModuleCopy numbered) override { return numbered; }
  void remove_all_but(Generation) override {}
  [[nodiscard]] std::optional<ModuleCopy> find(const protocol::ModuleOrigin&) override { return copy; }
  [[nodiscard]] std::expected<std::string, SupervisorError> take_in(const std::filesystem::path& path) override {
    return path.string();
  }
  [[nodiscard]] protocol::ModulePart read(const protocol::ModuleWanted&) override { return {}; }
  [[nodiscard]] std::expected<bool, SupervisorError> receive(const protocol::ModulePart&) override { return false; }
  [[nodiscard]] const ModuleCopy* newest() const override { return &copy; }
  void go_on_before(Generation) override {}
  ModuleCopy copy{.generation = Generation{1}, .path = "/m", .built_at = {}, .digest = "/m"};
};

/// Another machine's link to the supervisor, of which the test sees what it is sent.
struct ElmLink final : LinkToMachine {
  void start(Events its_events) override { events = std::move(its_events); }
  void send(const protocol::ToMachine& message) override { sent.push_back(message); }
  void close() override { is_closed = true; }
  [[nodiscard]] bool is_sent() const override { return true; }
  [[nodiscard]] std::size_t unsent_bytes() const override { return 0; }

  [[nodiscard]] std::optional<protocol::Dismiss> find_dismiss() const {
    for (const protocol::ToMachine& message : sent)
      if (const auto* dismiss = std::get_if<protocol::Dismiss>(&message)) return *dismiss;
    return std::nullopt;
  }
  /// That it counts: all but Welcome and Counted.
  [[nodiscard]] std::uint64_t count() const {
    return static_cast<std::uint64_t>(std::ranges::count_if(sent, [](const auto& message) {
      return !std::holds_alternative<protocol::Welcome>(message) && !std::holds_alternative<protocol::Counted>(message);
    }));
  }

  Events events;
  std::vector<protocol::ToMachine> sent;
  bool is_closed = false;
};

/// A link to elm's supervisor, which is reached.
struct ReachedLink final : LinkToLeader {
  explicit ReachedLink(Host& its_host) : host(its_host) {}
  void start(Events its_events) override { events = std::move(its_events); }
  void send(const protocol::FromMachine&) override {
    host.post([on_message = events.on_message] { on_message(protocol::Reached{}); });
  }
  void close() override {}
  [[nodiscard]] bool is_sent() const override { return true; }
  [[nodiscard]] std::size_t unsent_bytes() const override { return 0; }

  Host& host;
  Events events;
};

/// oak, which leads a fabric whose nodes it has, and elm, which has none: the test says what it does.
struct SupervisorFixture : FabricFixture {
  SupervisorFixture() : FabricFixture(1) {
    supervisor.emplace(
        MachineSupervisor::Parts{.host = host,
                                 .options = options,
                                 .paths = paths,
                                 .logs = logs,
                                 .modules = machine_modules,
                                 .open_store = store.reader_opener(),
                                 .coordination = coordination,
                                 .coordination_name = "the test",
                                 .machine = "oak",
                                 .address = "10.0.0.1:7420",
                                 .connect = [this](const std::string&) { return std::make_shared<ReachedLink>(host); },
                                 .on_end = [this](int exit_code) { ended = exit_code; }});
    coordination.watch("apart/evicted/", [this](const CoordinationChange& change) {
      if (change.value) evicted.push_back(change.key);
    });
    supervisor->start();
    settle();
    wait_until([this] { return ready.has_value(); });
  }

  void add_elm() {
    coordination.open_lease(1h, [this](auto lease) { elm = *lease; });
    settle();
    coordination.put_if_absent("machines/elm", "10.0.0.2:7420", *elm, [](const auto&) {});
    settle();
  }
  std::shared_ptr<ElmLink> greet(std::uint64_t received = 0) {
    auto link = std::make_shared<ElmLink>();
    supervisor->accept(link);
    protocol::Hello hello;
    hello.machine = "elm";
    hello.leader = "oak";
    hello.store = options.store.text();
    hello.received = received;
    hello.speaks = protocol::kSpoken;
    link->events.on_message(hello);
    settle();
    return link;
  }
  void stop() {
    supervisor->stop("requested by SIGTERM");
    settle();
  }

  OneCopy machine_modules;
  LocalCoordination coordination{[this] { return host.now(); },
                                 [this](Host::Task task) { host.post(std::move(task)); }};
  std::optional<LeaseId> elm;
  std::vector<std::string> evicted;
  std::optional<int> ended;
  std::optional<MachineSupervisor> supervisor;
};

}  // namespace

TEST_CASE("machine supervisor: a machine that greets when the fabric has ended is dismissed", "[cluster]") {
  SupervisorFixture f;
  f.stop();
  CHECK(f.ended == kExitOk);  // it has nobody to wait for
  f.add_elm();
  const auto link = f.greet();
  REQUIRE(link->find_dismiss());
  CHECK(link->find_dismiss()->why == "The fabric has stopped.");
  CHECK_FALSE(link->find_dismiss()->is_error);
}

TEST_CASE("machine supervisor: the fabric ends when the other machines have confirmed that they know", "[cluster]") {
  SupervisorFixture f;
  f.add_elm();
  const auto link = f.greet();
  f.stop();
  CHECK_FALSE(f.ended);
  link->events.on_closed();  // what it was sent did not arrive
  f.pass(300ms);
  CHECK_FALSE(f.ended);

  const auto next = f.greet();
  REQUIRE(next->find_dismiss());
  next->events.on_message(protocol::Counted{next->count()});
  f.pass(100ms);
  CHECK(f.ended == kExitOk);
  CHECK(f.evicted.empty());
}

TEST_CASE("machine supervisor: one that joins while the fabric ends is waited for, and dismissed", "[cluster]") {
  SupervisorFixture f;
  f.add_elm();
  f.stop();
  CHECK_FALSE(f.ended);
  const auto link = f.greet();
  REQUIRE(link->find_dismiss());
  link->events.on_message(protocol::Counted{link->count()});
  f.pass(100ms);
  CHECK(f.ended == kExitOk);
}

TEST_CASE("machine supervisor: a machine that does not hear of the fabric's end is evicted", "[cluster]") {
  SupervisorFixture f;
  f.add_elm();
  f.greet()->events.on_closed();
  f.stop();
  f.pass(2s);
  CHECK(f.ended == kExitOk);
  CHECK(f.evicted == std::vector<std::string>{"apart/evicted/elm"});
}

TEST_CASE("machine supervisor: a machine that is reached, but has no link to the leader, is evicted", "[cluster]") {
  SupervisorFixture f;
  f.add_elm();
  const auto link = f.greet();
  f.pass(f.options.lease);
  link->events.on_closed();
  f.pass(f.options.lease);
  const auto next = f.greet();
  f.pass(2 * f.options.lease);
  CHECK(f.evicted.empty());  // it has been back in time
  next->events.on_closed();
  f.pass(2 * f.options.lease);
  CHECK(f.evicted == std::vector<std::string>{"apart/evicted/elm"});
}

}  // namespace epic::cluster::test
