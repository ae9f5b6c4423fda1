#include "storage/postgres_mail_places.hpp"

#include <algorithm>

namespace epic::storage {

const PgMailPlaces::Place& PgMailPlaces::find(kernel::ShardId shard, std::uint64_t after) {
  Box& box = boxes_[shard];
  if (box.answered != after || after == 0)
    box = {.answered = after, .place = {.from = static_cast<std::int64_t>(after)}};
  return box.place;
}

void PgMailPlaces::note(std::int64_t last_place, std::int64_t oldest_running, std::int64_t later_transaction) {
  for (; !notes_.empty() && notes_.front().first <= oldest_running; notes_.pop_front())
    settled_ = std::max(settled_, notes_.front().second);
  if (later_transaction <= oldest_running) settled_ = std::max(settled_, last_place);
  if (last_place > settled_ && notes_.size() < kNotesMax) notes_.emplace_back(later_transaction, last_place);
}

std::uint64_t PgMailPlaces::on_read(kernel::ShardId shard, const std::set<std::int64_t>& places, bool has_more) {
  Box& box = boxes_[shard];
  box.place.known.insert(places.begin(), places.end());
  if (!places.empty()) box.answered = std::max(box.answered, static_cast<std::uint64_t>(*places.rbegin()));
  if (has_more && places.empty()) return box.answered;
  const std::int64_t read_up_to = has_more ? std::min(settled_, *places.rbegin()) : settled_;
  box.place.from = std::max(box.place.from, read_up_to);
  box.place.known.erase(box.place.known.begin(), box.place.known.upper_bound(box.place.from));
  return box.answered;
}

}  // namespace epic::storage
