// Mail in a database file: what a restart leaves, and what damage does.

#include <fmt/format.h>

#include <fstream>

#include "storage/mail.hpp"
#include "storage/row_checksum.hpp"
#include "support/mail_fixtures.hpp"
#include "support/recorded_store.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::ShardId;

namespace {

using MailNumbers = std::vector<std::uint64_t>;

const ShardId kShardOfReceiver{1};

struct SqliteMailFixture {
  explicit SqliteMailFixture(std::vector<Operation> operations) {
    const auto store = open_sqlite(directory.file());
    must(store->commit(batch_of({take(*store), take(*store, kShardOfReceiver)}, std::move(operations))));
  }
  TempDir directory;
};

MailNumbers numbers_of(const MailPage& page) {
  MailNumbers numbers;
  for (const auto& row : page.rows) numbers.push_back(row.mail.id.number);
  return numbers;
}

}  // namespace

TEST_CASE("sqlite mail: stays over a restart, and the place of what has ended is not used again", "[storage]") {
  const SqliteMailFixture f({sent(message(1)), sent(message(2)), marked(message(1), MailStatus::begun)});
  std::uint64_t last = 0;
  {
    const auto store = open_sqlite(f.directory.file());
    const MailPage page = must(store->mail_of(kShardOfReceiver, 0));
    CHECK(numbers_of(page) == MailNumbers{1, 2});
    CHECK(page.rows[0].mail.status == MailStatus::begun);
    last = page.last_place;
    must(store->commit(batch_of({take(*store, kShardOfReceiver)}, {ended(message(2))})));
  }
  const auto store = open_sqlite(f.directory.file());
  must(store->commit(batch_of({take(*store)}, {sent(message(3))})));
  CHECK(numbers_of(must(store->mail_of(kShardOfReceiver, last))) == MailNumbers{3});
}

TEST_CASE("sqlite mail: damage to any column of a row concerns that message only", "[storage]") {
  const SqliteMailFixture f({sent(message(1)), sent(message(2)), sent(message(3))});
  const std::string change = GENERATE(
      as<std::string>{}, "from_shard = 2", "epoch = 9", "number = 9", "status = 1", "schema = 1", "sent_at = 1",
      "checksum = checksum + 1", "status_checksum = status_checksum + 1", "sender = 'x'", "receiver_type = 'x'",
      "receiver_key = 'x'", "method = 'x'", "why = 'x'", "arguments = x'00'", "arguments = x''");
  INFO(change);
  run_sql(f.directory.file(), "UPDATE mail SET " + change + " WHERE number = 2");

  const auto store = open_sqlite(f.directory.file());
  const MailPage page = must(store->mail_of(kShardOfReceiver, 0));
  CHECK(numbers_of(page) == MailNumbers{1, 3});
  REQUIRE(page.damaged.size() == 1);
  CHECK_THAT(page.damaged[0], Catch::Contains("message ") && Catch::Contains("checksum") &&
                                  Catch::Contains(f.directory.file().string()));

  MailNumbers visited;
  std::vector<DamagedMail> damaged;
  must(store->list_mail(
      {},
      [&](const Mail& mail) {
        visited.push_back(mail.id.number);
        return Visit::go_on;
      },
      [&](const DamagedMail& damage) { damaged.push_back(damage); }));
  CHECK(visited == MailNumbers{1, 3});
  REQUIRE(damaged.size() == 1);
  CHECK(damaged[0].place == page.rows[0].place + 1);
  CHECK(damaged[0].message == page.damaged[0]);
}

TEST_CASE("sqlite mail: a damaged row can be removed by its id, whatever its status, and by no other way",
          "[storage]") {
  const SqliteMailFixture f({sent(message(1)), sent(message(2)), marked(message(2), MailStatus::dead)});
  const std::string change = GENERATE(as<std::string>{}, "status = 1", "status = 7", "to_shard = 3", "method = 'x'",
                                      "why = 'x'", "arguments = x''", "receiver_type = x'ff'");
  INFO(change);
  run_sql(f.directory.file(), "UPDATE mail SET " + change);
  const auto store = open_sqlite(f.directory.file());
  const auto tenures = {take(*store), take(*store, kShardOfReceiver), take(*store, ShardId{3})};
  const auto found = must(store->find_mail(message(1).id));
  REQUIRE(found.has_value());
  CHECK_THAT(found->damage.value(), Catch::Contains("message 0.1.1 "));

  const std::set<epic::kernel::MailId> ids{message(1).id, message(2).id};
  std::set<epic::kernel::MailId> wanted = ids;
  CHECK(must(read_dead_letters(*store, wanted, Damaged::skipped)).empty());
  wanted = ids;
  const auto damaged = must(read_dead_letters(*store, wanted, Damaged::included));
  REQUIRE(damaged.size() == 2);
  for (const Mail& mail : damaged) {
    CHECK(mail.status == MailStatus::dead);
    must(store->commit(batch_of(tenures, {ended(mail)})));
  }
  CHECK_FALSE(must(store->find_mail(message(1).id)).has_value());
  CHECK(must(store->count_mail()).waiting + must(store->count_mail()).dead == 0);
}

TEST_CASE("sqlite mail: a row that damage moves to a shard that there is not is found only to be dropped",
          "[storage]") {
  const SqliteMailFixture f({sent(message(1))});
  run_sql(f.directory.file(), "UPDATE mail SET to_shard = 4294967295");
  const auto store = open_sqlite(f.directory.file());
  std::set<epic::kernel::MailId> wanted{message(1).id};
  CHECK(must(read_dead_letters(*store, wanted, Damaged::skipped)).empty());
  wanted = {message(1).id};
  const auto found = must(read_dead_letters(*store, wanted, Damaged::included));
  REQUIRE(found.size() == 1);
  CHECK(found.front().to_shard.value < store->identity().placement.shard_count());
}

TEST_CASE("sqlite mail: messages are counted by their status", "[storage]") {
  const SqliteMailFixture f({sent(message(1)), sent(message(2)), sent(message(3)), sent(message(4)), sent(message(5)),
                             sent(message(6)), marked(message(2), MailStatus::begun),
                             marked(message(3), MailStatus::begun), marked(message(4), MailStatus::dead)});
  const auto counts = must(open_sqlite(f.directory.file(), reading())->count_mail());
  CHECK(counts.waiting == 3);
  CHECK(counts.begun == 2);
  CHECK(counts.dead == 1);
}

TEST_CASE("sqlite mail: a message that damage moves to another shard is served to nobody", "[storage]") {
  const SqliteMailFixture f({sent(message(1))});
  run_sql(f.directory.file(), "UPDATE mail SET to_shard = 3");
  const auto store = open_sqlite(f.directory.file());
  CHECK(must(store->mail_of(kShardOfReceiver, 0)).rows.empty());
  CHECK(must(store->mail_of(ShardId{3}, 0)).rows.empty());
  CHECK(must(store->mail_of(ShardId{3}, 0)).damaged.size() == 1);
}

TEST_CASE("sqlite mail: a page goes past damaged rows at its end", "[storage]") {
  const SqliteMailFixture f({sent(message(1)), sent(message(2))});
  run_sql(f.directory.file(), "UPDATE mail SET method = 'x' WHERE number = 2");
  const auto store = open_sqlite(f.directory.file());
  const MailPage page = must(store->mail_of(kShardOfReceiver, 0));
  CHECK(page.last_place == page.rows.at(0).place + 1);
  CHECK(page.is_last);
  CHECK(must(store->mail_of(kShardOfReceiver, page.last_place)).damaged.empty());
}

TEST_CASE("sqlite mail: a damaged page of the database is an error, not a page without mail", "[storage]") {
  std::vector<Operation> operations;
  for (std::uint64_t number = 1; number <= 100; ++number) {
    Mail mail = message(number);
    mail.arguments = bytes_of(std::string(200, 'g'));
    operations.push_back(sent(std::move(mail)));
  }
  const SqliteMailFixture f(std::move(operations));
  run_sql(f.directory.file(), "PRAGMA wal_checkpoint(TRUNCATE)");
  std::fstream file(f.directory.file(), std::ios::in | std::ios::out | std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(file)), {});
  const std::size_t at = content.find(std::string(200, 'g'), content.size() / 2);
  REQUIRE(at != std::string::npos);
  file.clear();
  file.seekp(static_cast<std::streamoff>(at / 2048 * 2048));
  file << std::string(16, '\xff');  // the page's header
  file.close();

  const auto store = open_sqlite(f.directory.file(), reading());
  const StoreError error = error_of(store->mail_of(kShardOfReceiver, 0));
  CHECK(error.code == StoreErrorCode::corrupt);
  CHECK_THAT(error.message, Catch::Contains("cannot read mail") && Catch::Contains("malformed"));
  CHECK(error_of(store->list_mail(
                     {}, [](const Mail&) { return Visit::go_on; }, [](const DamagedMail&) {}))
            .code == StoreErrorCode::corrupt);
}

TEST_CASE("sqlite mail: a living reader sees what is written after it has opened the store", "[storage]") {
  const SqliteMailFixture f({});
  const auto reader = open_sqlite(f.directory.file(), reading());
  CHECK(mail_numbers(*reader).empty());
  const auto store = open_sqlite(f.directory.file());
  must(store->commit(batch_of({take(*store)}, {sent(message(1))})));
  CHECK(mail_numbers(*reader) == MailNumbers{1});
}

TEST_CASE("sqlite mail: the checksums of a message are part of the format", "[storage]") {
  const Mail mail = message(7);
  CHECK(mail_checksum(mail) == 0xa174'e030'566a'2783);
  CHECK(mail_status_checksum(mail.id, MailStatus::dead, "it threw") == 0xd945'5163'bb86'ca56);
}
