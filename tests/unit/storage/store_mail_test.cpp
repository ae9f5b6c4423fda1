// What every Store must do with mail, run against each implementation.

#include <fmt/format.h>

#include <algorithm>

#include "support/mail_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::Epoch;
using epic::kernel::NodeId;
using epic::kernel::ShardId;
using epic::kernel::Version;

namespace {

const ShardId kSender{0};
const ShardId kReceiver{1};

std::string text_of_mail(const Mail& mail) {
  return fmt::format("{}.{}.{} {}>{} {} {} {:x} {} {} {} {}", mail.id.shard, mail.id.epoch, mail.id.number, mail.from,
                     mail.to, mail.to_shard, mail.method, mail.schema.value, text_of(mail.arguments), mail.sent_at_ns,
                     static_cast<int>(mail.status), mail.why);
}

/// The numbers of the messages to a shard that are not dead, a page at a time.
std::vector<std::uint64_t> numbers_to(Store& store, ShardId shard) {
  std::vector<std::uint64_t> numbers;
  std::uint64_t place = 0;
  for (bool is_last = false; !is_last;) {
    const MailPage page = must(store.mail_of(shard, place));
    CHECK(page.damaged.empty());
    for (const auto& row : page.rows) {
      CHECK(row.place > place);
      place = row.place;
      numbers.push_back(row.mail.id.number);
    }
    CHECK(page.last_place == place);
    is_last = page.is_last;
  }
  return numbers;
}

using Numbers = std::vector<std::uint64_t>;

}  // namespace

TEMPLATE_TEST_CASE("store: a message is read back whole, and is gone when it has ended", "[storage]", Memory, Sqlite,
                   Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const std::vector<ShardEpoch> held{take(store, kSender), take(store, kReceiver)};
  const std::string strange("a\0/'\xff{}", 7);
  const Mail mail = GENERATE_COPY(
      message(7),
      [&] {
        Mail odd = message(UINT64_MAX, kReceiver, "T/" + strange);
        odd.id.epoch = Epoch{UINT64_MAX};
        odd.from = strange;
        odd.method = "";
        odd.arguments = {};
        odd.sent_at_ns = -1;
        odd.status = MailStatus::begun;
        odd.why = strange;
        return odd;
      }(),
      message(1, kReceiver, "T/"));
  must(store.commit(batch_of(held, {sent(mail)})));

  const MailPage page = must(store.mail_of(kReceiver, 0));
  REQUIRE(page.rows.size() == 1);
  CHECK(text_of_mail(page.rows[0].mail) == text_of_mail(mail));
  CHECK(page.rows[0].schema_text.empty());
  CHECK(page.last_place == page.rows[0].place);
  CHECK(page.is_last);
  std::string listed;
  must(store.list_mail(
      {},
      [&](const Mail& one) {
        listed += text_of_mail(one);
        return Visit::go_on;
      },
      [](const DamagedMail&) {}));
  CHECK(listed == text_of_mail(mail));

  must(store.commit(batch_of(held, {ended(mail)})));
  CHECK(numbers_to(store, kReceiver).empty());
  CHECK(mail_numbers(store).empty());
}

TEMPLATE_TEST_CASE("store: a begun message is still to be found by its receiver's shard, a dead letter is only listed",
                   "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const std::vector<ShardEpoch> held{take(store, kSender), take(store, kReceiver)};
  const Mail mail = message(7);
  must(store.commit(batch_of(held, {sent(mail), sent(message(8, ShardId{2}))})));
  CHECK(numbers_to(store, ShardId{2}) == Numbers{8});
  CHECK(numbers_to(store, kSender).empty());

  must(store.commit(batch_of(held, {marked(mail, MailStatus::begun)})));
  MailPage page = must(store.mail_of(kReceiver, 0));
  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].mail.status == MailStatus::begun);

  must(store.commit(batch_of(held, {marked(mail, MailStatus::dead, "it threw")})));
  page = must(store.mail_of(kReceiver, 3));
  CHECK(page.rows.empty());
  CHECK(page.last_place == 3);
  CHECK(page.is_last);
  std::string why;
  must(store.list_mail(
      {.status = MailStatus::dead},
      [&](const Mail& dead) {
        why = dead.why;
        return Visit::go_on;
      },
      [](const DamagedMail&) {}));
  CHECK(why == "it threw");

  must(store.commit(batch_of(held, {marked(mail, MailStatus::waiting)})));
  CHECK(numbers_to(store, kReceiver) == Numbers{7});
  must(store.commit(batch_of(held, {marked(mail, MailStatus::dead), ended(mail)})));
  CHECK(mail_numbers(store) == Numbers{8});
}

TEMPLATE_TEST_CASE("store: an operation on mail that does not find its row fails the whole batch", "[storage]", Memory,
                   Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const std::vector<ShardEpoch> held{take(store, kSender), take(store, kReceiver), take(store, ShardId{2})};
  must(store.commit(batch_of(held, {sent(message(7))})));

  const auto [operation, sentence] = GENERATE(table<Operation, std::string>(
      {{sent(message(7, ShardId{2}, "T/b")), "which adds message 0.1.7 to T/b, finds it already in the"},
       {marked(message(8), MailStatus::begun), "which marks message 0.1.8 to an entity of shard 1, does not find it"},
       {marked(message(7, ShardId{2}), MailStatus::dead), "marks message 0.1.7 to an entity of shard 2, does not find"},
       {ended(message(8)), "which removes message 0.1.8 to an entity of shard 1, does not find it in the"},
       {ended(message(7, ShardId{2})), "removes message 0.1.7 to an entity of shard 2, does not find it"}}));
  const StoreError error =
      error_of(store.commit(batch_of(held, {put("T", "a", "1"), sent(message(9)), marked(message(7), MailStatus::dead),
                                            operation, ended(message(9))})));
  CHECK(error.code == StoreErrorCode::conflict);
  CHECK(error.operation == 3);
  CHECK_THAT(error.message, Catch::Contains("operation 4 of commit 1, ") && Catch::Contains(sentence) &&
                                Catch::Contains("Nothing was written"));
  CHECK(numbers_to(store, kReceiver) == Numbers{7});
  CHECK(must(store.count_mail()).dead == 0);
  CHECK(contents(store).empty());
}

TEMPLATE_TEST_CASE("store: operations on one message in one batch take effect one after the other", "[storage]", Memory,
                   Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const std::vector<ShardEpoch> held{take(store, kSender), take(store, kReceiver)};
  const Mail mail = message(7);
  must(store.commit(batch_of(held, {sent(mail), marked(mail, MailStatus::begun), ended(mail), sent(message(8))})));
  CHECK(mail_numbers(store) == Numbers{8});

  const auto twice = GENERATE_COPY(std::vector<Operation>{sent(mail), sent(mail)},
                                   std::vector<Operation>{ended(message(8)), ended(message(8))},
                                   std::vector<Operation>{ended(message(8)), marked(message(8), MailStatus::dead)});
  const StoreError error = error_of(store.commit(batch_of(held, twice)));
  CHECK(error.code == StoreErrorCode::conflict);
  CHECK(error.operation == 1);
  CHECK(mail_numbers(store) == Numbers{8});
  CHECK(numbers_to(store, kReceiver) == Numbers{8});
}

TEMPLATE_TEST_CASE("store: messages come in the order of their commits, whichever shard sent them", "[storage]", Memory,
                   Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const std::vector<ShardEpoch> held{take(store, kSender), take(store, kReceiver), take(store, ShardId{5})};
  const auto from_other = [](std::uint64_t number) {
    Mail mail = message(number);
    mail.id.shard = ShardId{5};
    return mail;
  };
  must(store.commit(batch_of(held, {sent(message(9)), sent(from_other(4))})));
  must(store.commit(batch_of(held, {sent(from_other(3)), sent(message(1))})));
  CHECK(numbers_to(store, kReceiver) == Numbers{9, 4, 3, 1});
  CHECK(mail_numbers(store) == Numbers{9, 4, 3, 1});

  // What has ended leaves no place to a later one: a reader that has seen it would miss that.
  const std::uint64_t last = must(store.mail_of(kReceiver, 0)).last_place;
  must(store.commit(batch_of(held, {ended(message(1))})));
  must(store.commit(batch_of(held, {sent(message(2))})));
  const MailPage page = must(store.mail_of(kReceiver, last));
  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].mail.id.number == 2);
}

TEMPLATE_TEST_CASE("store: a page of mail is limited by rows and by bytes, and the last one is known", "[storage]",
                   Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const std::vector<ShardEpoch> held{take(store, kSender), take(store, kReceiver)};
  const auto send = [&](std::size_t count, std::size_t bytes) {
    std::vector<Operation> operations;
    for (std::size_t i = 1; i <= count; ++i) {
      Mail mail = message(i);
      mail.arguments.resize(bytes);
      operations.push_back(sent(std::move(mail)));
    }
    must(store.commit(batch_of(held, std::move(operations))));
  };
  const auto sizes = [&] {
    Numbers found;
    std::uint64_t place = 0;
    for (bool is_last = false; !is_last;) {
      const MailPage page = must(store.mail_of(kReceiver, place));
      found.push_back(page.rows.size());
      place = page.last_place;
      is_last = page.is_last;
    }
    return found;
  };
  SECTION("none") { CHECK(sizes() == Numbers{0}); }
  SECTION("one full page") {
    send(kPageRowsMax, 1);
    CHECK(sizes() == Numbers{kPageRowsMax});
  }
  SECTION("one more than that") {
    send(kPageRowsMax + 1, 1);
    CHECK(sizes() == Numbers{kPageRowsMax, 1});
    CHECK(mail_numbers(store).size() == kPageRowsMax + 1);
  }
  SECTION("large ones") {
    send(5, kPageBytesMax / 2);
    CHECK(sizes() == Numbers{2, 2, 1});
    CHECK(mail_numbers(store) == Numbers{1, 2, 3, 4, 5});
  }
  SECTION("each larger than a page") {
    send(3, kPageBytesMax + 1);
    CHECK(sizes() == Numbers{1, 1, 1});
  }
}

TEMPLATE_TEST_CASE("store: dead letters take no part of a page, and messages are counted by status", "[storage]",
                   Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  CHECK(must(store.count_mail()).waiting == 0);
  const std::vector<ShardEpoch> held{take(store, kSender), take(store, kReceiver)};
  std::vector<Operation> operations;
  for (std::uint64_t number = 1; number <= 600; ++number) operations.push_back(sent(message(number)));
  must(store.commit(batch_of(held, std::move(operations))));
  operations.clear();
  for (std::uint64_t number = 1; number <= 590; ++number)
    operations.push_back(marked(message(number), MailStatus::dead, "no such method"));
  for (std::uint64_t number = 591; number <= 593; ++number)
    operations.push_back(marked(message(number), MailStatus::begun));
  must(store.commit(batch_of(held, std::move(operations))));
  Mail dead = message(601);
  dead.status = MailStatus::dead;
  must(store.commit(batch_of(held, {sent(dead)})));

  const MailPage page = must(store.mail_of(kReceiver, 0));
  CHECK(page.rows.size() == 10);
  CHECK(page.is_last);
  const MailCounts counts = must(store.count_mail());
  CHECK(counts.waiting == 7);
  CHECK(counts.begun == 3);
  CHECK(counts.dead == 591);
}

TEMPLATE_TEST_CASE("store: a listing of mail can be narrowed, and its visitor may stop and change the store",
                   "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const std::vector<ShardEpoch> held{take(store, kSender), take(store, kReceiver)};
  must(store.commit(batch_of(held, {sent(message(1, kReceiver, "T/a")), sent(message(2, kReceiver, "T/a/b")),
                                    sent(message(3, kReceiver, "U/a")), sent(message(4, kReceiver, "T/a")),
                                    marked(message(4), MailStatus::dead), marked(message(2), MailStatus::begun)})));
  CHECK(mail_numbers(store, {.type = "T"}) == Numbers{1, 2, 4});
  CHECK(mail_numbers(store, {.type = "T", .key = "a"}) == Numbers{1, 4});
  CHECK(mail_numbers(store, {.type = "T", .key = "a/b"}) == Numbers{2});
  CHECK(mail_numbers(store, {.type = "V"}).empty());
  CHECK(mail_numbers(store, {.status = MailStatus::waiting}) == Numbers{1, 3});
  CHECK(mail_numbers(store, {.status = MailStatus::dead, .type = "T"}) == Numbers{4});
  CHECK(mail_numbers(store, {.limit = 2}) == Numbers{1, 2});
  CHECK(mail_numbers(store, {.limit = 0}).empty());

  Numbers visited;
  must(store.list_mail(
      {},
      [&](const Mail& mail) {
        visited.push_back(mail.id.number);
        must(store.commit(batch_of(held, {ended(mail)})));
        return mail.id.number == 2 ? Visit::stop : Visit::go_on;
      },
      [](const DamagedMail&) {}));
  CHECK(visited == Numbers{1, 2});
  CHECK(mail_numbers(store) == Numbers{3, 4});
}

TEMPLATE_TEST_CASE("store: the owner of the sender's shard alone adds mail, that of the receiver's alone changes it",
                   "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const ShardEpoch sender = take(store, kSender, NodeId{1});
  const ShardEpoch receiver = take(store, kReceiver, NodeId{2});
  must(store.commit(batch_of({sender}, {sent(message(1)), sent(message(2))}, NodeId{1})));
  must(store.commit(batch_of({receiver}, {marked(message(1), MailStatus::begun)}, NodeId{2})));
  must(store.commit(batch_of({receiver}, {ended(message(1))}, NodeId{2})));

  take(store, kSender, NodeId{3});
  take(store, kReceiver, NodeId{4});
  const auto refused = [&](ShardEpoch held, const Operation& operation, NodeId writer) {
    return error_of(store.commit(batch_of({held}, {operation}, writer))).code == StoreErrorCode::lost_ownership;
  };
  CHECK(refused(sender, sent(message(3)), NodeId{1}));
  CHECK(refused(receiver, marked(message(2), MailStatus::begun), NodeId{2}));
  CHECK(refused(receiver, ended(message(2)), NodeId{2}));
  CHECK(mail_numbers(store, {.status = MailStatus::waiting}) == Numbers{2});
}

TEMPLATE_TEST_CASE("store: a reader that holds a moment sees the mail of that moment", "[storage]", Memory, Sqlite,
                   Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  const std::vector<ShardEpoch> held{take(store, kSender), take(store, kReceiver)};
  must(store.commit(batch_of(held, {sent(message(1)), sent(message(2))})));
  const std::unique_ptr<Store> reader = under_test.open_reader();
  must(reader->begin_moment());
  must(store.commit(
      batch_of(held, {ended(message(1)), marked(message(2), MailStatus::dead, "late"), sent(message(3))})));

  CHECK(numbers_to(*reader, kReceiver) == Numbers{1, 2});
  CHECK(mail_numbers(*reader) == Numbers{1, 2});
  CHECK(must(reader->count_mail()).waiting == 2);
  reader->end_moment();
  CHECK(numbers_to(*reader, kReceiver) == Numbers{3});
  CHECK(mail_numbers(*reader) == Numbers{2, 3});
  CHECK(must(reader->count_mail()).dead == 1);
}
