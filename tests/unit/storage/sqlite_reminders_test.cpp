// Reminders in a database file: what a restart leaves, and what damage does.

#include "storage/row_checksum.hpp"
#include "support/recorded_store.hpp"
#include "support/reminder_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::ShardId;

namespace {

struct SqliteRemindersFixture {
  explicit SqliteRemindersFixture(std::vector<Operation> operations) {
    const auto store = open_sqlite(directory.file());
    must(store->commit(batch_of({take(*store)}, std::move(operations))));
  }
  TempDir directory;
};

}  // namespace

TEST_CASE("sqlite reminders: stay over a restart", "[storage]") {
  const Reminder daily = recurring("digest", 100, 24);
  const SqliteRemindersFixture f({set(daily), advanced(daily, 124), set(reminder("end", 7))});
  const auto store = open_sqlite(f.directory.file(), reading());
  CHECK(due_in(*store) == std::vector<std::string>{"a.end@7", "a.digest@124"});
}

TEST_CASE("sqlite reminders: damage to any column of a row concerns that reminder only", "[storage]") {
  const SqliteRemindersFixture f({set(reminder("x", 1)), set(reminder("y", 2)), set(reminder("z", 3))});
  const std::string change = GENERATE(as<std::string>{}, "type = 'S'", "key = 'b'", "name = 'q'", "due_at = 4",
                                      "starts_at = 9", "every = 1", "schema = 1", "checksum = checksum + 1",
                                      "due_checksum = due_checksum + 1", "method = 'x'", "arguments = x''");
  INFO(change);
  run_sql(f.directory.file(), "UPDATE reminders SET " + change + " WHERE name = 'y'");
  const auto store = open_sqlite(f.directory.file());
  const ReminderPage page = must(store->reminders_of(ShardId{0}, {}, 10));
  REQUIRE(page.rows.size() == 2);
  CHECK(page.rows[0].name.name == "x");
  CHECK(page.rows[1].name.name == "z");
  CHECK(page.is_last);
  REQUIRE(page.damaged.size() == 1);
  CHECK_THAT(page.damaged[0], Catch::Contains("the reminder '") && Catch::Contains("checksum") &&
                                  Catch::Contains(f.directory.file().string()));

  std::vector<std::string> damaged;
  std::size_t whole = 0;
  must(store->list_reminders(
      {},
      [&](const Reminder&) {
        ++whole;
        return Visit::go_on;
      },
      [&](const DamagedReminder& damage) { damaged.push_back(damage.message); }));
  CHECK(whole == 2);
  CHECK(damaged == page.damaged);
}

TEST_CASE("sqlite reminders: one that damage moves to another shard is served to nobody", "[storage]") {
  const SqliteRemindersFixture f({set(reminder("x", 1))});
  run_sql(f.directory.file(), "UPDATE reminders SET shard = 3");
  const auto store = open_sqlite(f.directory.file());
  CHECK(must(store->reminders_of(ShardId{0}, {}, 10)).rows.empty());
  CHECK(must(store->reminders_of(ShardId{3}, {}, 10)).rows.empty());
  CHECK(must(store->reminders_of(ShardId{3}, {}, 10)).damaged.size() == 1);
}

TEST_CASE("sqlite reminders: what is due next is read by the index alone", "[storage]") {
  const SqliteRemindersFixture f({set(reminder("x", 1))});
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(f.directory.file().c_str(), &database) == SQLITE_OK);
  std::string plan;
  const auto add = [](void* to, int, char** values, char**) {
    *static_cast<std::string*>(to) += values[3];
    return 0;
  };
  REQUIRE(sqlite3_exec(database,
                       "EXPLAIN QUERY PLAN SELECT type FROM reminders WHERE shard = 0 AND "
                       "(due_at, type, key, name) > (1, 'a', 'b', 'c') ORDER BY due_at, type, key, name",
                       add, &plan, nullptr) == SQLITE_OK);
  sqlite3_close(database);
  CHECK_THAT(plan, Catch::Contains("reminders_by_due (shard=? AND ") && !Catch::Contains("TEMP B-TREE"));
}
