// Outbox and Inbox together, on simulated nodes.

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "epic/epic.hpp"
#include "kernel/limits.hpp"
#include "kernel/placement.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;
using epic::test::SimFabric;

namespace {

class Ghost : public Entity {
 public:
  Task<void> haunt() { co_return; }
  EPIC_ENTITY(Ghost, methods(haunt))
};

class Box : public Entity {
  std::vector<std::string> notes_;
  std::string filling_;
  bool is_broken_ = false;

 public:
  Task<void> on_activate() override {
    if (key().starts_with("greeting")) deliver(Ref<Box>("hall")->put(std::string(key())));
    if (key() == "greeting, broken") throw std::runtime_error("broken");
    if (key() == "stuck" && is_broken_) throw std::runtime_error("stuck");
    co_return;
  }
  Task<void> put(std::string note) {
    if (note == "throw") throw std::out_of_range("no room");
    notes_.push_back(std::move(note));
    co_return;
  }
  Task<void> put_twice(std::string note) {
    notes_.push_back(note);
    co_await epic::sleep(50ms);
    notes_.push_back(note);
  }
  Task<void> fill(std::uint64_t bytes) {
    filling_.assign(bytes, 'x');
    co_return;
  }
  Task<void> set_broken(bool is_broken) {
    is_broken_ = is_broken;
    co_return;
  }
  Task<void> post(Ref<Box> to, std::string note) {
    notes_.push_back("sent " + note);
    deliver(to->put(std::move(note)));
    co_return;
  }
  Task<void> post_silently(Ref<Box> to, std::string note) {  // changes nothing itself
    deliver(to->put(std::move(note)));
    co_return;
  }
  Task<void> post_twice(Ref<Box> to, std::string note) {
    deliver(to->put_twice(std::move(note)));
    co_return;
  }
  Task<void> post_filling(Ref<Box> to, std::uint64_t bytes) {
    deliver(to->fill(bytes));
    co_return;
  }
  Task<void> overflow_and_post(Ref<Box> to) {
    filling_.assign(kernel::limits::kStateBytesMax + 1, 'x');
    deliver(to->put("never"));
    co_return;
  }
  Task<void> post_too_much(Ref<Box> to) {
    deliver(to->put(std::string(kernel::limits::kArgumentsBytesMax + 1, 'x')));
    co_return;
  }
  Task<void> post_in_vain() const {
    deliver(Ref<Box>("x")->put("y"));
    co_return;
  }
  Task<void> post_to_ghost() {
    deliver(Ref<Ghost>("x")->haunt());
    co_return;
  }
  Task<void> wipe() {
    erase();
    co_return;
  }
  Task<std::vector<std::string>> notes() const { co_return notes_; }
  EPIC_ENTITY(Box, state(notes_, filling_, is_broken_),
              methods(put, put_twice, fill, set_broken, post, post_silently, post_twice, post_filling,
                      overflow_and_post, post_too_much, post_in_vain, post_to_ghost, wipe, notes))
};

/// Sends, and has nothing to save.
class Clerk : public Entity {
 public:
  Task<void> post(Ref<Box> to, std::string note) {
    deliver(to->put(std::move(note)));
    co_return;
  }
  EPIC_ENTITY(Clerk, transient, methods(post))
};

const ModuleInfo& boxes() {
  static const EntityInfoFn entities[] = {&Box::epic_info, &Clerk::epic_info, &Ghost::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

using Notes = std::vector<std::string>;

struct MailFixture {
  codec::CapnpCodec codec;
  SimFabric fabric{{.seed = 11}, boxes(), codec};

  Notes notes(std::string_view key) { return fabric.call(1, Ref<Box>(key)->notes()); }
  storage::MailCounts counts() { return *fabric.store().count_mail(); }
  bool is_empty() {
    const storage::MailCounts left = counts();
    return left.waiting + left.begun + left.dead == 0;
  }
  std::vector<kernel::Mail> list() {
    std::vector<kernel::Mail> all;
    REQUIRE(fabric.store().list_mail(
        {}, [&](const kernel::Mail& mail) { return all.push_back(mail), storage::Visit::go_on; }, [](const auto&) {}));
    return all;
  }
  /// A key of Box on this node.
  std::string key_on(std::uint16_t node, int skip = 0) {
    for (int i = 0;; ++i)
      if (fabric.owner_of("Box/k" + std::to_string(i)) == node && skip-- == 0) return "k" + std::to_string(i);
  }
};

}  // namespace

TEST_CASE("mail: a message arrives on the same node and on another, once, and leaves nothing behind", "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  const std::string from = f.key_on(1);
  for (const std::string& to : {f.key_on(1, 1), f.key_on(2)}) {
    for (const char* note : {"a", "b", "c"}) f.fabric.call(1, Ref<Box>(from)->post(Ref<Box>(to), note));
    REQUIRE(f.fabric.run_until([&] { return f.is_empty(); }));
    CHECK(f.notes(to) == Notes{"a", "b", "c"});
  }
  CHECK(f.notes(from).size() == 6);
}

TEST_CASE("mail: a sender whose state has not changed, or that has none, is acknowledged when its message is durable",
          "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  f.fabric.hold_commits(true);
  const auto silent = f.fabric.start_call<void>(1, Ref<Box>("a")->post_silently(Ref<Box>("b"), "x"), {});
  const auto clerk = f.fabric.start_call<void>(1, Ref<Clerk>("c")->post(Ref<Box>("b"), "y"), {});
  f.fabric.run_for(1s);
  CHECK_FALSE(*silent);
  CHECK_FALSE(*clerk);
  f.fabric.hold_commits(false);
  REQUIRE(f.fabric.run_until([&] { return *silent && *clerk && f.is_empty(); }));
  CHECK(f.notes("b").size() == 2);
}

TEST_CASE("mail: a turn and its messages are durable together, or neither is", "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  f.fabric.hold_commits(true);
  const std::string from = f.key_on(2);
  const std::string to = f.key_on(3);
  const auto ended = f.fabric.start_call<void>(1, Ref<Box>(from)->post(Ref<Box>(to), "x"), {});
  f.fabric.run_for(1s);
  f.fabric.kill(2);
  f.fabric.hold_commits(false);
  REQUIRE(f.fabric.run_until([&] { return *ended; }));
  f.fabric.run_for(10s);
  CHECK(f.notes(from).empty());
  CHECK(f.notes(to).empty());
  CHECK(f.is_empty());
}

TEST_CASE("mail: a message waits for its receiver's node to come back, and for one that fails to activate",
          "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  f.fabric.call(1, Ref<Box>("stuck")->set_broken(true));
  const std::uint16_t owner = f.fabric.owner_of("Box/stuck");
  f.fabric.kill(owner);
  f.fabric.run_for(1s);
  const std::string from = f.key_on(owner % 3 + 1);
  f.fabric.call(owner % 3 + 1, Ref<Box>(from)->post(Ref<Box>("stuck"), "first"));
  f.fabric.call(owner % 3 + 1, Ref<Box>(from)->post(Ref<Box>("hall"), "meanwhile"));
  f.fabric.run_for(5s);
  CHECK(f.fabric.call(owner % 3 + 1, Ref<Box>("hall")->notes()) == Notes{"meanwhile"});  // held up by nothing
  CHECK(f.counts().waiting == 1);
  CHECK(f.counts().dead == 0);
}

TEST_CASE("mail: a method that throws, or whose change cannot be saved, leaves a dead letter, and others go on",
          "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  const Ref<Box> from("a");
  f.fabric.call(1, from->post(Ref<Box>("b"), "throw"));
  f.fabric.call(1, from->post(Ref<Box>("b"), "after"));
  f.fabric.call(1, from->post_filling(Ref<Box>("c"), kernel::limits::kStateBytesMax + 1));
  REQUIRE(f.fabric.run_until([&] { return f.counts().waiting == 0 && f.counts().dead == 2; }));
  CHECK(f.notes("b") == Notes{"after"});
  for (const kernel::Mail& dead : f.list()) {
    CHECK(dead.from == "Box/a");
    CHECK_THAT(dead.why, dead.to == "Box/b" ? Catch::Contains("no room") : Catch::Contains("too large"));
  }
}

TEST_CASE("mail: of a turn that is undone nothing is sent", "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Box>("a")->overflow_and_post(Ref<Box>("b"))), StateTooLarge);
  f.fabric.run_for(10s);
  CHECK(f.is_empty());
  CHECK(f.notes("b").empty());
}

TEST_CASE("mail: what on_activate sends is sent when it has returned, and not if it fails", "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  f.fabric.call(1, Ref<Box>("greeting")->put("x"));
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Box>("greeting, broken")->put("x")), ActivationFailed);
  f.fabric.run_for(10s);
  CHECK(f.is_empty());
  CHECK(f.notes("hall") == Notes{"greeting"});
}

TEST_CASE("mail: a method that is cut short after its first turn is a dead letter", "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  const std::string to = f.key_on(2);
  f.fabric.call(1, Ref<Box>("a")->post_twice(Ref<Box>(to), "x"));
  REQUIRE(f.fabric.run_until([&] { return f.counts().begun == 1; }));
  f.fabric.kill(2);
  REQUIRE(f.fabric.run_until([&] { return f.counts().dead == 1; }));
  CHECK(f.notes(to) == Notes{"x"});
  CHECK_THAT(f.list().front().why, Catch::Contains("its node ended"));

  const std::string other = f.key_on(3);
  f.fabric.call(1, Ref<Box>("a")->post_twice(Ref<Box>(other), "y"));
  REQUIRE(f.fabric.run_until([&] { return f.counts().waiting + f.counts().begun == 0; }));
  CHECK(f.notes(other) == Notes{"y", "y"});
}

TEST_CASE("mail: a shard stays with its node until what was written for its messages is durable", "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  const std::string to = f.key_on(2);
  f.fabric.call(1, Ref<Box>("a")->post_twice(Ref<Box>(to), "x"));
  REQUIRE(f.fabric.run_until([&] { return f.counts().begun == 1; }));
  f.fabric.kill(2);
  f.fabric.hold_commits(true);
  f.fabric.run_for(1s);  // the next owner has found it, and cannot save that it is dead
  const std::uint16_t owner = f.fabric.owner_of("Box/" + to);
  const std::uint16_t next = owner == 1 ? 3 : 1;
  f.fabric.move_shard(kernel::ungrouped(16).shard_of("Box/" + to), next);
  f.fabric.run_for(1s);
  CHECK(f.fabric.owner_of("Box/" + to) == owner);
  f.fabric.hold_commits(false);
  REQUIRE(f.fabric.run_until([&] { return f.fabric.owner_of("Box/" + to) == next; }));
  CHECK(f.fabric.is_alive(owner));
  CHECK(f.counts().dead == 1);
}

TEST_CASE("mail: dead letters are retried as new messages, or dropped, each once", "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  for (int i = 0; i < 3; ++i) f.fabric.call(1, Ref<Box>("a")->post(Ref<Box>("b"), "throw"));
  REQUIRE(f.fabric.run_until([&] { return f.counts().dead == 3; }));
  const std::vector<kernel::Mail> dead = f.list();
  kernel::Kernel& owner = f.fabric.kernel(f.fabric.owner_of("Box/b"));
  std::vector<std::size_t> settled;
  const auto settle = [&](std::vector<kernel::Mail> mail, kernel::Inbox::Settle how) {
    owner.settle_mail(mail, how, [&](std::size_t count) { settled.push_back(count); });
    f.fabric.call(1, Ref<Box>("x")->put("wakes the nodes"));
    REQUIRE(f.fabric.run_until([&] { return !settled.empty(); }));
    return std::exchange(settled, {}).front();
  };
  CHECK(settle({dead[0]}, kernel::Inbox::Settle::drop) == 1);
  CHECK(settle({dead[0]}, kernel::Inbox::Settle::drop) == 0);  // read before, and settled since
  CHECK(settle({dead[1], dead[2]}, kernel::Inbox::Settle::retry) == 2);
  REQUIRE(f.fabric.run_until([&] { return f.counts().dead == 2; }));  // it still throws
  for (const kernel::Mail& again : f.list()) CHECK(again.id != dead[1].id);
}

TEST_CASE("mail: a message whose method runs is not dropped, though its row cannot be read any more", "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  f.fabric.call(1, Ref<Box>("a")->post_twice(Ref<Box>("b"), "x"));
  REQUIRE(f.fabric.run_until([&] { return f.counts().begun == 1; }));
  kernel::Mail unreadable = f.list().at(0);
  unreadable.status = kernel::MailStatus::dead;  // as storage::read_dead_letters returns it
  std::optional<std::size_t> settled;
  f.fabric.kernel(f.fabric.owner_of("Box/b"))
      .settle_mail({unreadable}, kernel::Inbox::Settle::drop, [&](std::size_t count) { settled = count; });
  CHECK(settled == 0);
  REQUIRE(f.fabric.run_until([&] { return f.is_empty(); }));
  CHECK(f.notes("b") == Notes{"x", "x"});
}

TEST_CASE("mail: erase leaves it alone", "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  f.fabric.call(1, Ref<Box>("a")->post(Ref<Box>("b"), "x"));
  f.fabric.call(1, Ref<Box>("a")->wipe());
  f.fabric.call(1, Ref<Box>("b")->wipe());
  f.fabric.call(1, Ref<Box>("a")->post(Ref<Box>("b"), "y"));
  REQUIRE(f.fabric.run_until([&] { return f.is_empty(); }));
  CHECK(f.notes("b").back() == "y");
}

TEST_CASE("mail: what cannot be a message is refused at once, with the reason", "[kernel]") {
  MailFixture f;
  f.fabric.run_for(100ms);
  CHECK_THROWS_WITH(f.fabric.call(1, Ref<Box>("a")->post_in_vain()), Catch::Contains("const method"));
  CHECK_THROWS_WITH(f.fabric.call(1, Ref<Box>("a")->post_to_ghost()), Catch::Contains("Ghost has no saved state"));
  CHECK_THROWS_WITH(f.fabric.call(1, Ref<Box>("a")->post_too_much(Ref<Box>("b"))), Catch::Contains("16777216"));
  CHECK(f.is_empty());
}
