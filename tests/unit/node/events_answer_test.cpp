#include "node/events_answer.hpp"

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"
#include "unit/kernel/test_entities.hpp"

using namespace epic;
using namespace epic::testing_entities;
using namespace std::chrono_literals;
using epic::node::describe_events;
using epic::protocol::control::Events;

namespace {

/// One node on which three counters were called.
struct EventsAnswerFixture {
  EventsAnswerFixture() : fabric(test::SimOptions{.seed = 7, .nodes = 1}, module(), codec) {
    for (const char* key : {"a", "b", "c"}) fabric.call(1, Ref<Counter>(key)->add(1));
  }
  Events::NodeAnswer ask(const Events::Request& request) {
    return describe_events(fabric.kernel(1), "node-1", request);
  }
  static std::vector<std::string> list(const Events::NodeAnswer& answer) {
    std::vector<std::string> list;
    for (const auto& [time, event] : answer.events) list.push_back(event.what + " " + event.entity.value_or(""));
    return list;
  }
  codec::CapnpCodec codec;
  test::SimFabric fabric;
};

}  // namespace

TEST_CASE("events answer: lives and saves come in one list, the oldest first", "[node]") {
  EventsAnswerFixture f;
  const auto answer = f.ask({});
  CHECK(f.list(answer) == std::vector<std::string>{"activated Counter/a", "saved Counter/a", "activated Counter/b",
                                                   "saved Counter/b", "activated Counter/c", "saved Counter/c"});
  const Events::Answer& first = answer.events.at(0).event;
  CHECK(first.node == "node-1");
  CHECK(first.load_us.value() > 0);
  const Events::Answer& save = answer.events.at(1).event;
  CHECK(save.saves == 1);
  CHECK(save.version == 1);
  CHECK(save.durable == true);
}

TEST_CASE("events answer: by entity, by type, and at most N of the newest", "[node]") {
  EventsAnswerFixture f;
  f.fabric.call(1, Ref<Blob>("x")->size());
  CHECK(f.list(f.ask({.entity = "Counter/b"})) == std::vector<std::string>{"activated Counter/b", "saved Counter/b"});
  CHECK(f.list(f.ask({.type = "Blob"})) == std::vector<std::string>{"activated Blob/x"});
  CHECK(f.list(f.ask({.type = "Count"})).empty());
  CHECK(f.list(f.ask({.type = "Counter", .limit = 2})) ==
        std::vector<std::string>{"activated Counter/c", "saved Counter/c"});
  CHECK(f.list(f.ask({.limit = 0})).empty());
}

TEST_CASE("events answer: who follows gets each event once, and saves when they are complete", "[node]") {
  EventsAnswerFixture f;
  Events::Request request{.follow = true};
  const auto ask_on = [&] {
    const auto answer = f.ask(request);
    request.after["node-1"] = answer.cursor;
    return f.list(answer);
  };
  CHECK(ask_on() == std::vector<std::string>{"activated Counter/a", "activated Counter/b", "activated Counter/c"});
  f.fabric.call(1, Ref<Counter>("a")->add(1));
  CHECK(ask_on().empty());
  f.fabric.run_for(kernel::limits::kSavesWindow);
  f.fabric.call(1, Ref<Counter>("d")->get());  // advances the kernel's clock
  CHECK(ask_on() ==
        std::vector<std::string>{"saved Counter/b", "saved Counter/c", "saved Counter/a", "activated Counter/d"});
  CHECK(ask_on().empty());
}

TEST_CASE("events answer: the cursor of another process counts for nothing", "[node]") {
  EventsAnswerFixture f;
  CHECK(f.list(f.ask({.after = {{"node-1", {999, 100, 100}}}})).size() == 6);
}
