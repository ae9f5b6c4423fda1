#include "bench/stopped_store.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "bench/bench_support.hpp"
#include "io/random.hpp"
#include "kernel/placement.hpp"
#include "storage/grants.hpp"
#include "storage/open_store.hpp"

namespace epic::bench {

StoppedStore::StoppedStore(const storage::StoreAddress& address)
    : store_(or_throw(storage::open_store({.address = address}))),
      writer_(io::random_id()),
      epochs_(or_throw(storage::take_all(*store_, writer_))) {}

storage::Reminder StoppedStore::get_reminder() {
  std::vector<storage::Reminder> found;
  or_throw(store_->list_reminders(
      {},
      [&found](const storage::Reminder& one) {
        found.push_back(one);
        return storage::Visit::go_on;
      },
      [](const storage::DamagedReminder& damage) { throw std::runtime_error(damage.message); }));
  if (found.size() != 1)
    throw std::runtime_error("the store has " + std::to_string(found.size()) + " reminders, not 1");
  return found.front();
}

void StoppedStore::add_reminders(const storage::Reminder& pattern, std::int64_t count,
                                 const std::function<std::int64_t(std::int64_t)>& due_ns_of) {
  constexpr std::int64_t kRowsPerBatch = 5'000;
  for (std::int64_t begin = 0; begin < count; begin += kRowsPerBatch) {
    last_commit_ = last_commit_.next();
    storage::Batch batch{.number = last_commit_, .writer = writer_, .epochs = epochs_, .schemas = {}, .operations = {}};
    for (std::int64_t i = begin; i < std::min(count, begin + kRowsPerBatch); ++i) {
      storage::Reminder reminder = pattern;
      reminder.name.key = std::to_string(i);
      reminder.shard = store_->identity().placement.shard_of(reminder.name.type, reminder.name.key);
      reminder.due_ns = reminder.first_ns = due_ns_of(i);
      batch.operations.emplace_back(storage::SetReminder{std::move(reminder)});
    }
    or_throw(store_->commit(batch));
    if (store_->wants_maintenance()) or_throw(store_->maintain());
  }
}

Unfinished count_unfinished(const storage::StoreAddress& address) {
  const auto store = or_throw(storage::open_store({.address = address, .mode = storage::OpenMode::read_only}));
  const storage::MailCounts mail = or_throw(store->count_mail());
  return {.reminders = or_throw(store->count_reminders()), .mail = mail.waiting + mail.begun, .dead = mail.dead};
}

}  // namespace epic::bench
