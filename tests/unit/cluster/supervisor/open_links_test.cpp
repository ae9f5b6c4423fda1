#include "cluster/supervisor/open_links.hpp"

#include <catch2/catch.hpp>
#include <memory>

using namespace std::chrono_literals;

namespace epic::cluster::test {
namespace {

struct MuteLink final : LinkToMachine {
  void start(Events) override {}
  void send(const protocol::ToMachine&) override { is_read = false; }
  void close() override {}
  [[nodiscard]] bool is_sent() const override { return is_read; }
  [[nodiscard]] std::size_t unsent_bytes() const override { return is_read ? 0 : 1; }
  bool is_read = true;
};

struct OpenLinksFixture {
  std::shared_ptr<MuteLink> open() {
    auto link = std::make_shared<MuteLink>();
    links.add(link);
    return link;
  }
  OpenLinks links;
};

}  // namespace

TEST_CASE_METHOD(OpenLinksFixture, "open links: one that says nothing for too long is returned once", "[cluster]") {
  const auto link = open();
  CHECK(links.tick(OpenLinks::kSilenceMax - 1ms).empty());
  const auto silent = links.tick(1ms);
  REQUIRE(silent.size() == 1);
  CHECK(silent[0].link == link);
  CHECK_FALSE(silent[0].has_spoken);
  CHECK(links.tick(OpenLinks::kSilenceMax).empty());
  CHECK(links.remove(*link) == nullptr);
}

TEST_CASE_METHOD(OpenLinksFixture, "open links: each whole message gives a link its time again", "[cluster]") {
  const auto link = open();
  for (int i = 0; i < 3; ++i) {
    CHECK(links.tick(OpenLinks::kSilenceMax - 1ms).empty());
    links.on_message(*link);
  }
  const auto silent = links.tick(OpenLinks::kSilenceMax);
  REQUIRE(silent.size() == 1);
  CHECK(silent[0].has_spoken);
}

TEST_CASE_METHOD(OpenLinksFixture, "open links: one that waits for a long answer is not silent", "[cluster]") {
  const auto link = open();
  links.on_message(*link);
  link->send(protocol::Reached{});
  CHECK(links.tick(2 * OpenLinks::kSilenceMax).empty());
  link->is_read = true;
  CHECK(links.tick(OpenLinks::kSilenceMax).size() == 1);
}

TEST_CASE_METHOD(OpenLinksFixture, "open links: a machine or a guest that has greeted may be silent", "[cluster]") {
  const auto machine = open();
  const auto stranger = open();
  links.on_greeted(*machine);
  CHECK(links.tick(OpenLinks::kSilenceMax).size() == 1);
  CHECK(links.tick(100 * OpenLinks::kSilenceMax).empty());
  CHECK(links.is_sent());
  machine->send(protocol::Reached{});
  CHECK_FALSE(links.is_sent());
  CHECK(links.remove(*machine) == machine);
  CHECK(links.is_sent());
}

}  // namespace epic::cluster::test
