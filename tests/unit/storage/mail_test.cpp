#include "storage/mail.hpp"

#include <catch2/catch.hpp>

#include "storage/grants.hpp"
#include "storage/memory_store.hpp"

using namespace epic::storage;
using namespace epic::kernel;

namespace {

constexpr ShardId kShard{2};

MailId id_of(std::uint64_t number) { return {.shard = kShard, .epoch = Epoch{1}, .number = number}; }

std::vector<std::uint64_t> numbers_of(const std::vector<Mail>& list) {
  std::vector<std::uint64_t> numbers;
  for (const Mail& mail : list) numbers.push_back(mail.id.number);
  return numbers;
}

/// With dead letters of these sizes, numbered from 1, and one message that waits.
std::unique_ptr<Store> make_store(const std::vector<std::size_t>& sizes) {
  auto store = std::make_unique<MemoryStore>(epic::kernel::ungrouped(4), &std::chrono::system_clock::now);
  const auto epochs = take_all(*store, Incarnation{1});
  REQUIRE(epochs);
  Batch batch{.number = CommitNumber{1},
              .writer = Incarnation{1},
              .epochs = *epochs,
              .schemas = {{SchemaId{1}, "schema"}},
              .operations = {}};
  const auto put = [&](std::size_t size, MailStatus status) {
    batch.operations.emplace_back(PutMail{{.id = id_of(batch.operations.size() + 1),
                                           .to_shard = kShard,
                                           .from = "Player/Bob",
                                           .to = "Account/7",
                                           .method = "deposit",
                                           .schema = SchemaId{1},
                                           .arguments = std::vector<std::byte>(size),
                                           .status = status}});
  };
  for (const std::size_t size : sizes) put(size, MailStatus::dead);
  put(1, MailStatus::waiting);
  REQUIRE(store->commit(batch));
  return store;
}

}  // namespace

TEST_CASE("mail: the id of a message is three numbers, and nothing else is one", "[storage]") {
  const MailId id{.shard = ShardId{3}, .epoch = Epoch{1}, .number = UINT64_MAX};
  CHECK(mail_id_text(id) == "3.1.18446744073709551615");
  CHECK(parse_mail_id(mail_id_text(id)) == id);
  for (const char* text : {"", "3", "3.1", "3.1.", "3.1.7.", "3.1.7x", "-3.1.7", "3..7", ".1.7", "3,1,7", " 3.1.7",
                           "4294967296.1.1", "3.1.18446744073709551616", "Account/7"})
    CHECK_FALSE(parse_mail_id(text));
}

TEST_CASE("mail: dead letters are read by their ids, each once", "[storage]") {
  const auto store = make_store({1, 1, 1});
  std::set<MailId> wanted{id_of(3), id_of(1), id_of(4), id_of(9)};  // 4 waits, 9 does not exist
  const auto found = read_dead_letters(*store, wanted, Damaged::skipped);
  REQUIRE(found);
  CHECK(numbers_of(*found) == std::vector<std::uint64_t>{1, 3});
  CHECK(read_dead_letters(*store, wanted, Damaged::skipped)->empty());
}

TEST_CASE("mail: large dead letters are read a few at a time", "[storage]") {
  const auto store = make_store({kDeadLettersBytesMax - 1, 1, 1});
  std::set<MailId> wanted{id_of(1), id_of(2), id_of(3)};
  CHECK(numbers_of(*read_dead_letters(*store, wanted, Damaged::included)) == std::vector<std::uint64_t>{1, 2});
  CHECK(numbers_of(*read_dead_letters(*store, wanted, Damaged::included)) == std::vector<std::uint64_t>{3});
}
