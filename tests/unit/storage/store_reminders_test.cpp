// What every Store must do with reminders, run against each implementation.

#include <algorithm>

#include "support/reminder_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::NodeId;
using epic::kernel::ReminderStart;
using epic::kernel::ShardId;

namespace {

const ShardId kReminderShard{0};
using Texts = std::vector<std::string>;

}  // namespace

TEMPLATE_TEST_CASE("store: a reminder is read back whole, and is gone when it is forgotten", "[storage]", Memory,
                   Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const ShardEpoch held = take(store, kReminderShard);
  const std::string strange("a\0/'\xff{}", 7);
  Reminder one = reminder("digest", 1'700'000'000'000'000'000);
  const bool is_odd = GENERATE(false, true);
  if (is_odd) {
    one.name = {.type = "T", .key = strange, .name = strange};
    one.due_ns = INT64_MAX;
    one.first_ns = -1;
    one.every_ns = INT64_MAX;
    one.method = "";
    one.arguments = {};
  }
  must(store.commit(batch_of({held}, {set(one)})));
  CHECK(reminders(store) == std::vector{one});
  const ReminderPage page = must(store.reminders_of(kReminderShard, {}, 10));
  CHECK(page.rows == std::vector{one});
  CHECK(page.next == place_of(one));
  CHECK(page.is_last);
  CHECK(must(store.count_reminders()) == 1);

  must(store.commit(batch_of({held}, {forgotten(one)})));
  CHECK(reminders(store).empty());
  CHECK(must(store.reminders_of(kReminderShard, {}, 10)).rows.empty());
  must(store.commit(batch_of({held}, {forgotten(one)})));  // there is none: nothing to do
}

TEMPLATE_TEST_CASE("store: reminders of a shard are read in the order in which they are due, from any place on",
                   "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const std::vector<ShardEpoch> held{take(store, kReminderShard), take(store, ShardId{1})};
  must(store.commit(batch_of(
      held, {set(reminder("z", 3)), set(reminder("y", 3, "b")), set(reminder("x", 3, "b")), set(reminder("w", -2)),
             set(reminder("v", 9, "a")), set(reminder("other", 1, "c", ShardId{1}))})));
  const Texts all{"a.w@-2", "a.z@3", "b.x@3", "b.y@3", "a.v@9"};
  for (const std::size_t limit : {1U, 2U, 3U, 5U, 1000U}) CHECK(due_in(store, kReminderShard, limit) == all);
  CHECK(due_in(store, ShardId{1}) == Texts{"c.other@1"});
  CHECK(due_in(store, ShardId{2}).empty());
  CHECK(due_in(store, kReminderShard, 10, {.due_ns = 3}) == Texts{"a.z@3", "b.x@3", "b.y@3", "a.v@9"});
  CHECK(due_in(store, kReminderShard, 10, place_of(reminder("x", 3, "b"))) == Texts{"b.y@3", "a.v@9"});
  CHECK(due_in(store, kReminderShard, 10, place_of(reminder("v", 9))).empty());
}

TEMPLATE_TEST_CASE("store: the names of an entity's reminders are its own, and no more than are asked for", "[storage]",
                   Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const ShardEpoch held = take(store, kReminderShard);
  must(store.commit(
      batch_of({held}, {set(reminder("one", 3)), set(reminder("two", 1)), set(reminder("other", 2, "ab"))})));
  Texts names = must(store.reminder_names("T", "a", 10));
  std::ranges::sort(names);
  CHECK(names == Texts{"one", "two"});
  CHECK(must(store.reminder_names("T", "a", 1)).size() == 1);
  CHECK(must(store.reminder_names("T", "b", 10)).empty());
}

TEMPLATE_TEST_CASE("store: a page of reminders ends with the rows or the bytes that it may have", "[storage]", Memory,
                   Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const ShardEpoch held = take(store, kReminderShard);
  std::vector<Operation> operations;
  SECTION("many") {
    for (int i = 0; i < 600; ++i) operations.push_back(set(reminder(std::to_string(i), i)));
    must(store.commit(batch_of({held}, std::move(operations))));
    CHECK(must(store.reminders_of(kReminderShard, {}, SIZE_MAX)).rows.size() == kPageRowsMax);
    CHECK(due_in(store).size() == 600);
  }
  SECTION("large ones") {
    for (int i = 0; i < 3; ++i) {
      Reminder large = reminder(std::to_string(i), i);
      large.arguments.resize(kPageBytesMax + 1);
      operations.push_back(set(std::move(large)));
    }
    must(store.commit(batch_of({held}, std::move(operations))));
    const ReminderPage page = must(store.reminders_of(kReminderShard, {}, 10));
    CHECK(page.rows.size() == 1);
    CHECK_FALSE(page.is_last);
    CHECK(due_in(store).size() == 3);
  }
}

TEMPLATE_TEST_CASE("store: setting an equal reminder again leaves it as it is, any other takes its place", "[storage]",
                   Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const ShardEpoch held = take(store, kReminderShard);
  const Reminder daily = recurring("digest", 100, 24);
  must(store.commit(batch_of({held}, {set(daily), advanced(daily, 124)})));
  Reminder present = daily;
  present.due_ns = 124;
  REQUIRE(reminders(store) == std::vector{present});

  SECTION("equal but for its next due time") {
    Reminder again = daily;
    again.due_ns = 148;
    must(store.commit(batch_of({held}, {set(again)})));
    CHECK(reminders(store) == std::vector{present});
  }
  SECTION("an equal one that counts from now") {
    Reminder again = daily;
    again.due_ns = again.first_ns = 700;
    must(store.commit(batch_of({held}, {set(again, ReminderStart::from_now)})));
    CHECK(reminders(store) == std::vector{present});
    must(store.commit(batch_of({held}, {set(again)})));  // at that time
    CHECK(reminders(store) == std::vector{again});
  }
  SECTION("another interval, method, argument or schema") {
    Reminder other = daily;
    const int which = GENERATE(0, 1, 2, 3);
    if (which == 0) other.every_ns = 25;
    if (which == 1) other.method = "post";
    if (which == 2) other.arguments = bytes_of("other");
    if (which == 3) other.schema = epic::kernel::SchemaId{9};
    must(store.commit(batch_of({held}, {set(other, GENERATE(ReminderStart::at_time, ReminderStart::from_now))})));
    CHECK(reminders(store) == std::vector{other});
    CHECK(due_in(store) == Texts{"a.digest@100"});
  }
  SECTION("one that does not recur counts from now again") {
    Reminder once = reminder("digest", 500);
    must(store.commit(batch_of({held}, {set(once, ReminderStart::from_now)})));
    once.due_ns = once.first_ns = 600;
    must(store.commit(batch_of({held}, {set(once, ReminderStart::from_now)})));
    CHECK(due_in(store) == Texts{"a.digest@600"});
  }
}

TEMPLATE_TEST_CASE("store: a reminder is advanced only from the due time that is stored, otherwise the batch fails",
                   "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const ShardEpoch held = take(store, kReminderShard);
  const Reminder daily = recurring("digest", 100, 24);
  must(store.commit(batch_of({held}, {set(daily)})));
  must(store.commit(batch_of({held}, {advanced(daily, 124)})));
  CHECK(due_in(store) == Texts{"a.digest@124"});

  const auto refused = [&](std::vector<Operation> operations) {
    const StoreError error = error_of(store.commit(batch_of({held}, std::move(operations))));
    CHECK(error.code == StoreErrorCode::conflict);
    CHECK(error.operation == 1U);
    CHECK_THAT(error.message, Catch::Contains("which advances the reminder 'digest' of T/a, does not find it due"));
    CHECK(contents(store).empty());  // nor was the rest written
  };
  refused({put("T", "a", "state"), advanced(daily, 148)});
  refused({put("T", "a", "state"), advanced(daily, std::nullopt)});
  Reminder present = daily;
  present.due_ns = 124;
  refused({forgotten(daily), advanced(present, 148)});
  refused({set(recurring("digest", 90, 9)), advanced(present, 148)});
  Reminder elsewhere = present;
  elsewhere.shard = ShardId{1};
  const StoreError error = error_of(store.commit(batch_of({take(store, ShardId{1})}, {advanced(elsewhere, 148)})));
  CHECK(error.code == StoreErrorCode::conflict);

  must(store.commit(batch_of({held}, {advanced(present, std::nullopt)})));
  CHECK(reminders(store).empty());
}

TEMPLATE_TEST_CASE("store: changes of one reminder in one batch follow each other", "[storage]", Memory, Sqlite,
                   Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const ShardEpoch held = take(store, kReminderShard);
  const Reminder daily = recurring("digest", 100, 24);
  Reminder next = daily;
  next.due_ns = 124;
  must(store.commit(batch_of({held}, {set(daily), advanced(daily, 124), advanced(next, 148), set(reminder("end", 7)),
                                      forgotten(reminder("end", 7)), set(reminder("end", 8))})));
  CHECK(due_in(store) == Texts{"a.end@8", "a.digest@148"});
}

TEMPLATE_TEST_CASE("store: all reminders of an entity can be forgotten at once, and no other's", "[storage]", Memory,
                   Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const ShardEpoch held = take(store, kReminderShard);
  Reminder other_type = reminder("x", 1);
  other_type.name.type = "U";
  must(store.commit(batch_of({held}, {set(reminder("x", 1)), set(reminder("y", 2)), set(reminder("x", 3, "a/b")),
                                      set(reminder("x", 4, "b")), set(other_type)})));
  must(store.commit(
      batch_of({held}, {set(reminder("z", 5)), ForgetReminder{{.type = "T", .key = "a", .name = {}}, kReminderShard},
                        set(reminder("later", 6))})));
  CHECK(due_in(store) == Texts{"a.x@1", "a/b.x@3", "b.x@4", "a.later@6"});
  CHECK(reminders(store)[3].name.type == "U");
}

TEMPLATE_TEST_CASE("store: only the owner of an entity's shard changes its reminders", "[storage]", Memory, Sqlite,
                   Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const ShardEpoch former = take(store, kReminderShard, NodeId{1});
  must(store.commit(batch_of({former}, {set(reminder("x", 1))}, NodeId{1})));
  take(store, kReminderShard, NodeId{2});
  for (const Operation& operation :
       {set(reminder("y", 1)), forgotten(reminder("x", 1)), advanced(reminder("x", 1), std::nullopt)})
    CHECK(error_of(store.commit(batch_of({former}, {operation}, NodeId{1}))).code == StoreErrorCode::lost_ownership);
  CHECK(due_in(store) == Texts{"a.x@1"});
}

TEMPLATE_TEST_CASE("store: a listing of reminders can be narrowed, and its visitor may stop and change the store",
                   "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const ShardEpoch held = take(store, kReminderShard);
  std::vector<Operation> operations{set(reminder("x", 5, "b")), set(reminder("y", 1, "a/b"))};
  for (int i = 0; i < 300; ++i) operations.push_back(set(reminder("n" + std::to_string(1000 + i), i)));
  Reminder other_type = reminder("x", 1);
  other_type.name.type = "U";
  operations.push_back(set(other_type));
  must(store.commit(batch_of({held}, std::move(operations))));
  CHECK(reminders(store).size() == 303);
  CHECK(reminders(store, {.type = "T"}).size() == 302);
  CHECK(reminders(store, {.type = "T", .key = "a"}).size() == 300);
  CHECK(reminders(store, {.type = "T", .key = "b"}).size() == 1);
  CHECK(reminders(store, {.type = "S"}).empty());
  CHECK(reminders(store, {.limit = 2}).size() == 2);
  CHECK(reminders(store, {.limit = 0}).empty());
  const auto all = reminders(store);
  CHECK(std::ranges::is_sorted(all, {}, &Reminder::name));

  int visited = 0;
  must(store.list_reminders(
      {.type = "T", .key = "a"},
      [&](const Reminder& one) {
        must(store.commit(batch_of({held}, {forgotten(one)})));
        return ++visited == 290 ? Visit::stop : Visit::go_on;
      },
      [](const DamagedReminder&) {}));
  CHECK(reminders(store, {.type = "T", .key = "a"}).size() == 10);
}

TEMPLATE_TEST_CASE("store: a reader that holds a moment sees the reminders of that moment", "[storage]", Memory, Sqlite,
                   Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const ShardEpoch held = take(store, kReminderShard);
  must(store.commit(batch_of({held}, {set(reminder("x", 1)), set(reminder("y", 2))})));
  const std::unique_ptr<Store> reader = under_test.open_reader();
  must(reader->begin_moment());
  must(store.commit(batch_of({held}, {forgotten(reminder("x", 1)), set(reminder("y", 7)), set(reminder("z", 3))})));
  CHECK(due_in(*reader) == Texts{"a.x@1", "a.y@2"});
  CHECK(must(reader->count_reminders()) == 2);
  reader->end_moment();
  CHECK(due_in(*reader) == Texts{"a.z@3", "a.y@7"});
}
