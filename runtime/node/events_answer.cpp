#include "node/events_answer.hpp"

#include <algorithm>
#include <boost/describe/enum.hpp>
#include <boost/describe/enum_to_string.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "protocol/log_line.hpp"

namespace epic::kernel {
BOOST_DESCRIBE_ENUM(Happening, activated, failed, erased, collected, moved, stopped, replaced, discarded, deadlocked,
                    slow_to_stop)
}

namespace epic::node {

namespace control = protocol::control;
using kernel::Happening;
using kernel::LifeEntry;
using kernel::SaveEntry;

namespace {

struct Query {
  std::string entity;
  std::string type_prefix = {};  // "Player/"
  std::size_t limit = SIZE_MAX;
  bool follows = false;
  control::Events::Cursor after = {};

  [[nodiscard]] bool matches(std::string_view name) const {
    return entity.empty() ? name.starts_with(type_prefix) : name == entity;
  }
};

/// With its time, ring and number, to sort by: within a tick, lifecycle events come before saves.
using Event = std::pair<std::tuple<std::int64_t, int, std::uint64_t>, control::Events::Answer>;

Query read_query(const kernel::Kernel& kernel, const std::string& node, const control::Events::Request& request) {
  Query query;
  query.entity = kernel.types().stored(request.entity);
  if (!request.type.empty()) query.type_prefix = kernel.types().stored(request.type + "/");
  query.limit = request.limit.value_or(SIZE_MAX);
  query.follows = request.follow;
  if (const auto ours = request.after.find(node); ours != request.after.end()) query.after = ours->second;
  return query;
}

std::string word_of(Happening what) {
  std::string word = boost::describe::enum_to_string(what, "");
  std::ranges::replace(word, '_', ' ');
  return word;
}

std::int64_t to_us(std::int64_t nanoseconds) { return nanoseconds / 1'000; }

std::string time_text(std::int64_t wall_ns) {
  return protocol::format_time(std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(wall_ns))));
}

control::Events::Answer describe(const LifeEntry& entry, const kernel::Kernel& kernel, const std::string& node) {
  control::Events::Answer event;
  event.time = time_text(entry.wall_ns);
  event.node = node;
  event.entity = kernel.types().shown(entry.entity->text);
  event.what = word_of(entry.what);
  event.why = entry.why_text(kernel.types());
  event.version = entry.version.value;
  event.took_us = to_us(entry.took_ns);
  if (entry.what == Happening::activated || entry.what == Happening::failed) {
    event.placement_us = to_us(entry.placement_ns);
    event.load_us = to_us(entry.load_ns);
    event.start_us = to_us(entry.start_ns);
  }
  return event;
}

control::Events::Answer describe(const SaveEntry& entry, const kernel::Kernel& kernel, const std::string& node) {
  control::Events::Answer event;
  event.time = time_text(entry.wall_ns);
  event.node = node;
  event.entity = kernel.types().shown(entry.entity->text);
  event.what = "saved";
  event.version = entry.version.value;
  event.bytes = entry.state_bytes;
  event.commit = entry.commit.value;
  event.saves = entry.count;
  event.durable = entry.commit <= kernel.durable();
  return event;
}

}  // namespace

control::Events::NodeAnswer describe_events(const kernel::Kernel& kernel, const std::string& node,
                                            const control::Events::Request& request) {
  Query query = read_query(kernel, node, request);
  const std::uint64_t life = kernel.options().self.life;
  if (query.after.life != life) query.after = {};
  control::Events::NodeAnswer answer{
      .node = node,
      .cursor = {.life = life, .lives = kernel.trail().lives.newest(), .saves = kernel.trail().saves.newest()},
  };

  // Starts from the newest, so that a limit costs no more than the entries it lets through.
  std::vector<Event> events;
  const auto& lives = kernel.trail().lives.entries();
  for (auto entry = lives.rbegin(); entry != lives.rend() && events.size() < query.limit; ++entry) {
    if (entry->number <= query.after.lives) break;
    if (query.matches(entry->entity->text))
      events.push_back({{entry->wall_ns, 0, entry->number}, describe(*entry, kernel, node)});
  }
  std::size_t saves_left = query.limit;
  const auto& saves = kernel.trail().saves.entries();
  for (auto entry = saves.rbegin(); entry != saves.rend() && saves_left > 0; ++entry) {
    if (entry->number <= query.after.saves) break;
    if (query.follows && kernel.now_ns() - entry->since_ns < kernel::limits::kSavesWindow.count()) {
      answer.cursor.saves = entry->number - 1;
      continue;
    }
    if (!query.matches(entry->entity->text)) continue;
    --saves_left;
    events.push_back({{entry->wall_ns, 1, entry->number}, describe(*entry, kernel, node)});
  }
  std::ranges::sort(events, std::ranges::greater(), &Event::first);
  if (events.size() > query.limit) events.resize(query.limit);
  for (auto event = events.rbegin(); event != events.rend(); ++event)
    answer.events.push_back({.wall_ns = std::get<0>(event->first), .event = std::move(event->second)});
  return answer;
}

}  // namespace epic::node
