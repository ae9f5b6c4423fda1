#include "kernel/batch.hpp"

#include <catch2/catch.hpp>

using namespace epic::kernel;

namespace {

Operation put_of(const std::string& key, std::uint64_t version, std::size_t bytes) {
  return PutSnapshot{.type = "Counter",
                     .key = key,
                     .shard = ShardId{1},
                     .version = Version{version},
                     .replaces = Version{version - 1},
                     .schema = SchemaId{7},
                     .bytes = std::vector<std::byte>(bytes)};
}

Operation erasure_of(const std::string& key, std::uint64_t version) {
  return EraseSnapshot{.type = "Counter",
                       .key = key,
                       .shard = ShardId{1},
                       .version = Version{version},
                       .replaces = Version{version - 1}};
}

Operation letter(std::uint64_t number) {
  return PutMail{{.id = {.shard = ShardId{1}, .epoch = Epoch{4}, .number = number},
                  .to_shard = ShardId{2},
                  .from = "Counter/a",
                  .to = "Counter/b",
                  .method = "add",
                  .schema = SchemaId{7},
                  .arguments = std::vector<std::byte>(3)}};
}

Operation mark_of(std::uint64_t number, MailStatus status, std::string why = {}) {
  return MarkMail{
      .id = {ShardId{1}, Epoch{4}, number}, .to_shard = ShardId{2}, .status = status, .why = std::move(why)};
}

Operation end_of(std::uint64_t number) { return EndMail{.id = {ShardId{1}, Epoch{4}, number}, .to_shard = ShardId{2}}; }

AnswerId answer_of(std::string key) {
  return {.shard = ShardId{1}, .entity = "Counter/a", .subject = {}, .key = std::move(key)};
}
Operation answer_begun(std::string key) {
  return PutAnswer{{.id = answer_of(std::move(key)), .method = "add", .arguments_schema = {}}};
}
Operation answer_end(std::string key) {
  return EndAnswer{.id = answer_of(std::move(key)),
                   .end = {.status = AnswerStatus::returned, .schema = {}, .bytes = std::vector<std::byte>(5)}};
}
Operation sweep() { return SweepAnswers{.shard = ShardId{1}, .begun_before_ns = 9, .rows_max = 2}; }

const ReminderName kReminder{.type = "Counter", .key = "a", .name = "tick"};

Operation reminder_of(std::int64_t due_ns) {
  return SetReminder{{.name = kReminder,
                      .shard = ShardId{1},
                      .due_ns = due_ns,
                      .first_ns = due_ns,
                      .every_ns = 10,
                      .method = "add",
                      .schema = SchemaId{7},
                      .arguments = std::vector<std::byte>(3)}};
}

Operation advance_of(std::int64_t due_ns) {
  return AdvanceReminder{.name = kReminder, .shard = ShardId{1}, .due_ns = due_ns, .next_ns = due_ns + 10};
}

/// "put 7 dead", "mark 7 begun", "end 7", "set 20", "advance 20", "forget tick", "state a", "erase a"; of answers
/// "order begun", "end order", "sweep".
std::vector<std::string> words_of(const Batch& batch) {
  const auto word_of = [](MailStatus status) {
    return status == MailStatus::waiting ? " waiting" : status == MailStatus::begun ? " begun" : " dead";
  };
  std::vector<std::string> words;
  for (const Operation& operation : batch.operations) {
    if (const auto* put = std::get_if<PutMail>(&operation))
      words.push_back("put " + std::to_string(put->mail.id.number) + word_of(put->mail.status) + put->mail.why);
    else if (const auto* mark = std::get_if<MarkMail>(&operation))
      words.push_back("mark " + std::to_string(mark->id.number) + word_of(mark->status) + mark->why);
    else if (const auto* end = std::get_if<EndMail>(&operation))
      words.push_back("end " + std::to_string(end->id.number));
    else if (const auto* answer = std::get_if<PutAnswer>(&operation))
      words.push_back(answer->answer.id.key +
                      (answer->answer.end.status == AnswerStatus::begun ? " begun" : " returned"));
    else if (const auto* answered = std::get_if<EndAnswer>(&operation))
      words.push_back("end " + answered->id.key);
    else if (std::holds_alternative<SweepAnswers>(operation))
      words.emplace_back("sweep");
    else if (const auto* set = std::get_if<SetReminder>(&operation))
      words.push_back("set " + std::to_string(set->reminder.due_ns));
    else if (const auto* advance = std::get_if<AdvanceReminder>(&operation))
      words.push_back("advance " + std::to_string(advance->due_ns));
    else if (const auto* forget = std::get_if<ForgetReminder>(&operation))
      words.push_back("forget " + forget->name.name);
    else if (const auto* state = std::get_if<PutSnapshot>(&operation))
      words.push_back("state " + state->key);
    else
      words.push_back("erase " + std::get<EraseSnapshot>(operation).key);
  }
  return words;
}

using Words = std::vector<std::string>;

Batch batch_of(std::uint64_t number, std::uint64_t epoch, std::vector<Operation> operations) {
  return {.number = CommitNumber{number},
          .writer = Incarnation{9},
          .epochs = {{ShardId{1}, Epoch{epoch}}},
          .schemas = {},
          .operations = std::move(operations)};
}

}  // namespace

TEST_CASE("batch: of two states of an entity the later one is kept, on the row that the older one replaces",
          "[kernel]") {
  Batch batch = batch_of(1, 4, {put_of("a", 5, 10), put_of("b", 1, 10)});
  Batch next = batch_of(2, 4, {put_of("a", 6, 20), put_of("c", 1, 30)});
  REQUIRE(try_append(batch, next));
  CHECK(batch.number == CommitNumber{2});
  CHECK(batch.epochs.size() == 1);
  REQUIRE(batch.operations.size() == 3);
  const auto& first = std::get<PutSnapshot>(batch.operations[0]);
  CHECK(first.version == Version{6});
  CHECK(first.replaces == Version{4});
  CHECK(first.bytes.size() == 20);
  CHECK(std::get<PutSnapshot>(batch.operations[1]).key == "b");
  CHECK(std::get<PutSnapshot>(batch.operations[2]).key == "c");
}

TEST_CASE("batch: an erasure takes the place of a state, and a state that of an erasure", "[kernel]") {
  Batch batch = batch_of(1, 4, {put_of("a", 1, 10), erasure_of("b", 3)});
  Operation anew = put_of("b", 4, 5);
  std::get<PutSnapshot>(anew).replaces = Version{0};
  Batch next = batch_of(2, 4, {erasure_of("a", 2), anew});
  REQUIRE(try_append(batch, next));
  REQUIRE(batch.operations.size() == 2);
  CHECK(std::get<EraseSnapshot>(batch.operations[0]).replaces == Version{0});  // it was never written
  CHECK(std::get<EraseSnapshot>(batch.operations[0]).version == Version{2});
  CHECK(std::get<PutSnapshot>(batch.operations[1]).replaces == Version{2});  // it still has its row
  CHECK(bytes_of(batch.operations[1]) == 5);
}

TEST_CASE("batch: three changes of one entity become one", "[kernel]") {
  Batch batch = batch_of(1, 4, {put_of("a", 1, 10)});
  Batch second = batch_of(2, 4, {put_of("a", 2, 20)});
  Batch third = batch_of(3, 4, {put_of("a", 3, 30)});
  REQUIRE(try_append(batch, second));
  REQUIRE(try_append(batch, third));
  REQUIRE(batch.operations.size() == 1);
  CHECK(bytes_of(batch.operations[0]) == 30);
  CHECK(std::get<PutSnapshot>(batch.operations[0]).replaces == Version{0});
}

TEST_CASE("batch: what was made under another epoch of a shard does not join", "[kernel]") {
  Batch batch = batch_of(1, 4, {put_of("a", 1, 10)});
  Batch next = batch_of(2, 6, {put_of("a", 2, 20)});
  CHECK_FALSE(try_append(batch, next));
  CHECK(batch.number == CommitNumber{1});
  CHECK(bytes_of(batch.operations[0]) == 10);
  CHECK(bytes_of(next.operations[0]) == 20);
}

TEST_CASE("batch: a message is written with the status that it has in the end", "[kernel]") {
  Batch batch = batch_of(1, 4, {letter(7), letter(8)});
  Batch next = batch_of(2, 4, {mark_of(7, MailStatus::begun), mark_of(8, MailStatus::begun)});
  Batch last = batch_of(3, 4, {mark_of(8, MailStatus::dead, " it threw")});
  REQUIRE(try_append(batch, next));
  CHECK(words_of(batch) == Words{"put 7 begun", "put 8 begun"});
  REQUIRE(try_append(batch, last));
  CHECK(words_of(batch) == Words{"put 7 begun", "put 8 dead it threw"});
  CHECK(bytes_of(batch.operations[0]) == 3);
  CHECK(shard_of(batch.operations[0]) == ShardId{1});
}

TEST_CASE("batch: a message that ends in the batch that adds it is not written, and all else stays in order",
          "[kernel]") {
  Batch batch = batch_of(1, 4, {letter(1), put_of("a", 1, 10), letter(2), letter(3), erasure_of("b", 2), letter(4)});
  Batch next = batch_of(2, 4, {end_of(3), put_of("c", 1, 10), end_of(1), letter(5), end_of(4), put_of("a", 2, 20)});
  next.epochs.push_back({ShardId{2}, Epoch{6}});
  REQUIRE(try_append(batch, next));
  CHECK(words_of(batch) == Words{"state a", "put 2 waiting", "erase b", "state c", "put 5 waiting"});
  CHECK(bytes_of(batch.operations[0]) == 20);
  CHECK(batch.epochs.size() == 2);  // the shards whose turns these were are checked all the same
}

TEST_CASE("batch: a message that begins and ends in one batch is only removed", "[kernel]") {
  Batch batch =
      batch_of(1, 4, {mark_of(7, MailStatus::begun), mark_of(8, MailStatus::begun), mark_of(9, MailStatus::begun)});
  Batch next = batch_of(2, 4, {end_of(8), mark_of(7, MailStatus::dead)});
  REQUIRE(try_append(batch, next));
  CHECK(words_of(batch) == Words{"mark 7 dead", "end 8", "mark 9 begun"});
  CHECK(shard_of(batch.operations[1]) == ShardId{2});
}

TEST_CASE("batch: changes of one message within a batch are merged like those of two batches", "[kernel]") {
  Batch batch = batch_of(1, 4, {letter(7), mark_of(7, MailStatus::begun), letter(8), end_of(8)});
  Batch next = batch_of(2, 4, {letter(9), mark_of(9, MailStatus::begun), end_of(7), letter(10), end_of(10)});
  REQUIRE(try_append(batch, next));
  CHECK(words_of(batch) == Words{"put 9 begun"});
}

TEST_CASE("batch: changes of one message that cannot follow each other stay, for the store to refuse", "[kernel]") {
  Batch ended_twice = batch_of(1, 4, {end_of(7)});
  Batch next = batch_of(2, 4, {end_of(7), put_of("a", 1, 10)});
  REQUIRE(try_append(ended_twice, next));
  CHECK(words_of(ended_twice) == Words{"end 7", "end 7", "state a"});

  Batch put_twice = batch_of(1, 4, {letter(7), letter(7)});
  next = batch_of(2, 4, {end_of(7)});
  REQUIRE(try_append(put_twice, next));
  CHECK(words_of(put_twice) == Words{"put 7 waiting", "put 7 waiting", "end 7"});

  Batch begun_after_its_end = batch_of(1, 4, {end_of(7)});
  next = batch_of(2, 4, {mark_of(7, MailStatus::begun)});
  REQUIRE(try_append(begun_after_its_end, next));
  CHECK(words_of(begun_after_its_end) == Words{"end 7", "mark 7 begun"});
}

TEST_CASE("batch: an answer that begins and ends in one batch is written once, with its end", "[kernel]") {
  Batch batch = batch_of(1, 4, {answer_begun("k"), put_of("a", 1, 10), answer_begun("l"), answer_end("m")});
  Batch next = batch_of(2, 4, {answer_end("k"), put_of("a", 2, 10)});
  REQUIRE(try_append(batch, next));
  CHECK(words_of(batch) == Words{"k returned", "state a", "l begun", "end m"});
  CHECK(bytes_of(batch.operations[0]) == 5);
  CHECK(bytes_of(batch.operations[3]) == 5);
  for (const Operation& operation : batch.operations) CHECK(shard_of(operation) == ShardId{1});
}

TEST_CASE("batch: changes of one answer that cannot follow each other stay, and so do sweeps", "[kernel]") {
  Batch batch = batch_of(1, 4, {answer_begun("k"), answer_end("l"), sweep(), answer_begun("m"), answer_end("m")});
  Batch next = batch_of(2, 4, {answer_begun("k"), answer_end("l"), sweep(), answer_end("m")});
  REQUIRE(try_append(batch, next));
  CHECK(words_of(batch) == Words{"k begun", "end l", "sweep", "m returned", "k begun", "end l", "sweep", "end m"});
}

TEST_CASE("batch: of a long batch in which most mail has ended, the rest stays", "[kernel]") {
  constexpr std::uint64_t kCount = 100'000;
  std::vector<Operation> letters;
  std::vector<Operation> ends;
  for (std::uint64_t number = 0; number < kCount; ++number) {
    letters.push_back(letter(number));
    if (number % 1'000 != 0) ends.push_back(end_of(number));
  }
  Batch batch = batch_of(1, 4, std::move(letters));
  Batch next = batch_of(2, 4, std::move(ends));
  REQUIRE(try_append(batch, next));
  REQUIRE(batch.operations.size() == kCount / 1'000);
  CHECK(std::get<PutMail>(batch.operations[3]).mail.id.number == 3'000);
}

TEST_CASE("batch: changes of a reminder all stay in their order, and what it has become is written only if it goes on",
          "[kernel]") {
  Batch batch = batch_of(1, 4, {reminder_of(20), advance_of(20), letter(7), mark_of(7, MailStatus::begun)});
  Batch next = batch_of(
      2, 4, {advance_of(30), letter(8), end_of(8), ForgetReminder{kReminder, ShardId{1}}, reminder_of(90), end_of(7)});
  join(batch.operations);
  CHECK(words_of(batch) == Words{"set 20", "advance 20", "put 7 begun"});
  REQUIRE(try_append(batch, next));
  CHECK(words_of(batch) == Words{"set 20", "advance 20", "advance 30", "forget tick", "set 90"});
  for (const Operation& operation : batch.operations) {
    CHECK(shard_of(operation) == ShardId{1});
    CHECK(is_of_reminder(operation));
  }
  CHECK(bytes_of(batch.operations[0]) == 3);
  CHECK_FALSE(is_of_reminder(letter(1)));
}

TEST_CASE("batch: a reminder is equal if all but its next due time is, and its first one if that is a point in time",
          "[kernel]") {
  const SetReminder set = std::get<SetReminder>(reminder_of(20));
  Reminder present = set.reminder;
  present.due_ns = 500;
  CHECK(is_equal(set, present));
  present.first_ns = 30;
  CHECK_FALSE(is_equal(set, present));
  CHECK(is_equal({set.reminder, ReminderStart::from_now}, present));
  present.every_ns = 11;
  CHECK_FALSE(is_equal({set.reminder, ReminderStart::from_now}, present));
  SetReminder once{set.reminder, ReminderStart::from_now};
  once.reminder.every_ns = present.every_ns = 0;
  CHECK_FALSE(is_equal(once, present));
}
