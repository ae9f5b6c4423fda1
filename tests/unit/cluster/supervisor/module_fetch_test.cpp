#include "cluster/supervisor/module_fetch.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "support/fake_host.hpp"

using namespace epic::cluster;
using namespace epic::protocol;
using epic::cluster::test::FakeHost;

namespace {

/// The link to a supervisor whose answers the test makes.
struct FakeLink final : LinkToLeader {
  void start(Events its_events) override { events = std::move(its_events); }
  void send(const FromMachine& message) override { asked.push_back(std::get<ModuleWanted>(message)); }
  void close() override { is_closed = true; }
  [[nodiscard]] bool is_sent() const override { return true; }
  [[nodiscard]] std::size_t unsent_bytes() const override { return 0; }
  Events events;
  std::vector<ModuleWanted> asked;
  bool is_closed = false;
};

/// Modules of four bytes, which come in two parts.
struct FakeMachineModules final : MachineModules {
  std::expected<ModuleCopy, SupervisorError> take() override { return std::unexpected(SupervisorError{}); }
  ModuleCopy number(ModuleCopy copy) override { return copy; }
  void remove_all_but(Generation) override {}
  std::optional<ModuleCopy> find(const ModuleOrigin& origin) override {
    if (origin.digest != complete) return std::nullopt;
    return ModuleCopy{.generation = Generation{origin.generation}, .path = "/" + complete, .built_at = {}};
  }
  std::expected<std::string, SupervisorError> take_in(const std::filesystem::path&) override { return std::string(); }
  ModulePart read(const ModuleWanted&) override { return {}; }
  std::expected<bool, SupervisorError> receive(const ModulePart& part) override {
    if (part.offset + part.bytes.size() == part.size) complete = part.digest;
    return complete == part.digest;
  }
  const ModuleCopy* newest() const override { return nullptr; }
  void go_on_before(Generation) override {}
  std::string complete;
};

struct FetchFixture {
  void get(const std::string& digest) {
    fetch.get({.generation = 2, .built_at = {}, .digest = digest}, "10.0.0.1:7420",
              [this](const std::expected<ModuleCopy, SupervisorError>& copy) {
                results.push_back(copy ? copy->path.string() : copy.error().message);
              });
    host.settle();
  }
  void answer(const std::string& digest, std::uint64_t offset, std::size_t bytes) {
    FakeLink& link = *links.back();
    link.events.on_message(
        ModulePart{.digest = digest, .size = 4, .offset = offset, .bytes = std::vector<std::byte>(bytes)});
    host.settle();
  }
  FakeHost host;
  FakeMachineModules modules;
  std::vector<std::shared_ptr<FakeLink>> links;  // shared with who has it open
  bool is_listening = true;
  std::vector<std::string> results;
  ModuleFetch fetch{host, modules, [this](const std::string&) -> std::shared_ptr<LinkToLeader> {
                      if (!is_listening) return nullptr;
                      return links.emplace_back(std::make_shared<FakeLink>());
                    }};
};

}  // namespace

TEST_CASE("module fetch: a module is fetched once for all that wait for it, the next one after it", "[cluster]") {
  FetchFixture f;
  f.get("a");
  f.get("a");
  f.get("b");
  REQUIRE(f.links.size() == 1);
  f.answer("a", 0, 2);
  CHECK(f.links[0]->asked == std::vector<ModuleWanted>{{"a", 0}, {"a", 2}});
  f.answer("a", 2, 2);
  CHECK(f.results == std::vector<std::string>{"/a", "/a"});
  CHECK(f.links[0]->is_closed);
  REQUIRE(f.links.size() == 2);
  CHECK(f.links[1]->asked == std::vector<ModuleWanted>{{"b", 0}});
}

TEST_CASE("module fetch: those who wait hear why it does not come, and may ask again", "[cluster]") {
  FetchFixture f;
  const auto why = [&](std::string_view text) {
    return "The module could not be fetched from 10.0.0.1:7420: " + std::string(text) + ".";
  };
  f.is_listening = false;
  f.get("a");
  CHECK(f.results.back() == why("nobody listens there"));
  f.is_listening = true;
  f.get("a");
  f.links.back()->events.on_closed();
  CHECK(f.results.back() == why("the connection has ended"));
  f.get("a");
  f.answer("a", 0, 0);
  CHECK(f.results.back() == why("it does not have that module"));
  f.get("a");
  f.answer("b", 0, 2);
  CHECK(f.results.back() == why("it has answered something else"));
  f.get("a");
  while (f.results.size() < 5 && f.host.run_timer(f.host.now() + ModuleFetch::kSilenceMax)) f.host.settle();
  CHECK(f.results.back() == why("it has not answered in time"));
  f.get("a");
  f.answer("a", 0, 4);
  CHECK(f.results.back() == "/a");
}
