#pragma once
// What the tests of resharding share: a store that holds some of everything, and whether all of it is where it should
// be.

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "kernel/placement.hpp"
#include "support/answer_fixtures.hpp"
#include "support/mail_fixtures.hpp"
#include "support/reminder_fixtures.hpp"

namespace epic::storage::test {

inline const kernel::Placement kFormer = kernel::ungrouped(kShardCount);
inline constexpr int kEntities = 40;

inline std::string key_of(int number) {
  return number % 4 == 0 ? fmt::format("{{{}}}:{}", number % 8, number) : std::to_string(number);
}

inline std::vector<ShardEpoch> take_each(Store& store, kernel::NodeId node = kernel::NodeId{1}) {
  std::vector<ShardEpoch> tenures;
  for (std::uint32_t shard = 0; shard < store.identity().placement.shard_count(); ++shard)
    tenures.push_back(take(store, kernel::ShardId{shard}, node));
  return tenures;
}

/// States, messages of every status, reminders and answers of entities in every shard.
inline void fill(Store& store, kernel::NodeId node = kernel::NodeId{1}) {
  const auto tenures = take_each(store, node);
  Batch batch = batch_of(tenures, {}, node);
  Batch later = batch_of(tenures, {}, node);
  for (int i = 0; i < kEntities; ++i) {
    const std::string key = key_of(i);
    const kernel::ShardId shard = kFormer.shard_of("T", key);
    batch.operations.push_back(
        put("T", key, fmt::format("state {}", i), shard, kernel::Version{static_cast<std::uint64_t>(i + 1)}));
    Mail mail = message(static_cast<std::uint64_t>(i), shard, "T/" + key);
    mail.id.shard = kFormer.shard_of("Sender", std::to_string(i));
    mail.id.epoch = kernel::Epoch{1};
    mail.from = fmt::format("Sender/{}", i);
    batch.operations.push_back(sent(mail));
    if (i % 5 == 1) later.operations.push_back(marked(mail, MailStatus::begun));
    if (i % 5 == 2) later.operations.push_back(marked(mail, MailStatus::dead, "it threw"));
    Reminder reminder = recurring("tick", 1000 + i % 7, 50, key);
    reminder.shard = shard;
    batch.operations.push_back(set(reminder));
    Answer answer = begun(fmt::format("order {}", i), kBegunAtNs + i, shard);
    answer.id.entity = "T/" + key;
    batch.operations.push_back(put(answer));
    if (i % 2 == 1) later.operations.push_back(ended(answer, returned(fmt::format("result {}", i))));
  }
  batch.schemas = {{kSchema, "record T { }"}};
  must(store.commit(batch));
  later.operations.push_back(put("Gone", "1", "soon erased", kFormer.shard_of("Gone/1"), kernel::Version{99}));
  must(store.commit(later));
  must(store.commit(batch_of(tenures,
                             {EraseSnapshot{.type = "Gone",
                                            .key = "1",
                                            .shard = kFormer.shard_of("Gone/1"),
                                            .version = kernel::Version{100},
                                            .replaces = {}}},
                             node)));
}

/// Everything that a store holds, but for where.
inline std::vector<std::string> facts(Store& store) {
  std::vector<std::string> found;
  const auto no_damage = [](const StoreError& damage) { FAIL_CHECK("unexpected damage: " << damage.message); };
  must(store.list(
      {},
      [&](const Snapshot& one) {
        found.push_back(fmt::format("{}/{} {} {} {} {}", one.type, one.key, one.version, one.schema,
                                    one.saved_at.time_since_epoch().count(), text_of(one.bytes)));
        return Visit::go_on;
      },
      no_damage));
  must(store.list_mail(
      {},
      [&](const Mail& one) {
        found.push_back(fmt::format("{}.{}.{} {} {} {} {} {} {} {}", one.id.shard, one.id.epoch, one.id.number,
                                    one.from, one.to, one.method, text_of(one.arguments), one.sent_at_ns,
                                    static_cast<int>(one.status), one.why));
        return Visit::go_on;
      },
      no_damage));
  for (const Reminder& one : reminders(store))
    found.push_back(fmt::format("{}/{} {} {} {} {} {} {}", one.name.type, one.name.key, one.name.name, one.due_ns,
                                one.first_ns, one.every_ns, one.method, text_of(one.arguments)));
  return found;
}

/// The answers of all of fill()'s keys; one that is not found under its shard is missing here.
inline std::vector<std::string> answers_of(Store& store, const kernel::Placement& placement) {
  std::vector<std::string> found;
  for (int i = 0; i < kEntities; ++i) {
    const AnswerId id{.shard = placement.shard_of("T", key_of(i)),
                      .entity = "T/" + key_of(i),
                      .subject = "alice",
                      .key = fmt::format("order {}", i)};
    const auto answer = must(store.answer(id));
    if (!answer) continue;
    CHECK(answer->id == id);
    found.push_back(fmt::format("{} {} {} {} {}", id.key, answer->method, answer->begun_at_ns,
                                static_cast<int>(answer->end.status), text_of(answer->end.bytes)));
  }
  return found;
}

/// Each row is where the owner of its shard looks for it.
inline void check_places(Store& store, const kernel::Placement& placement) {
  REQUIRE(store.identity().placement.shard_count() == placement.shard_count());
  must(store.list(
      {},
      [&](const Snapshot& one) {
        CHECK(one.shard == placement.shard_of(one.type, one.key));
        return Visit::go_on;
      },
      [](const StoreError&) {}));
  std::set<kernel::MailId> by_shard;
  std::size_t reminder_count = 0;
  std::vector<std::int64_t> oldest(placement.shard_count(), INT64_MAX);
  for (int i = 0; i < kEntities; ++i) {
    std::int64_t& one = oldest[placement.shard_of("T", key_of(i)).value];
    one = std::min(one, kBegunAtNs + i);
  }
  for (std::uint32_t number = 0; number < placement.shard_count(); ++number) {
    const kernel::ShardId shard{number};
    std::uint64_t last_place = 0;
    for (const kernel::LoadedMail& row : must(store.mail_of(shard, 0)).rows) {
      CHECK(row.mail.to_shard == shard);
      CHECK(placement.shard_of(row.mail.to) == shard);
      CHECK(row.place > last_place);
      last_place = row.place;
      by_shard.insert(row.mail.id);
    }
    for (const Reminder& one : must(store.reminders_of(shard, {}, 1000)).rows) {
      CHECK(placement.shard_of(one.name.type, one.name.key) == shard);
      ++reminder_count;
    }
    CHECK(must(store.oldest_answer(shard)).value_or(INT64_MAX) == oldest[number]);
  }
  const MailCounts counts = must(store.count_mail());
  CHECK(by_shard.size() == counts.waiting + counts.begun);
  CHECK(reminder_count == must(store.count_reminders()));
}

}  // namespace epic::storage::test
