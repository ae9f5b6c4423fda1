// Reminders whose rows a node cannot use: of methods that its module does not have, and damaged ones.

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "epic/epic.hpp"
#include "kernel/limits.hpp"
#include "kernel/mail/reminders.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;
using epic::test::SimFabric;

namespace {

constexpr std::size_t kUnusable = 2 * kernel::limits::kRemindersKnownMax;

class Siren : public Entity {
  std::vector<std::string> sounded_;

 public:
  Task<void> sound(std::string note) {
    sounded_.push_back(note);
    co_return;
  }
  Task<void> set(std::string name, std::int64_t in_ms, std::string note) {
    remind(name, std::chrono::milliseconds(in_ms), &Siren::sound, note);
    co_return;
  }
  Task<void> drop(std::string name) {
    forget(name);
    co_return;
  }
  Task<void> wipe() {
    erase();
    co_return;
  }
  Task<std::vector<std::string>> sounded() const { co_return sounded_; }
  EPIC_ENTITY(Siren, state(sounded_), methods(sound, set, drop, wipe, sounded))
};

const ModuleInfo& sirens() {
  static const EntityInfoFn entities[] = {&Siren::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

using Sounds = std::vector<std::string>;

struct StoredRemindersFixture {
  StoredRemindersFixture() { fabric.run_for(100ms); }
  codec::CapnpCodec codec;
  SimFabric fabric{{.seed = 19, .nodes = 1}, sirens(), codec};
  Ref<Siren> siren{"a"};

  Sounds sounded() { return fabric.call(1, siren->sounded()); }
  std::uint64_t left() { return *fabric.store().count_reminders(); }
  std::vector<kernel::Reminder> list() {
    std::vector<kernel::Reminder> all;
    REQUIRE(fabric.store().list_reminders(
        {}, [&](const kernel::Reminder& one) { return all.push_back(one), storage::Visit::go_on; },
        [](const auto&) {}));
    return all;
  }
  storage::Store::ShardRow tenure_of(kernel::ShardId shard) {
    const auto rows = *fabric.store().shards();
    const auto row = std::ranges::find(rows, shard, &storage::Store::ShardRow::shard);
    REQUIRE(row != rows.end());
    return *row;
  }
  /// Into the store, so that the node does not know of it.
  void write(const std::vector<kernel::Reminder>& reminders) {
    const storage::Store::ShardRow tenure = tenure_of(reminders.at(0).shard);
    kernel::Batch batch{.number = {},
                        .writer = tenure.incarnation,
                        .epochs = {{tenure.shard, tenure.epoch}},
                        .schemas = {},
                        .operations = {}};
    for (const kernel::Reminder& one : reminders) batch.operations.emplace_back(kernel::SetReminder{one});
    REQUIRE(fabric.store().commit(batch));
  }
  /// As if the node read a page of this shard on which a row cannot be read.
  void read_damaged(kernel::ShardId shard) {
    const storage::Store::ShardRow tenure = tenure_of(shard);
    kernel::ReminderPage page;
    page.damaged = {"the seventh row is damaged"};
    fabric.kernel(1).on_reminders_loaded({tenure.shard, tenure.epoch}, std::move(page));
  }
  std::ptrdiff_t count_logged(std::string_view text) {
    return std::ranges::count_if(fabric.log(), [text](const auto& line) { return line.message.contains(text); });
  }
};

}  // namespace

TEST_CASE("reminders: those of a method that the module does not have stay due, and keep no others from being read",
          "[kernel]") {
  StoredRemindersFixture f;
  f.fabric.call(1, f.siren->set("last", 60'000, "ding"));
  const kernel::Reminder last = f.list().at(0);
  std::vector<kernel::Reminder> unusable(kUnusable, last);
  for (std::size_t i = 0; i < kUnusable; ++i) {
    unusable[i].name.name = fmt::format("unusable {}", i);
    unusable[i].method = "howl";
    unusable[i].due_ns = last.due_ns - std::chrono::nanoseconds(59s).count() + static_cast<std::int64_t>(i);
    unusable[i].first_ns = unusable[i].due_ns;
  }
  f.write(unusable);
  f.fabric.kill(1);
  f.fabric.restart(1);
  f.fabric.run_for(5s);
  CHECK(f.fabric.kernel(1).reminders().known_count() == 1);
  CHECK(f.sounded().empty());
  f.fabric.run_for(60s);
  CHECK(f.sounded() == Sounds{"ding"});
  CHECK(f.left() == kUnusable);
  CHECK(f.fabric.store().count_mail()->dead == 0);
  CHECK(f.count_logged("stays due") == 1);

  SECTION("they come when they can, since they are read again now and then") {
    unusable[0].method = "sound";
    f.write({unusable[0]});
    f.fabric.run_for(kernel::limits::kRemindersReadAgain + 1s);
    CHECK(f.sounded() == Sounds{"ding", "ding"});
    CHECK(f.left() == kUnusable - 1);
  }
  SECTION("one that is set again comes at its new time, once") {
    f.fabric.call(1, f.siren->set("unusable 0", 1'000, "dong"));
    f.fabric.run_for(2s);
    CHECK(f.sounded() == Sounds{"ding", "dong"});
    f.fabric.run_for(kernel::limits::kRemindersReadAgain + 1s);
    CHECK(f.sounded() == Sounds{"ding", "dong"});
    CHECK(f.left() == kUnusable - 1);
  }
  SECTION("they are forgotten by name, and with their entity") {
    f.fabric.call(1, f.siren->drop("unusable 0"));
    f.fabric.run_for(100ms);
    CHECK(f.left() == kUnusable - 1);
    f.fabric.call(1, f.siren->wipe());
    f.fabric.run_for(100ms);
    CHECK(f.left() == 0);
  }
}

TEST_CASE("reminders: where a row cannot be read, erasing an entity removes also what is not in memory", "[kernel]") {
  const bool is_damaged = GENERATE(true, false);
  INFO((is_damaged ? "damaged" : "whole"));
  StoredRemindersFixture f;
  f.fabric.call(1, f.siren->set("unread", 3'600'000, "never"));
  const kernel::Reminder unread = f.list().at(0);
  f.fabric.call(1, f.siren->drop("unread"));
  f.fabric.run_for(100ms);
  REQUIRE(f.left() == 0);
  f.write({unread});
  if (is_damaged) f.read_damaged(unread.shard);
  f.fabric.call(1, f.siren->wipe());
  f.fabric.run_for(100ms);
  CHECK(f.left() == (is_damaged ? 0U : 1U));  // a node that has read all rows saves itself the change
}

TEST_CASE("reminders: where a row cannot be read, that is logged, and others come", "[kernel]") {
  StoredRemindersFixture f;
  f.fabric.call(1, f.siren->set("before", 300, "ding"));
  f.read_damaged(f.list().at(0).shard);
  CHECK(f.count_logged("the seventh row is damaged") == 1);
  f.fabric.call(1, f.siren->set("after", 200, "dong"));
  f.fabric.run_for(1s);
  CHECK(f.sounded() == Sounds{"dong", "ding"});
  CHECK(f.left() == 0);
}
