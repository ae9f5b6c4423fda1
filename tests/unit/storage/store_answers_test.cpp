// What every Store must do with answers, run against each implementation.

#include "storage/row_checksum.hpp"
#include "support/answer_fixtures.hpp"
#include "support/recorded_store.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::NodeId;
using epic::kernel::SchemaId;
using epic::kernel::ShardId;

namespace {

/// Those of the keys that have an answer, in their order.
std::string keys_with_answers(Store& store, const std::vector<std::string>& keys, ShardId shard = ShardId{0}) {
  std::string found;
  for (const std::string& key : keys)
    if (must(store.answer(begun(key, 0, shard).id))) found += key;
  return found;
}

}  // namespace

TEMPLATE_TEST_CASE("store: an answer is read back whole, and by the whole of its name", "[storage]", Memory, Sqlite,
                   Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const std::string strange("a\0/'\xff{}", 7);
  const Answer answer =
      GENERATE_COPY(begun("order-17"), with_end(begun("order-17"), returned("42")),
                    with_end(begun("order-17"), returned("")), with_end(begun("order-17"), threw("no money")), [&] {
                      Answer odd = with_end(begun(strange, -1), threw(strange));
                      odd.id.entity = "T/" + strange;
                      odd.id.subject = strange;
                      odd.method = "";
                      odd.arguments_schema = SchemaId{UINT64_MAX};
                      odd.arguments_hash = UINT64_MAX;
                      odd.end.error_code = 255;
                      odd.end.error_type = strange;
                      return odd;
                    }());
  const auto held = take(store);
  CHECK_FALSE(must(store.answer(answer.id)).has_value());
  must(store.commit(batch_of({held}, {put(answer)})));
  CHECK(must(store.answer(answer.id)) == answer);
  CHECK(must(under_test.open_reader()->answer(answer.id)) == answer);

  for (std::string AnswerId::* const part : {&AnswerId::entity, &AnswerId::subject, &AnswerId::key}) {
    AnswerId other = answer.id;
    other.*part += 'x';
    CHECK_FALSE(must(store.answer(other)).has_value());
  }
}

TEMPLATE_TEST_CASE("store: an answer begins once and ends once", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const auto held = take(store);
  const Answer answer = begun("k");
  CHECK(error_of(store.commit(batch_of({held}, {ended(answer, returned("1"))}))).code == StoreErrorCode::conflict);
  must(store.commit(batch_of({held}, {put(answer)})));
  CHECK(error_of(store.commit(batch_of({held}, {put(answer)}))).code == StoreErrorCode::conflict);
  must(store.commit(batch_of({held}, {ended(answer, returned("1"))})));
  const StoreError again = error_of(store.commit(batch_of({held}, {ended(answer, returned("2"))})));
  CHECK(again.code == StoreErrorCode::conflict);
  CHECK(again.operation == 0U);
  CHECK_THAT(again.message, Catch::Contains("key 'k'") && Catch::Contains("Account/a"));
  CHECK(must(store.answer(answer.id)) == with_end(answer, returned("1")));

  const Answer both = begun("both");  // in one batch
  must(store.commit(batch_of({held}, {put(both), ended(both, threw("x"))})));
  CHECK(must(store.answer(both.id)) == with_end(both, threw("x")));
  const Answer twice = begun("twice");
  CHECK(error_of(store.commit(batch_of({held}, {put(twice), put(twice)}))).operation == 1U);
  CHECK_FALSE(must(store.answer(twice.id)).has_value());
}

TEMPLATE_TEST_CASE("store: an answer and what goes with it are written together, by the shard's owner only",
                   "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const auto held = take(store);
  const Answer answer = begun("k");
  must(store.commit(batch_of({held}, {put(answer)})));
  CHECK(error_of(store.commit(batch_of({held}, {put("T", "a", "state"), put(answer)}))).operation == 1U);
  CHECK(contents(store).empty());
  static_cast<void>(take(store, ShardId{0}, NodeId{2}));
  CHECK(error_of(store.commit(batch_of({held}, {ended(answer, returned("1"))}))).code ==
        StoreErrorCode::lost_ownership);
  CHECK(must(store.answer(answer.id)) == answer);
}

TEMPLATE_TEST_CASE("store: a sweep removes the oldest answers of a shard, as many as it may", "[storage]", Memory,
                   Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const auto held = take(store);
  const auto other = take(store, ShardId{1});
  CHECK_FALSE(must(store.oldest_answer(ShardId{0})).has_value());
  must(store.commit(batch_of({held}, {swept(INT64_MAX, 10)})));  // nothing is there
  Answer elsewhere = begun("a", 1, ShardId{1});
  elsewhere.id.entity = "Account/b";
  must(store.commit(batch_of({held, other}, {put(begun("c", 3)), put(begun("a", 1)), put(begun("b", 2)),
                                             put(with_end(begun("d", 4), returned("1"))), put(elsewhere)})));
  CHECK(must(store.oldest_answer(ShardId{0})) == 1);

  must(store.commit(batch_of({held}, {swept(1, 10)})));  // before, not at
  CHECK(keys_with_answers(store, {"a", "b", "c", "d"}) == "abcd");
  must(store.commit(batch_of({held}, {swept(4, 2)})));
  CHECK(keys_with_answers(store, {"a", "b", "c", "d"}) == "cd");
  CHECK(must(store.oldest_answer(ShardId{0})) == 3);
  must(store.commit(batch_of({held}, {swept(5, 10)})));
  CHECK(keys_with_answers(store, {"a", "b", "c", "d"}).empty());
  CHECK(must(store.answer(elsewhere.id)) == elsewhere);
  CHECK(must(store.oldest_answer(ShardId{1})) == 1);
}

TEST_CASE("sqlite answers: stay over a restart, and damage to any column of one concerns that one only", "[storage]") {
  const TempDir directory;
  const Answer answer = with_end(begun("k"), returned("1"));
  const Answer other = with_end(begun("other"), threw("x"));
  {
    const auto store = open_sqlite(directory.file());
    must(store->commit(batch_of({take(*store)}, {put(answer), put(other)})));
  }
  const std::string change =
      GENERATE(as<std::string>{}, "shard = 2", "method = 'x'", "arguments_schema = 1", "arguments_hash = 1",
               "begun_at = 1", "status = 0", "schema = 1", "error_code = 9", "error_type = 'x'",
               "checksum = checksum + 1", "end_checksum = end_checksum + 1", "bytes = x''");
  INFO(change);
  run_sql(directory.file(), "UPDATE answers SET " + change + " WHERE key = 'k'");
  const auto store = open_sqlite(directory.file());
  const StoreError damage = error_of(store->answer(answer.id));
  CHECK(damage.code == StoreErrorCode::corrupt);
  CHECK_THAT(damage.message, Catch::Contains("key 'k' of Account/a") && Catch::Contains("damaged"));
  CHECK(must(store->answer(other.id)) == other);
}

TEST_CASE("sqlite answers: checksums are part of the format", "[storage]") {
  const Answer answer = with_end(begun("k"), threw("no money"));
  CHECK(answer_checksum(answer) == 0x653b'b2b9'4933'ca00);
  CHECK(answer_end_checksum(answer.id, answer.end) == 0xa15a'642c'b774'beac);
}
